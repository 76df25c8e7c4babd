//! Routers: names behind which a model is chosen for each request.
//!
//! [`auto`] chooses by the task, [`free`] among what costs nothing, [`pareto`] by price among what programs well. Each gives a short
//! list of models in the order in which they are tried, and from there on the request is as if the client had named these models
//! itself. What they share is here: which models can do at all what is asked for, patterns of slugs, and prices in order.
//!
//! Nothing here runs for a request that names no router. A small model may be asked about a request before ([`judge`]).

mod auto;
mod free;
pub(crate) mod judge;
mod pareto;
mod pattern;

use std::collections::HashMap;
use std::sync::Arc;

use turnout_wire::api::Api;
use turnout_wire::classify::{Field, Seen};
use turnout_wire::feature::Medium;
use turnout_wire::json::write_string;
use turnout_wire::parameter::Parameter;
use turnout_wire::refusal::{Kind, Refusal};

use super::filter::Filter;
use super::name::{Strategy, Wanted};
use super::trace::Stage;
use super::{Asking, sticky};
use crate::snapshot::written::{CostTier, RouterKind};
use crate::snapshot::{Endpoint, Model, written};

use judge::Judge;
use pattern::Patterns;

/// Models that a router gives at most: the first and those that are tried when it fails.
const MODELS_MAX: usize = 5;

/// Bytes of text for which one token is counted when a context could be too short. Less than usual, so that a model is not chosen
/// that turns out to be too small.
const BYTES_PER_TOKEN: u64 = 3;

/// A router of the configuration.
#[derive(Debug)]
pub(crate) struct Router {
    kind: RouterKind,
    allowed: Patterns,
    excluded: Patterns,
    /// By task, its field, or `default`.
    pools: HashMap<String, Patterns>,
    cost_tier: CostTier,
    /// Thousandths.
    coding_score_min: u16,
    /// Who refines the guess at the task; `None`: nobody.
    judge: Option<Judge>,
}

impl Router {
    pub(crate) fn new(written: written::Router) -> Router {
        Router {
            kind: written.kind,
            allowed: Patterns::new(written.allowed),
            excluded: Patterns::new(written.excluded),
            pools: written
                .pools
                .into_iter()
                .map(|(task, patterns)| (task, Patterns::new(patterns)))
                .collect(),
            cost_tier: written.cost_tier,
            coding_score_min: written.coding_score_min,
            judge: written.judge.map(Judge::new),
        }
    }

    /// Whether it has a judge.
    pub(crate) fn is_judged(&self) -> bool {
        self.judge.is_some()
    }
}

/// What the routers of a configuration choose from: its models that write text, the cheapest first.
#[derive(Default)]
pub(crate) struct Choices(Vec<Choice>);

/// A model that can be chosen.
struct Choice {
    model: Arc<Model>,
    /// Nano-dollars per million tokens, three of four being read: the usual ratio. Of the cheapest endpoint; 0 where nobody knows it,
    /// which is mostly a model on one's own machine.
    price: u64,
    /// The same of tokens that are read only.
    prompt_price: u64,
    /// All its endpoints are known to cost nothing.
    is_free: bool,
    /// Its slug has a variant (`:free`, `:extended`).
    is_variant: bool,
    /// It gives nothing but text. Others, of which many make pictures or music, are only taken when a pattern names them.
    is_text: bool,
}

impl Choices {
    pub(crate) fn new(models: &[Arc<Model>]) -> Choices {
        let mut choices: Vec<Choice> = models
            .iter()
            .filter(|model| model.writes_text())
            .map(Choice::of)
            .collect();
        // Stable: of equal price the configuration's order.
        choices.sort_by_key(|choice| choice.price);
        Choices(choices)
    }
}

impl Choice {
    fn of(model: &Arc<Model>) -> Choice {
        let endpoints = || (model.endpoints.iter()).filter(|one| one.service_tier.is_none());
        let prices = || endpoints().filter_map(|one| one.prices.as_ref());
        let blended =
            |prompt: u64, completion: u64| prompt.saturating_mul(3).saturating_add(completion) / 4;
        Choice {
            price: prices()
                .map(|prices| blended(prices.prompt, prices.completion))
                .min()
                .unwrap_or(0),
            prompt_price: prices().map(|prices| prices.prompt).min().unwrap_or(0),
            is_free: endpoints().all(|one| {
                one.prices.as_ref().is_some_and(|prices| {
                    prices.prompt == 0 && prices.completion == 0 && prices.request == 0
                })
            }),
            is_variant: model.slug.contains(':'),
            is_text: endpoints().all(|one| one.outputs.is_text()),
            model: Arc::clone(model),
        }
    }

    /// Tenths of a point. Where only the general score is known, that counts.
    fn score(&self, field: Field) -> Option<u16> {
        let scores = self.model.scores?;
        match field {
            Field::Intelligence => scores.intelligence,
            Field::Coding => scores.coding.or(scores.intelligence),
            Field::Agentic => scores.agentic.or(scores.intelligence),
        }
    }

    /// Whether it is known to reason.
    fn reasons(&self) -> bool {
        self.model.endpoints.iter().any(|endpoint| {
            (endpoint.parameters).is_some_and(|known| known.has(Parameter::Reasoning))
        })
    }
}

/// What a router chose.
pub(crate) struct Expanded<'a> {
    /// In the order in which they are tried; never empty.
    pub(crate) models: Vec<&'a Arc<Model>>,
    pub(crate) strategy: Strategy,
}

/// Lets the router of this slug choose.
pub(crate) fn expand<'a>(
    asking: &Asking<'a>,
    slug: &str,
    router: &'a Router,
) -> Result<Expanded<'a>, Refusal> {
    let request = asking.request;
    if !matches!(
        request.api(),
        Api::Chat | Api::Responses | Api::Messages | Api::Gemini
    ) {
        return Err(Refusal::new(Kind::WrongEndpoint)
            .with_message(format!(
                "{slug} chooses by the conversation (`messages`) and cannot be used with this API ({})",
                request.api().name()
            ))
            .with_requested_models(vec![slug.to_owned()]));
    }
    let seen = Seen::of(request.asked());
    if !seen.turns {
        return Err(Refusal::new(Kind::InvalidRequest).with_message(format!(
            "{slug} chooses by the conversation: the body needs `messages` with at least one message"
        )));
    }
    let turn = Turn {
        asking,
        slug,
        router,
        seen: &seen,
    };
    match router.kind {
        RouterKind::Auto => auto::choose(&turn),
        RouterKind::Free => free::choose(&turn),
        RouterKind::Pareto => pareto::choose(&turn),
    }
}

/// One request at a router.
struct Turn<'t, 'a> {
    asking: &'t Asking<'a>,
    slug: &'t str,
    router: &'a Router,
    seen: &'t Seen,
}

impl<'a> Turn<'_, 'a> {
    /// The models that may be chosen and can do what is asked, the cheapest first. `variants`: whether those are taken too
    /// when no pattern names them.
    fn able(&self, pool: Option<&Patterns>, said: &Said<'_>, variants: bool) -> Vec<&'a Choice> {
        let router = self.router;
        // What keeps endpoints out of models that are not chosen is nobody's question.
        let quiet = Asking {
            trace: None,
            ..*self.asking
        };
        let mut filter = Filter::new(&quiet);
        (self.asking.snapshot.choices.0.iter())
            .filter(|choice| {
                let slug = choice.model.slug.as_str();
                let mut is_named = choice.is_text && (variants || !choice.is_variant);
                for patterns in [
                    Some(&router.allowed).filter(|_| pool.is_none()),
                    pool,
                    said.allowed,
                ]
                .into_iter()
                .flatten()
                {
                    if patterns.is_empty() {
                        continue;
                    }
                    if !patterns.matches(slug) {
                        return false;
                    }
                    is_named = true;
                }
                is_named
                    && !router.excluded.matches(slug)
                    && said.excluded.is_none_or(|patterns| !patterns.matches(slug))
                    && self.asking.key.is_none_or(|key| key.allows(slug))
                    && self.is_capable(&choice.model, &mut filter)
            })
            .collect()
    }

    /// Whether an endpoint of the model can do what is asked, and may. What is not known of an endpoint is not held against it.
    fn is_capable(&self, model: &'a Arc<Model>, filter: &mut Filter<'_, 'a>) -> bool {
        let request = self.asking.request;
        let seen = self.seen;
        let tokens = seen.body_bytes / BYTES_PER_TOKEN + request.max_tokens().unwrap_or(0);
        let takes = |endpoint: &Endpoint, parameter| {
            endpoint.parameters.is_none_or(|known| known.has(parameter))
        };
        let wanted = Wanted::of_model(model);
        model.endpoints.iter().any(|endpoint| {
            // The filter lets doubtful lengths pass. Where there is a choice, none is taken that could be too short; but pictures and
            // sound are long in bytes and short in tokens.
            let fits = endpoint.context_length.is_none_or(|context| {
                tokens <= context || seen.images || seen.files || seen.audio || seen.video
            });
            // It also leaves away tools and schemas where a model has no endpoint for them, and makes text of documents, neither of
            // which a router need accept.
            fits && (!seen.files || endpoint.media.has(Medium::File))
                && (!seen.tools || takes(endpoint, Parameter::Tools))
                && (!seen.schema
                    || takes(endpoint, Parameter::ResponseFormat)
                    || takes(endpoint, Parameter::StructuredOutputs))
                && filter.may(&wanted, endpoint)
        })
    }

    /// Puts the model first that the conversation is with, if it is still among those that may be chosen.
    fn keep(&self, chosen: &mut Vec<&'a Choice>, may: &[&'a Choice]) {
        let slugs = may.iter().map(|choice| choice.model.slug.as_str());
        let at = sticky::remembered_model(self.asking, self.slug, slugs);
        if let Some(choice) = at.and_then(|at| may.get(at)) {
            to_front(chosen, may, &choice.model.slug);
        }
    }

    /// Whether the client used a name of the router that ends so.
    fn asked_as(&self, ending: &str) -> bool {
        let request = self.asking.request;
        (request.model().into_iter())
            .chain(request.models().iter().map(String::as_str))
            .any(|name| name.ends_with(ending) && self.slug_of(name) == self.slug)
    }

    /// The slug that a name means; itself where it means nothing.
    fn slug_of<'n>(&self, name: &'n str) -> &'n str
    where
        'a: 'n,
    {
        match self.asking.snapshot.model(name) {
            Some(model) => &model.slug,
            None => name,
        }
    }

    /// The refusal when nothing is left to choose from.
    fn nothing(&self) -> Refusal {
        Refusal::new(Kind::NoEndpoints)
            .with_message("No models match your request and model restrictions")
            .with_requested_models(vec![self.slug.to_owned()])
    }

    /// The choice, and what it came from for whoever asks. `data`: members of a JSON object, without braces.
    fn chosen(
        &self,
        strategy: Strategy,
        plugin: &'static str,
        chosen: &[&'a Choice],
        from: usize,
        explain: impl FnOnce() -> (String, String),
    ) -> Expanded<'a> {
        self.asking.note(|trace| {
            let (summary, members) = explain();
            let mut data = format!("{{{members}\"candidates\":{from},\"models\":[").into_bytes();
            for (index, choice) in chosen.iter().enumerate() {
                if index > 0 {
                    data.push(b',');
                }
                write_string(&choice.model.slug, &mut data);
            }
            data.extend_from_slice(b"]}");
            trace.stage(Stage {
                kind: "plugin",
                name: plugin,
                summary,
                data: String::from_utf8(data).unwrap_or_default(),
            });
        });
        Expanded {
            models: chosen.iter().map(|choice| &choice.model).collect(),
            strategy,
        }
    }
}

/// Puts the model of this slug first, if it may be chosen.
fn to_front<'a>(chosen: &mut Vec<&'a Choice>, may: &[&'a Choice], slug: &str) {
    if let Some(at) = chosen.iter().position(|choice| choice.model.slug == slug) {
        if let Some(range) = chosen.get_mut(..=at) {
            range.rotate_right(1);
        }
    } else if let Some(choice) = may.iter().find(|choice| choice.model.slug == slug) {
        chosen.insert(0, choice);
        chosen.truncate(MODELS_MAX);
    }
}

/// Patterns of a request.
#[derive(Default)]
struct Said<'s> {
    allowed: Option<&'s Patterns>,
    excluded: Option<&'s Patterns>,
}
