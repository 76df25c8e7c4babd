//! What routing writes down for whoever asks why: which endpoints were looked at, what dropped each one or how it was
//! scored, and what else was decided on the way.
//!
//! It is kept only for a request that asks for it (`X-OpenRouter-Metadata`, `X-Turnout-Explain`, the explain page). Everything
//! that decides writes through [`Asking::note`](super::Asking::note), which costs the other requests one look at a `None`.
//! [`crate::explain`] reads it.

use super::Strategy;
use crate::clock::Instant;
use crate::snapshot::{Endpoint, Provider};
use crate::statistics::Look;

/// Endpoints that are written down; of more, only their number is.
pub(crate) const ENDPOINTS_MAX: usize = 256;

/// Stages that are written down; there are fewer kinds of them.
pub(crate) const STAGES_MAX: usize = 16;

/// What a client asks to be told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish {
    /// What OpenRouter tells.
    pub(crate) router: bool,
    /// All that there is to tell.
    pub(crate) whole: bool,
    /// In it, what belongs to the gateway's own accounts: labels of providers' keys, and the names that models have at providers.
    pub(crate) inside: bool,
}

/// What was decided for one request, and why.
#[derive(Debug)]
pub(crate) struct Trace {
    /// Who it is for.
    pub(crate) wish: Wish,
    /// When the request began.
    pub(crate) began: Instant,
    /// How the models were found; `None`: the request was refused before that was known.
    pub(crate) strategy: Option<Strategy>,
    /// Endpoints that were looked at, in the order in which they were.
    pub(crate) endpoints: Vec<Seen>,
    /// Endpoints beyond [`ENDPOINTS_MAX`].
    pub(crate) left_out: usize,
    /// What changed the request or chose its models before endpoints were looked at.
    pub(crate) stages: Vec<Stage>,
    /// By which rule each model's endpoints were ordered.
    pub(crate) policies: Vec<Policy>,
    /// Whether the conversation was kept where it was before.
    pub(crate) sticky: Option<Sticky>,
    /// When each step of the request was over.
    pub(crate) steps: Vec<(&'static str, Instant)>,
}

/// An endpoint that was looked at.
#[derive(Debug)]
pub(crate) struct Seen {
    /// The model that the client is told.
    pub(crate) slug: String,
    /// The provider's display name.
    pub(crate) provider: String,
    /// The endpoint's tag.
    pub(crate) endpoint: String,
    pub(crate) verdict: Verdict,
}

/// What became of an endpoint.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It may not serve this request.
    Dropped {
        /// A word of the `excluded_by` vocabulary.
        reason: &'static str,
        /// What was wanted and what the endpoint has; empty when the reason says it all.
        detail: String,
    },
    /// It may serve.
    Ranked {
        /// What the policy compared; its meaning is the policy's, and greater is not always better.
        score: f64,
        /// The group that it was ordered within, such as `normal`, `failing` or `resting`.
        group: &'static str,
        /// What was known of it at that moment.
        look: Look,
    },
}

/// Something that changed the request or chose its models; a member of `pipeline` in the metadata.
#[derive(Debug)]
pub(crate) struct Stage {
    /// Its kind, such as `plugin`.
    pub(crate) kind: &'static str,
    /// Its name, such as `auto-router`.
    pub(crate) name: &'static str,
    /// One sentence; empty for none.
    pub(crate) summary: String,
    /// A JSON object with the particulars; empty for none.
    pub(crate) data: String,
}

/// By which rule a model's endpoints were ordered.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) slug: String,
    /// The rule's name in the configuration.
    pub(crate) name: &'static str,
    /// Who chose it: `request`, `shortcut`, `key`, `gateway`, `tools`.
    pub(crate) from: &'static str,
}

/// How a conversation was kept where it was.
#[derive(Debug)]
pub(crate) struct Sticky {
    /// What names the conversation: `session_id`, `header`, `prompt_cache_key`, `messages`.
    pub(crate) by: &'static str,
    /// `kept`, `new` (nothing is remembered), `gone` (its endpoint is no candidate any more), `resting` (its endpoint is left alone).
    pub(crate) decision: &'static str,
    /// The endpoint that is remembered; empty for none.
    pub(crate) endpoint: String,
}

impl Trace {
    /// An empty one.
    pub(crate) fn new(wish: Wish, began: Instant) -> Trace {
        Trace {
            wish,
            began,
            strategy: None,
            endpoints: Vec::new(),
            left_out: 0,
            stages: Vec::new(),
            policies: Vec::new(),
            sticky: None,
            steps: Vec::new(),
        }
    }

    /// This endpoint may not serve. `reason` is a word of the `excluded_by` vocabulary, `detail` what was wanted and
    /// found.
    pub(crate) fn dropped(
        &mut self,
        slug: &str,
        provider: &Provider,
        endpoint: &Endpoint,
        reason: &'static str,
        detail: String,
    ) {
        self.saw(
            slug,
            provider,
            endpoint,
            Verdict::Dropped { reason, detail },
        );
    }

    /// This endpoint may serve, and was compared by `score` within `group` when it looked like `look`. Its place is known from
    /// the plan.
    pub(crate) fn ranked(
        &mut self,
        slug: &str,
        provider: &Provider,
        endpoint: &Endpoint,
        score: f64,
        group: &'static str,
        look: Look,
    ) {
        self.saw(
            slug,
            provider,
            endpoint,
            Verdict::Ranked { score, group, look },
        );
    }

    fn saw(&mut self, slug: &str, provider: &Provider, endpoint: &Endpoint, verdict: Verdict) {
        if self.endpoints.len() >= ENDPOINTS_MAX {
            self.left_out += 1;
            return;
        }
        self.endpoints.push(Seen {
            slug: slug.to_owned(),
            provider: provider.name.clone(),
            endpoint: endpoint.tag.clone(),
            verdict,
        });
    }

    /// Something changed the request or chose its models.
    pub(crate) fn stage(&mut self, stage: Stage) {
        if self.stages.len() < STAGES_MAX {
            self.stages.push(stage);
        }
    }

    /// A model's endpoints were ordered by this rule.
    pub(crate) fn policy(&mut self, slug: &str, name: &'static str, from: &'static str) {
        if self.policies.len() < STAGES_MAX {
            self.policies.push(Policy {
                slug: slug.to_owned(),
                name,
                from,
            });
        }
    }

    /// The conversation's memory was asked.
    pub(crate) fn sticky(&mut self, by: &'static str, decision: &'static str, endpoint: &str) {
        self.sticky = Some(Sticky {
            by,
            decision,
            endpoint: endpoint.to_owned(),
        });
    }

    /// A step of the request is over.
    pub(crate) fn step(&mut self, name: &'static str, now: Instant) {
        if self.steps.len() < STAGES_MAX {
            self.steps.push((name, now));
        }
    }
}
