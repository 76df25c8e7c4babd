//! The `provider` object of a request: the client's wishes about who serves (openrouter.md section 2.3).

use std::time::Duration;

use serde_json::Value as Tree;

use crate::refusal::{Kind as RefusalKind, Refusal};
use crate::request::LIST_MAX;
use crate::timeout;

/// The wishes. Fields that this version does not know are tolerated.
#[derive(Debug, Clone, PartialEq)]
pub struct Preferences {
    /// Providers to try first, in this order.
    pub order: Vec<String>,
    /// Only these.
    pub only: Vec<String>,
    /// Not these.
    pub ignore: Vec<String>,
    /// Whether anything else may be tried than the first choice. True when not said.
    pub allow_fallbacks: bool,
    /// Whether an endpoint that cannot take every parameter of the request is left out. False when not said.
    pub require_parameters: bool,
    /// `data_collection: "deny"`: nobody who trains on what is sent.
    pub deny_data_collection: bool,
    /// Only endpoints with zero data retention.
    pub zdr: bool,
    /// Only models whose author permits distillation.
    pub enforce_distillable_text: bool,
    /// Only these precisions, as written; empty: any.
    pub quantizations: Vec<String>,
    /// A fixed order instead of the usual draw.
    pub sort: Option<Sort>,
    /// Whether the endpoints of all models are ordered together (`sort.partition: "none"`), instead of model after model.
    pub across_models: bool,
    /// Output tokens per 1000 seconds that an endpoint should reach: p50, p75, p90, p99. Zero: no wish.
    pub throughput_min: [u32; 4],
    /// Microseconds to the first token that an endpoint should not exceed: p50, p75, p90, p99. `u32::MAX`: no wish.
    pub latency_max_us: [u32; 4],
    /// What an endpoint may cost at most.
    pub max_price: MaxPrice,
    /// How long all attempts together may take up to the first byte of an answer. This gateway's own member.
    pub timeout: Option<Duration>,
    /// How long each attempt may take up to there. This gateway's own member.
    pub attempt_timeout: Option<Duration>,
}

impl Default for Preferences {
    fn default() -> Preferences {
        Preferences {
            order: Vec::new(),
            only: Vec::new(),
            ignore: Vec::new(),
            allow_fallbacks: true,
            require_parameters: false,
            deny_data_collection: false,
            zdr: false,
            enforce_distillable_text: false,
            quantizations: Vec::new(),
            sort: None,
            across_models: false,
            throughput_min: [0; 4],
            latency_max_us: [u32::MAX; 4],
            max_price: MaxPrice::default(),
            timeout: None,
            attempt_timeout: None,
        }
    }
}

/// `provider.sort`. The words after `Exacto` are this gateway's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// Cheapest first.
    Price,
    /// Most tokens a second first.
    Throughput,
    /// Shortest time to the first token first.
    Latency,
    /// Best at calling tools first.
    Exacto,
    /// Drawn by the configured weights.
    Weighted,
    /// The less busy of two drawn.
    LeastBusy,
    /// By price, speed and failures together.
    Adaptive,
    /// As the configuration lists them.
    Order,
}

/// Nano-dollars; per million tokens, per request, per image, per million audio tokens. `None`: no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MaxPrice {
    /// Of a million tokens that are read.
    pub prompt: Option<u64>,
    /// Of a million tokens that are written.
    pub completion: Option<u64>,
    /// Of a request.
    pub request: Option<u64>,
    /// Of an image in the prompt.
    pub image: Option<u64>,
    /// Of audio that is read.
    pub audio: Option<u64>,
}

/// Reads the object. The refusal names the member.
pub(crate) fn read(raw: &str) -> Result<Preferences, Refusal> {
    let tree: Tree = serde_json::from_str(raw).unwrap_or_default();
    let wrong = |name: &str, expected: &str| {
        Refusal::new(RefusalKind::InvalidRequest)
            .with_message(format!("`provider.{name}` must be {expected}"))
    };
    let list = |name: &str| match tree.get(name) {
        None | Some(Tree::Null) => Ok(Vec::new()),
        Some(Tree::Array(entries)) if entries.len() <= LIST_MAX => entries
            .iter()
            .map(|entry| entry.as_str().map(str::to_owned))
            .collect::<Option<Vec<String>>>()
            .ok_or_else(|| wrong(name, "an array of strings")),
        Some(_) => Err(wrong(
            name,
            &format!("an array of at most {LIST_MAX} strings"),
        )),
    };
    let time = |name: &str| match tree.get(name) {
        None | Some(Tree::Null) => Ok(None),
        Some(value) => match timeout::read_value(value) {
            Some(time) => Ok(Some(time)),
            None => Err(wrong(name, timeout::EXPECTED)),
        },
    };
    Ok(Preferences {
        timeout: time("timeout")?,
        attempt_timeout: time("attempt_timeout")?,
        order: list("order")?,
        only: list("only")?,
        ignore: list("ignore")?,
        allow_fallbacks: match tree.get("allow_fallbacks") {
            None | Some(Tree::Null) => true,
            Some(Tree::Bool(allow)) => *allow,
            Some(_) => return Err(wrong("allow_fallbacks", "true or false")),
        },
        require_parameters: match tree.get("require_parameters") {
            None | Some(Tree::Null) => false,
            Some(Tree::Bool(require)) => *require,
            Some(_) => return Err(wrong("require_parameters", "true or false")),
        },
        ..Preferences::default()
    })
}
