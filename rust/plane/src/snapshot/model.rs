//! Models and the endpoints that serve them.

use std::sync::Arc;

use turnout_wire::api::Task;
use turnout_wire::cost::Prices;
use turnout_wire::exchange::Effort;
use turnout_wire::feature::Media;
use turnout_wire::parameter::Parameters;
use turnout_wire::suffix::Efforts;

use super::provider::read_dialect;
use super::{BadSnapshot, Provider, written};
use crate::metrics::{Metrics, Slot};
use crate::route::router::Router;
use crate::route::way::Ways;
use crate::statistics::{Registry, Statistics};

/// Suffixes that are part of a slug (openrouter.md section 2.4).
pub(crate) const VARIANTS: [&str; 4] = ["free", "extended", "thinking", "batch"];

/// A slug that clients may ask for.
pub(crate) struct Model {
    pub(crate) slug: String,
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) card: String,
    /// Whether its author permits to train other models with what it writes; `None`: not known.
    pub(crate) distillable: Option<bool>,
    /// What the routers choose by.
    pub(crate) scores: Option<written::Scores>,
    /// Set where the slug is a router's: there is no endpoint then, and a model is chosen for each request.
    pub(crate) router: Option<Box<Router>>,
    /// How much it can be asked to think; `None`: not known, or it does not think.
    pub(crate) efforts: Option<Efforts>,
}

impl Model {
    pub(super) fn complete(model: written::Model, endpoints: Vec<Endpoint>) -> Model {
        Model {
            slug: model.slug,
            endpoints,
            card: model.card,
            distillable: model.distillable,
            scores: model.scores,
            router: None,
            efforts: model.reasoning.map(|reasoning| Efforts {
                // A word that this build does not know is a level that nobody can ask it for.
                levels: (reasoning.efforts.iter())
                    .filter_map(|word| Effort::of(word))
                    .collect(),
                mandatory: reasoning.mandatory,
            }),
        }
    }

    /// The slug that stands for a router.
    pub(super) fn of_router(slug: &str, mut router: written::Router) -> Model {
        Model {
            slug: slug.to_owned(),
            endpoints: Vec::new(),
            card: std::mem::take(&mut router.card),
            distillable: None,
            scores: None,
            efforts: None,
            router: Some(Box::new(Router::new(router))),
        }
    }

    /// Whether any of its endpoints writes text, or may: of those that a person describes it is often not said.
    pub(crate) fn writes_text(&self) -> bool {
        self.router.is_some()
            || self.endpoints.iter().any(|endpoint| {
                let outputs = &endpoint.outputs.0;
                outputs.is_empty() || outputs.iter().any(|word| word == "text")
            })
    }
}

/// A model at a provider.
pub(crate) struct Endpoint {
    pub(crate) provider: usize,
    pub(crate) model: String,
    pub(crate) tag: String,
    pub(crate) prices: Option<Prices>,
    pub(crate) completion_tokens_max: Option<u64>,
    /// What it takes; `None`: not known.
    pub(crate) parameters: Option<Parameters>,
    /// The media that it reads; all, where that is not known.
    pub(crate) media: Media,
    /// What it gives.
    pub(crate) outputs: Outputs,
    /// How it is asked in each API that it serves.
    pub(crate) ways: Ways,
    /// One number to compare prices by ([`Prices::blended`]); `None`: not known.
    pub(crate) price: Option<u64>,
    /// Prompt and completion together.
    pub(crate) context_length: Option<u64>,
    pub(crate) quantization: Option<String>,
    pub(crate) data_policy: written::DataPolicy,
    /// Share of the requests under the policy `weighted`.
    pub(crate) weight: u32,
    /// Set where the endpoint is another tier of service at the same provider.
    pub(crate) service_tier: Option<written::ServiceTier>,
    pub(crate) region: Option<String>,
    pub(crate) slot: Slot,
    /// What its requests have shown; the same across swaps.
    pub(crate) statistics: Arc<Statistics>,
}

impl Endpoint {
    /// `slug`: the model's, or a wildcard's pattern, under which its counters are kept.
    pub(super) fn complete(
        endpoint: written::Endpoint,
        slug: &str,
        providers: &[Provider],
        metrics: &Metrics,
        statistics: &Registry,
    ) -> Result<Endpoint, BadSnapshot> {
        let provider = providers.get(endpoint.provider).ok_or_else(|| {
            BadSnapshot(format!(
                "{slug}: no provider has index {}",
                endpoint.provider
            ))
        })?;
        let dialect = endpoint.dialect.as_deref().map(read_dialect).transpose()?;
        if dialect.is_some()
            && provider
                .wires
                .iter()
                .all(|wire| Some(wire.dialect) != dialect)
        {
            return Err(BadSnapshot(format!(
                "{slug}: provider {} does not speak {:?}",
                provider.slug, endpoint.dialect
            )));
        }
        let outputs = Outputs(endpoint.outputs);
        Ok(Endpoint {
            provider: endpoint.provider,
            ways: Ways::new(|api, stream| match outputs.serve(api.task()) {
                true => provider.way(api, stream, dialect),
                false => None,
            }),
            price: endpoint.prices.as_ref().map(Prices::blended),
            slot: metrics.slot(slug, &provider.slug),
            statistics: statistics.of(slug, &endpoint.tag),
            model: endpoint.model,
            tag: endpoint.tag,
            context_length: endpoint.context_length,
            quantization: endpoint.quantization,
            data_policy: endpoint.data_policy,
            weight: endpoint.weight,
            service_tier: endpoint.service_tier,
            region: endpoint.region,
            media: match endpoint.inputs.is_empty() {
                true => Media::ALL,
                false => endpoint.inputs.iter().map(String::as_str).collect(),
            },
            prices: endpoint.prices,
            completion_tokens_max: endpoint.completion_tokens_max,
            parameters: endpoint
                .parameters
                .as_ref()
                .map(|names| names.iter().map(String::as_str).collect()),
            outputs,
        })
    }
}

/// What an endpoint gives, in OpenRouter's words. Empty: not known, so that it may be asked for anything.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outputs(Vec<String>);

impl Outputs {
    /// Whether it is not known to give anything but text.
    pub(crate) fn is_text(&self) -> bool {
        self.0.iter().all(|word| word == "text")
    }

    /// Whether anything is known.
    pub(crate) fn is_known(&self) -> bool {
        !self.0.is_empty()
    }

    /// Whether it may be asked to do this.
    pub(crate) fn serve(&self, task: Task) -> bool {
        let any = |words: &[&str]| self.0.iter().any(|word| words.contains(&word.as_str()));
        self.0.is_empty()
            || match task {
                Task::Generate | Task::CountTokens => any(&["text", "image", "audio"]),
                Task::Embed => any(&["embeddings"]),
                Task::Rerank => any(&["rerank"]),
                Task::Image => any(&["image"]),
                Task::Speak => any(&["speech", "audio"]),
                Task::Transcribe => any(&["transcription"]),
                // A judge of content has no output of its own in OpenRouter's words.
                Task::Moderate => true,
            }
    }
}

pub(crate) struct Wildcard {
    pub(crate) prefix: String,
    pub(crate) endpoints: Vec<Endpoint>,
}

/// The body of `GET /models` for these models: OpenAI's list with OpenRouter's members beside it.
pub(crate) fn list<'a>(models: impl Iterator<Item = &'a Arc<Model>>) -> Vec<u8> {
    let mut out = b"{\"object\":\"list\",\"data\":[".to_vec();
    let mut count = 0usize;
    for model in models {
        if count > 0 {
            out.push(b',');
        }
        out.extend_from_slice(model.card.as_bytes());
        count += 1;
    }
    out.extend_from_slice(b"],\"total_count\":");
    out.extend_from_slice(itoa::Buffer::new().format(count).as_bytes());
    out.extend_from_slice(b",\"links\":{\"next\":null}}");
    out
}
