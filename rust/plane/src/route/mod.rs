//! Which endpoints may serve a request, and in which order.
//!
//! Names are taken in the order in which the client gave them (`model`, then `models`), each name's endpoints in the
//! order of the configuration, narrowed by what the client says in `provider` (`only`, `ignore`, `order`,
//! `allow_fallbacks`). Within an endpoint, the provider's keys are drawn by weight.

mod name;
pub(crate) mod trace;

use std::borrow::Cow;
use std::cell::RefCell;

use turnout_wire::dialect::{Op, Override};
use turnout_wire::preferences::Preferences;
use turnout_wire::refusal::{Kind, Refusal};
use turnout_wire::request::Request;

use crate::snapshot::{Credential, Endpoint, Key, Provider, Snapshot, Wire};

pub(crate) use name::{Strategy, Wanted};
use trace::Trace;

/// An endpoint that may serve.
pub(crate) struct Candidate<'a> {
    /// The slug that the client is told.
    pub(crate) slug: &'a str,
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) provider: &'a Provider,
    /// The provider's name of the model.
    pub(crate) model: Cow<'a, str>,
    /// Which of the provider's protocols is used; index into its wires.
    pub(crate) wire_index: usize,
    /// What it is asked to do there.
    pub(crate) op: Op,
    /// Members of the body that are said otherwise to it.
    pub(crate) overrides: Vec<Override<'a>>,
}

impl<'a> Candidate<'a> {
    /// The protocol that is used.
    pub(crate) fn wire(&self) -> &'a Wire {
        &self.provider.wires[self.wire_index]
    }
}

/// Who asks for what.
#[derive(Clone, Copy)]
pub(crate) struct Asking<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) key: Option<&'a Key>,
    pub(crate) request: &'a Request,
    /// Where the reasons are written down; `None` for all requests that do not ask for them.
    pub(crate) trace: Option<&'a RefCell<Trace>>,
}

impl Asking<'_> {
    /// Writes something down for whoever asks why. `write` runs only when somebody does.
    #[inline]
    pub(crate) fn note(&self, write: impl FnOnce(&mut Trace)) {
        if let Some(trace) = self.trace {
            write(&mut trace.borrow_mut());
        }
    }
}

/// What was decided for a request.
pub(crate) struct Plan<'a> {
    /// Who may serve, in order; never empty.
    pub(crate) candidates: Vec<Candidate<'a>>,
    /// How the models were found.
    pub(crate) strategy: Strategy,
}

/// Decides who may serve, and in which order.
pub(crate) fn plan<'a>(asking: &Asking<'a>) -> Result<Plan<'a>, Refusal> {
    let Asking {
        snapshot, request, ..
    } = *asking;
    let mut candidates = Vec::with_capacity(4);
    let names = name::wanted(asking)?;
    // What kept endpoints out: they cannot do this at all, or not at this length.
    let (mut unable, mut too_short) = (None, None);
    for wanted in &names.wanted {
        let Wanted {
            slug,
            endpoints,
            matched,
            ..
        } = *wanted;
        let start = candidates.len();
        for endpoint in endpoints {
            // Another tier of service is only used when it is asked for.
            if endpoint.service_tier.is_some() {
                continue;
            }
            let provider = &snapshot.providers[endpoint.provider];
            let drop = |reason, detail| {
                asking.note(|trace| trace.dropped(slug, provider, endpoint, reason, detail));
            };
            let model = match matched {
                Some(rest) if endpoint.model.contains('*') => {
                    Cow::Owned(endpoint.model.replacen('*', rest, 1))
                }
                _ => Cow::Borrowed(endpoint.model.as_str()),
            };
            let api = request.api();
            let way = match endpoint.outputs.serve(api.task()) {
                true => provider.way(api, request.stream(), endpoint.dialect),
                false => None,
            };
            let Some((wire_index, op)) = way else {
                unable.get_or_insert(slug);
                drop("wrong_endpoint", String::new());
                continue;
            };
            if request
                .max_tokens()
                .zip(endpoint.completion_tokens_max)
                .is_some_and(|(asked, max)| asked > max)
            {
                too_short = too_short.max(endpoint.completion_tokens_max);
                drop("max_tokens", String::new());
                continue;
            }
            candidates.push(Candidate {
                slug,
                endpoint,
                provider,
                model,
                wire_index,
                op,
                overrides: wanted.overrides.clone(),
            });
        }
        if let Some(preferences) = request.preferences() {
            prefer(&mut candidates, start, preferences);
        }
    }
    if candidates.is_empty() {
        let name = names.wanted.first().map_or("", |wanted| wanted.slug);
        if let Some(max) = too_short {
            return Err(Refusal::new(Kind::ConstraintFiltered)
                .with_message(format!(
                    "No endpoints found for {name} that generate {} tokens; the longest generates {max}",
                    request.max_tokens().unwrap_or_default()
                ))
                .with_requested_models(vec![name.to_owned()]));
        }
        if let Some(slug) = unable {
            return Err(Refusal::new(Kind::WrongEndpoint)
                .with_message(format!(
                    "{slug} cannot be used with this API ({}); GET /v1/models shows what each model gives",
                    request.api().name()
                ))
                .with_requested_models(vec![slug.to_owned()]));
        }
        return Err(Refusal::new(Kind::NoEndpoints)
            .with_message(format!(
                "No endpoints found for {name} that match \"provider\" in the request"
            ))
            .with_requested_models(vec![name.to_owned()]));
    }
    Ok(Plan {
        candidates,
        strategy: names.strategy,
    })
}

/// Narrows and orders the candidates from `start` on.
fn prefer(candidates: &mut Vec<Candidate<'_>>, start: usize, preferences: &Preferences) {
    let names = |list: &[String], candidate: &Candidate<'_>| {
        list.iter().position(|name| is_named(candidate, name))
    };
    let mut kept: Vec<(usize, Candidate<'_>)> = candidates
        .drain(start..)
        .filter(|c| preferences.only.is_empty() || names(&preferences.only, c).is_some())
        .filter(|c| names(&preferences.ignore, c).is_none())
        .map(|c| (names(&preferences.order, &c).unwrap_or(usize::MAX), c))
        .collect();
    // Stable: those that `order` does not name keep the configuration's order behind those that it does.
    kept.sort_by_key(|(place, _)| *place);
    if !preferences.allow_fallbacks {
        if preferences.order.is_empty() {
            kept.truncate(1);
        } else {
            kept.retain(|(place, _)| *place != usize::MAX);
        }
    }
    candidates.extend(kept.into_iter().map(|(_, candidate)| candidate));
}

/// Whether `name` means this endpoint: its tag, its provider's slug, or its provider's display name.
fn is_named(candidate: &Candidate<'_>, name: &str) -> bool {
    name.eq_ignore_ascii_case(&candidate.endpoint.tag)
        || name.eq_ignore_ascii_case(&candidate.provider.slug)
        || name.eq_ignore_ascii_case(&candidate.provider.name)
}

/// The provider's keys in the order of one weighted draw without replacement, each drawn when it is asked for: nearly
/// always the first one serves.
pub(crate) struct Draw<'a> {
    provider: &'a Provider,
    /// Indices that have been drawn.
    drawn: [u16; DRAWN_MAX],
    count: usize,
}

/// Keys of one provider that are tried for a request; as many as a request may have attempts.
const DRAWN_MAX: usize = 20;

pub(crate) fn draw(provider: &Provider) -> Draw<'_> {
    Draw {
        provider,
        drawn: [0; DRAWN_MAX],
        count: 0,
    }
}

impl<'a> Iterator for Draw<'a> {
    type Item = &'a Credential;

    fn next(&mut self) -> Option<&'a Credential> {
        let credentials = &self.provider.credentials;
        if self.count >= credentials.len().min(DRAWN_MAX) {
            return None;
        }
        let index = if credentials.len() == 1 {
            0
        } else {
            self.ticket(fastrand::u64(..self.weight_left()))
        };
        self.drawn[self.count] = index;
        self.count += 1;
        credentials.get(usize::from(index))
    }
}

impl<'a> Draw<'a> {
    /// Those that have not been drawn, with their weights. Zero is taken for one, so that there is always something.
    fn left(&self) -> impl Iterator<Item = (u16, u64)> {
        (0..)
            .zip(&self.provider.credentials)
            .filter(|(index, _)| !self.drawn[..self.count].contains(index))
            .map(|(index, credential)| (index, u64::from(credential.weight.max(1))))
    }

    fn weight_left(&self) -> u64 {
        self.left().map(|(_, weight)| weight).sum()
    }

    /// The key whose share of the weights holds the ticket.
    fn ticket(&self, mut ticket: u64) -> u16 {
        let mut last = 0;
        for (index, weight) in self.left() {
            last = index;
            if ticket < weight {
                break;
            }
            ticket -= weight;
        }
        last
    }
}
