//! The configuration as the machine reads it: complete, immutable, swapped whole.
//!
//! Twin of `python/turnout/config/snapshot.py`: the types in [`written`] have its names and its order of ideas, and the
//! golden file `tests/config/snapshot.golden.json` is read by the tests of both. [`Snapshot::read`] turns the bytes
//! into tables that a request can use without another thought: key digests in a hash map, slugs in another,
//! request heads towards each provider already written up to the content length.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap as FastMap;
use turnout_wire::api::{Api, Task};
use turnout_wire::cost::Prices;
use turnout_wire::dialect::{Dialect, Op, Quirks};
use turnout_wire::exchange::Effort;
use turnout_wire::feature::Media;
use turnout_wire::parameter::Parameters;
use turnout_wire::suffix::Efforts;

use crate::cache::remote;
use crate::limits::{Limits, Meter};
use crate::metrics::{Metrics, Slot};
use crate::preset::Preset;
use crate::route::router::{Choices, Router};
use crate::statistics::{CredentialState, Registry, Statistics};
use crate::upstream::origin::{Origin, Origins};
use crate::upstream::sigv4::Signer;

/// The schema of [`written::Snapshot`] that this build understands.
pub const SCHEMA: u32 = 3;

/// What Python wrote. Units are in the names.
pub mod written {
    #![allow(missing_docs)] // The twin, snapshot.py, documents every field.
    use serde::Deserialize;
    use turnout_wire::cost::Prices;
    use turnout_wire::dialect::Quirks;

    use crate::limits::Reset;
    use crate::secret::Secret;

    #[derive(Debug, Clone, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Tls {
        pub certificate_path: String,
        pub private_key_path: String,
    }

    #[derive(Debug, Clone, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Limits {
        pub body_bytes_max: usize,
        pub header_bytes_max: usize,
        pub headers_max: usize,
        pub connections_max: usize,
        pub requests_in_flight_max: usize,
        pub streams_per_connection_max: u32,
        pub answer_bytes_max: usize,
        pub event_bytes_max: usize,
    }

    #[derive(Debug, Clone, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Timeouts {
        pub header_ms: u64,
        pub body_ms: u64,
        pub idle_ms: u64,
        pub write_ms: u64,
        pub keepalive_comment_ms: u64,
    }

    #[derive(Debug, Clone, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Attempts {
        pub attempts_max: usize,
        pub total_ms: u64,
        pub each_ms: Option<u64>,
    }

    #[derive(Debug, Clone, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Drain {
        pub min_ms: u64,
        pub max_ms: u64,
    }

    #[derive(Debug, Clone, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Server {
        pub listen: Vec<String>,
        pub tls: Option<Tls>,
        pub cors_origins: Vec<String>,
        pub trusted_proxies: Vec<String>,
        pub threads: usize,
        pub limits: Limits,
        pub timeouts: Timeouts,
        pub attempts: Attempts,
        pub drain: Drain,
        pub raw_errors: bool,
    }

    #[derive(Debug, Clone, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Key {
        pub sha256: String,
        pub name: String,
        pub models: Option<Vec<String>>,
        pub disabled: bool,
        pub expires_unix: Option<u64>,
        pub routing: Option<Wishes>,
        pub limit: Option<Limit>,
        pub requests_per_minute: Option<u32>,
    }

    #[derive(Debug, Clone, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Limit {
        pub nano: i64,
        pub(crate) reset: Option<Reset>,
        pub include_byok: bool,
    }

    #[derive(Debug, Clone, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Billing {
        pub credits: bool,
        pub reserve_tokens: u64,
        pub byok_fee_percent: u32,
        pub free: Option<Free>,
    }

    #[derive(Debug, Clone, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Free {
        pub per_minute: Option<u32>,
        pub per_day: Option<u32>,
        pub per_day_with_credits: Option<u32>,
    }

    #[derive(Debug, Clone, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Wishes {
        pub policy: Option<Policy>,
        pub only: Vec<String>,
        pub ignore: Vec<String>,
        pub training: bool,
        pub zdr: bool,
    }

    #[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub enum Policy {
        Price,
        Throughput,
        Latency,
        Exacto,
        Weighted,
        LeastBusy,
        Adaptive,
        Order,
    }

    #[derive(Debug, Clone, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Routing {
        pub wishes: Wishes,
        pub outage_ms: u64,
        pub require_tools: bool,
        pub sticky: Sticky,
        pub retries: Retries,
        pub breaker: Breaker,
        pub cooldown_max_ms: u64,
        pub adaptive: Adaptive,
    }

    #[derive(Debug, Clone, Copy, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Retries {
        pub percent: u32,
        pub per_second: u32,
    }

    #[derive(Debug, Clone, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Breaker {
        pub failures: u32,
        pub open_ms: u64,
        pub open_max_ms: u64,
    }

    #[derive(Debug, Clone, Copy, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Adaptive {
        pub second_nano: u64,
        pub failure: u32,
        pub limited: u32,
        pub exploration_permille: u32,
    }

    #[derive(Debug, Clone, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Sticky {
        pub ttl_ms: u64,
        pub conversations_max: usize,
    }

    #[derive(Debug, Clone, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Cache {
        pub default: bool,
        pub ttl_s: u64,
        pub size_bytes: usize,
        pub entry_bytes: usize,
        pub server: Option<CacheServer>,
    }

    #[derive(Debug, Clone, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct CacheServer {
        pub host: String,
        pub port: u16,
        pub tls: bool,
        pub username: String,
        pub(crate) password: Secret,
        pub database: u32,
        pub prefix: String,
        pub wait_ms: u64,
    }

    #[derive(Debug, Clone, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Credential {
        pub label: String,
        pub scheme: Scheme,
        pub name: String,
        pub(crate) value: Secret,
        pub weight: u32,
        pub sigv4: Option<SigV4>,
        pub kind: CredentialKind,
        pub required: bool,
        pub rules: Option<CredentialRules>,
    }

    #[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    pub enum CredentialKind {
        Shared,
        Prioritized,
        Fallback,
    }

    #[derive(Debug, Clone, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct CredentialRules {
        pub models: Option<Vec<String>>,
        pub keys: Option<Vec<String>>,
        pub users: Option<Vec<String>>,
    }

    #[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    pub enum Scheme {
        Header,
        Query,
        SigV4,
    }

    #[derive(Debug, Clone, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct SigV4 {
        pub access_key_id: String,
        pub(crate) secret_access_key: Secret,
        pub(crate) session_token: Option<Secret>,
        pub region: String,
        pub service: String,
    }

    #[derive(Debug, Clone, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Wire {
        pub dialect: String,
        pub base_url: String,
        pub paths: std::collections::HashMap<String, String>,
        pub quirks: Quirks,
    }

    #[derive(Debug, Clone, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct UpstreamTimeouts {
        pub connect_ms: u64,
        pub first_byte_ms: u64,
        pub idle_ms: u64,
        pub pool_idle_ms: u64,
    }

    #[derive(Debug, Clone, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Provider {
        pub slug: String,
        pub name: String,
        pub wires: Vec<Wire>,
        pub credentials: Vec<Credential>,
        pub(crate) headers: Vec<(String, Secret)>,
        pub timeouts: UpstreamTimeouts,
        pub(crate) proxy: Option<Secret>,
        pub ca_path: Option<String>,
        pub routing_fields: bool,
    }

    #[derive(Debug, Clone, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Endpoint {
        pub provider: usize,
        pub model: String,
        pub tag: String,
        pub prices: Option<Prices>,
        pub context_length: Option<u64>,
        pub completion_tokens_max: Option<u64>,
        pub dialect: Option<String>,
        pub parameters: Option<Vec<String>>,
        pub inputs: Vec<String>,
        pub outputs: Vec<String>,
        pub quantization: Option<String>,
        pub data_policy: DataPolicy,
        pub weight: u32,
        pub service_tier: Option<ServiceTier>,
        pub region: Option<String>,
    }

    #[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    pub enum ServiceTier {
        Flex,
        Priority,
    }

    #[derive(Debug, Clone, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct DataPolicy {
        pub training: Option<bool>,
        pub retention_days: Option<u32>,
        pub zdr: bool,
    }

    #[derive(Debug, Clone, Copy, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Scores {
        pub intelligence: Option<u16>,
        pub coding: Option<u16>,
        pub agentic: Option<u16>,
    }

    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
    #[serde(rename_all = "lowercase")]
    pub enum CostTier {
        Low,
        Medium,
        High,
        Xhigh,
        Max,
    }

    #[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    pub enum RouterKind {
        Auto,
        Free,
        Pareto,
    }

    #[derive(Debug, Clone, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Router {
        pub kind: RouterKind,
        pub names: Vec<String>,
        pub card: String,
        pub allowed: Vec<String>,
        pub excluded: Vec<String>,
        pub pools: std::collections::HashMap<String, Vec<String>>,
        pub cost_tier: CostTier,
        pub coding_score_min: u16,
    }

    #[derive(Debug, Clone, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Model {
        pub slug: String,
        pub endpoints: Vec<Endpoint>,
        pub card: String,
        pub distillable: Option<bool>,
        pub created: u64,
        pub scores: Option<Scores>,
        pub reasoning: Option<Reasoning>,
    }

    #[derive(Debug, Clone, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Reasoning {
        pub mandatory: bool,
        pub efforts: Vec<String>,
    }

    #[derive(Debug, Clone, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Wildcard {
        pub prefix: String,
        pub endpoints: Vec<Endpoint>,
    }

    #[derive(Debug, Clone, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Preset {
        pub slug: String,
        pub disabled: bool,
        pub model: Option<String>,
        pub system: Option<String>,
        pub config: String,
        pub cache_enabled: Option<bool>,
        pub cache_ttl_seconds: Option<u64>,
    }

    #[derive(Debug, Clone, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Snapshot {
        pub schema: u32,
        pub digest: String,
        pub server: Server,
        pub auth: bool,
        pub routing: Routing,
        pub cache: Cache,
        pub billing: Billing,
        pub keys: Vec<Key>,
        pub providers: Vec<Provider>,
        pub models: Vec<Model>,
        pub aliases: std::collections::HashMap<String, String>,
        pub wildcards: Vec<Wildcard>,
        pub presets: Vec<Preset>,
        pub routers: Vec<Router>,
    }
}

/// Why bytes are no snapshot. Python made them, so each of these is a bug or a version mismatch.
#[derive(Debug)]
pub struct BadSnapshot(pub String);

impl std::fmt::Display for BadSnapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "not a snapshot that this build can use: {}", self.0)
    }
}

impl std::error::Error for BadSnapshot {}

pub(crate) use written::CredentialKind;

/// The running configuration.
pub struct Snapshot {
    /// Counts swaps in this process, from 1.
    pub(crate) generation: u64,
    pub(crate) digest: String,
    pub(crate) server: Server,
    pub(crate) auth: bool,
    pub(crate) routing: written::Routing,
    pub(crate) cache: Cache,
    pub(crate) billing: written::Billing,
    keys: FastMap<[u8; 32], Key, foldhash::fast::RandomState>,
    pub(crate) providers: Vec<Provider>,
    /// Whether any provider has a key that is not for everybody alike.
    pub(crate) has_own_keys: bool,
    models: FastMap<String, Arc<Model>, foldhash::fast::RandomState>,
    /// Slugs in the order of the configuration, for listings.
    pub(crate) slugs: Vec<Arc<Model>>,
    /// What the routers choose from.
    pub(crate) choices: Choices,
    wildcards: Vec<Wildcard>,
    /// Regions that any endpoint is in; nearly always there is none.
    regions: Vec<String>,
    /// By name.
    pub(crate) presets: FastMap<String, Preset, foldhash::fast::RandomState>,
    /// The body of `GET /models` for a key that may use all of them.
    pub(crate) listing: Vec<u8>,
    /// The same with those models only that write text.
    pub(crate) listing_text: Vec<u8>,
}

/// [`written::Server`] with durations.
pub(crate) struct Server {
    pub(crate) tls: Option<written::Tls>,
    pub(crate) cors_any: bool,
    pub(crate) cors_origins: Vec<String>,
    pub(crate) trusted_proxies: Vec<Network>,
    pub(crate) limits: written::Limits,
    pub(crate) header_time: Duration,
    pub(crate) body_time: Duration,
    pub(crate) idle_time: Duration,
    pub(crate) write_time: Duration,
    pub(crate) comment_time: Duration,
    pub(crate) attempts_max: usize,
    pub(crate) attempts_time: Duration,
    /// What each attempt has up to its first byte, beside the provider's own time; `None`: only that.
    pub(crate) attempt_time: Option<Duration>,
    pub(crate) drain_min: Duration,
    pub(crate) drain_max: Duration,
    pub(crate) raw_errors: bool,
}

/// The response cache.
pub(crate) struct Cache {
    /// Whether it is used when nobody says anything.
    pub(crate) default: bool,
    pub(crate) ttl_s: u64,
    pub(crate) size_bytes: usize,
    /// Larger answers are not kept.
    pub(crate) entry_bytes: usize,
    /// `None`: answers are kept in memory.
    pub(crate) server: Option<Arc<remote::Server>>,
}

impl Cache {
    fn complete(written: &written::Cache, generation: u64) -> Result<Cache, BadSnapshot> {
        let server = (written.server.as_ref())
            .map(|server| remote::Server::complete(server, written.entry_bytes, generation))
            .transpose()
            .map_err(BadSnapshot)?;
        Ok(Cache {
            default: written.default,
            ttl_s: written.ttl_s,
            size_bytes: written.size_bytes,
            entry_bytes: written.entry_bytes,
            server: server.map(Arc::new),
        })
    }
}

/// A client key.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) sha256_hex: String,
    pub(crate) name: String,
    models: Option<Vec<String>>,
    pub(crate) disabled: bool,
    pub(crate) expires_unix: Option<u64>,
    pub(crate) wishes: Option<written::Wishes>,
    pub(crate) limit: Option<written::Limit>,
    pub(crate) requests_per_minute: Option<u32>,
    /// What it has used; the same across swaps.
    pub(crate) meter: Arc<Meter>,
}

/// A place to send requests to.
pub(crate) struct Provider {
    pub(crate) slug: String,
    pub(crate) name: String,
    /// The protocols that it speaks, in order of preference; at least one.
    pub(crate) wires: Vec<Wire>,
    pub(crate) credentials: Vec<Credential>,
    pub(crate) first_byte_time: Duration,
    pub(crate) idle_time: Duration,
    pub(crate) routing_fields: bool,
}

/// One protocol that a provider speaks, and where.
pub(crate) struct Wire {
    pub(crate) dialect: Dialect,
    pub(crate) origin: Arc<Origin>,
    pub(crate) quirks: Quirks,
    /// Whether the operations that generate name the model in their path.
    pub(crate) model_in_path: bool,
    /// Path prefix of the base URL, and below it the path of each operation by the order of [`Op::ALL`]; `None`: not offered.
    prefix: String,
    paths: Vec<Option<String>>,
}

impl Wire {
    /// Whether this operation is offered.
    pub(crate) fn offers(&self, op: Op) -> bool {
        self.paths[op as usize].is_some()
    }
}

impl Provider {
    /// Whether it has a key that is not for everybody alike.
    fn has_own_keys(&self) -> bool {
        self.credentials.iter().any(|credential| {
            credential.kind != CredentialKind::Shared
                || credential.required
                || credential.rules.is_some()
        })
    }

    /// How a request of this kind is put to the provider: in the client's own protocol where it is spoken, else in the first that can
    /// express it. `pinned`: the endpoint is only there in one.
    pub(crate) fn way(
        &self,
        api: Api,
        stream: bool,
        pinned: Option<Dialect>,
    ) -> Option<(usize, Op)> {
        let offered = |wire: &Wire| {
            if pinned.is_some_and(|pinned| pinned != wire.dialect) {
                return None;
            }
            let op = wire.dialect.operation(api, stream)?;
            wire.offers(op).then_some(op)
        };
        let home = api.home();
        let mut second = None;
        for (index, wire) in self.wires.iter().enumerate() {
            let Some(op) = offered(wire) else { continue };
            if wire.dialect == home {
                return Some((index, op));
            }
            second = second.or(Some((index, op)));
        }
        second
    }
}

/// An upstream key, with the heads of the requests that it makes.
pub(crate) struct Credential {
    pub(crate) label: String,
    pub(crate) weight: u32,
    /// Whether it is shared, or somebody's own.
    pub(crate) kind: CredentialKind,
    /// Whether it takes the place of the provider's shared keys wherever it may be used.
    pub(crate) required: bool,
    /// Whom it may be used for; `None`: for all.
    pub(crate) rules: Option<written::CredentialRules>,
    /// What the provider said about it; the same across swaps.
    pub(crate) state: Arc<CredentialState>,
    /// For each wire, for each operation that it offers.
    heads: Vec<Vec<Option<HeadTemplate>>>,
    /// For providers that want each request signed.
    pub(crate) signer: Option<Signer>,
}

impl Credential {
    pub(crate) fn head(&self, wire: usize, op: Op) -> Option<&HeadTemplate> {
        self.heads.get(wire)?.get(op as usize)?.as_ref()
    }
}

/// The head of a request to a provider: everything but what is known only when it is sent.
pub(crate) struct HeadTemplate {
    /// From the request line on; up to where the model's name goes, if that stands in the path.
    start: Vec<u8>,
    /// What follows the model's name, when it stands in the path.
    rest: Option<Vec<u8>>,
    /// Where the path begins in `start`, after the method and, for some proxies, the origin.
    path_at: usize,
}

impl HeadTemplate {
    /// Appends the head: all but `content-length` and the empty line. The range of the path and query is given back, for signing.
    pub(crate) fn write(&self, model: &str, out: &mut Vec<u8>) -> std::ops::Range<usize> {
        let at = out.len();
        out.extend_from_slice(&self.start);
        if let Some(rest) = &self.rest {
            percent_encode(model, out);
            out.extend_from_slice(rest);
        }
        let path = at + self.path_at;
        let after = out.get(path..).unwrap_or_default();
        let length = memchr::memchr(b' ', after).unwrap_or(after.len());
        path..path + length
    }
}

/// Writes a name as one segment of a path: all but letters, digits and `-._~` is encoded (RFC 3986), slashes included.
fn percent_encode(name: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte);
        } else {
            out.extend_from_slice(&[
                b'%',
                HEX[usize::from(byte >> 4)],
                HEX[usize::from(byte & 15)],
            ]);
        }
    }
}

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

/// A model at a provider.
pub(crate) struct Endpoint {
    pub(crate) provider: usize,
    pub(crate) model: String,
    pub(crate) tag: String,
    pub(crate) prices: Option<Prices>,
    pub(crate) completion_tokens_max: Option<u64>,
    /// The only protocol in which the endpoint is there; `None`: any of the provider's.
    pub(crate) dialect: Option<Dialect>,
    /// What it takes; `None`: not known.
    pub(crate) parameters: Option<Parameters>,
    /// The media that it reads; all, where that is not known.
    pub(crate) media: Media,
    /// What it gives.
    pub(crate) outputs: Outputs,
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

/// What an endpoint gives, in OpenRouter's words. Empty: not known, so that it may be asked for anything.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outputs(Vec<String>);

impl Model {
    /// Whether any of its endpoints writes text, or may: of those that a person describes it is often not said.
    pub(crate) fn writes_text(&self) -> bool {
        self.router.is_some()
            || self.endpoints.iter().any(|endpoint| {
                let outputs = &endpoint.outputs.0;
                outputs.is_empty() || outputs.iter().any(|word| word == "text")
            })
    }
}

impl Outputs {
    /// Whether it is not known to give anything but text.
    pub(crate) fn is_text(&self) -> bool {
        self.0.iter().all(|word| word == "text")
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

/// A CIDR network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network {
    base: u128,
    mask: u128,
    v4: bool,
}

impl Network {
    fn read(text: &str) -> Option<Network> {
        let (address, bits) = text
            .split_once('/')
            .map_or((text, None), |(a, b)| (a, Some(b)));
        let address: IpAddr = address.parse().ok()?;
        let (value, width, v4) = widen(address);
        let bits: u32 = bits.map_or(Some(width), |b| b.parse().ok())?;
        if bits > width {
            return None;
        }
        let mask = if bits == 0 {
            0
        } else {
            (u128::MAX << (width - bits)) & (u128::MAX >> (128 - width))
        };
        Some(Network {
            base: value & mask,
            mask,
            v4,
        })
    }

    pub(crate) fn holds(&self, address: IpAddr) -> bool {
        let (value, _, v4) = widen(address.to_canonical());
        v4 == self.v4 && value & self.mask == self.base
    }
}

fn widen(address: IpAddr) -> (u128, u32, bool) {
    match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), 32, true),
        IpAddr::V6(v6) => (v6.to_bits(), 128, false),
    }
}

/// Suffixes that are part of a slug (openrouter.md section 2.4).
pub(crate) const VARIANTS: [&str; 4] = ["free", "extended", "thinking", "batch"];

impl Snapshot {
    /// Reads and completes a snapshot. `origins`, `metrics` and `limits` outlive it, so that pools and counters survive a swap.
    pub(crate) fn read(
        bytes: &[u8],
        generation: u64,
        origins: &Origins,
        metrics: &Metrics,
        statistics: &Registry,
        limits: &Limits,
    ) -> Result<(Snapshot, written::Server), BadSnapshot> {
        let written: written::Snapshot =
            serde_json::from_slice(bytes).map_err(|error| BadSnapshot(error.to_string()))?;
        if written.schema != SCHEMA {
            return Err(BadSnapshot(format!(
                "schema {} where {SCHEMA} was expected",
                written.schema
            )));
        }
        statistics.tune(&written.routing);
        let mut keys = FastMap::with_capacity_and_hasher(
            written.keys.len(),
            foldhash::fast::RandomState::default(),
        );
        for key in written.keys {
            let digest = read_digest(&key.sha256).ok_or_else(|| {
                BadSnapshot(format!(
                    "key {:?} has a sha256 that is not 64 hex digits",
                    key.name
                ))
            })?;
            keys.insert(
                digest,
                Key {
                    meter: limits.of(&key.sha256),
                    limit: key.limit,
                    requests_per_minute: key.requests_per_minute,
                    sha256_hex: key.sha256,
                    name: key.name,
                    models: key.models,
                    disabled: key.disabled,
                    expires_unix: key.expires_unix,
                    wishes: key.routing,
                },
            );
        }
        let providers: Vec<Provider> = written
            .providers
            .into_iter()
            .map(|p| Provider::complete(p, origins, statistics))
            .collect::<Result<_, _>>()?;
        let endpoint = |endpoint: written::Endpoint, slug: &str| {
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
            Ok(Endpoint {
                provider: endpoint.provider,
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
                dialect,
                parameters: endpoint
                    .parameters
                    .as_ref()
                    .map(|names| names.iter().map(String::as_str).collect()),
                outputs: Outputs(endpoint.outputs),
            })
        };
        let mut models = FastMap::with_capacity_and_hasher(
            written.models.len() + written.aliases.len(),
            foldhash::fast::RandomState::default(),
        );
        let mut slugs = Vec::with_capacity(written.models.len());
        for model in written.models {
            let endpoints = model
                .endpoints
                .into_iter()
                .map(|e| endpoint(e, &model.slug))
                .collect::<Result<Vec<_>, BadSnapshot>>()?;
            let model = Arc::new(Model {
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
            });
            models.insert(model.slug.clone(), Arc::clone(&model));
            slugs.push(model);
        }
        let choices = Choices::new(&slugs);
        for mut router in written.routers {
            let names = std::mem::take(&mut router.names);
            let Some(slug) = names.first() else { continue };
            let model = Arc::new(Model {
                slug: slug.clone(),
                endpoints: Vec::new(),
                card: std::mem::take(&mut router.card),
                distillable: None,
                scores: None,
                efforts: None,
                router: Some(Box::new(Router::new(router))),
            });
            for name in names {
                models.insert(name, Arc::clone(&model));
            }
            slugs.push(model);
        }
        for (alias, slug) in &written.aliases {
            let model = models.get(slug).cloned().ok_or_else(|| {
                BadSnapshot(format!(
                    "alias {alias:?} leads to {slug:?}, which is no model"
                ))
            })?;
            models.insert(alias.clone(), model);
        }
        let mut wildcards = Vec::with_capacity(written.wildcards.len());
        for wildcard in written.wildcards {
            let name = format!("{}*", wildcard.prefix);
            let endpoints = wildcard
                .endpoints
                .into_iter()
                .map(|e| endpoint(e, &name))
                .collect::<Result<Vec<_>, BadSnapshot>>()?;
            wildcards.push(Wildcard {
                prefix: wildcard.prefix,
                endpoints,
            });
        }
        let mut regions: Vec<String> = (slugs.iter().flat_map(|model| &model.endpoints))
            .chain(
                wildcards
                    .iter()
                    .flat_map(|wildcard: &Wildcard| &wildcard.endpoints),
            )
            .filter_map(|endpoint| Some(endpoint.region.as_ref()?.to_ascii_lowercase()))
            .collect();
        regions.sort_unstable();
        regions.dedup();
        let listing = list(slugs.iter());
        let listing_text = list(slugs.iter().filter(|model| model.writes_text()));
        let server = Server::complete(written.server.clone())?;
        let cache = Cache::complete(&written.cache, generation)?;
        let snapshot = Snapshot {
            generation,
            digest: written.digest,
            server,
            auth: written.auth,
            routing: written.routing,
            cache,
            billing: written.billing,
            keys,
            has_own_keys: providers.iter().any(Provider::has_own_keys),
            providers,
            models,
            slugs,
            choices,
            wildcards,
            regions,
            presets: (written.presets.into_iter())
                .map(|preset| (preset.slug.clone(), Preset::new(preset)))
                .collect(),
            listing,
            listing_text,
        };
        Ok((snapshot, written.server))
    }

    pub(crate) fn key(&self, sha256: &[u8; 32]) -> Option<&Key> {
        self.keys.get(sha256)
    }

    /// The region that a host stands for by its first label: `eu.gateway.example` is only served by endpoints in `eu`. It stands for
    /// none unless some endpoint is known to be there, so that a host that happens to be called so is just a host.
    pub(crate) fn region(&self, host: &str) -> Option<&str> {
        let (label, _) = host.split_once('.')?;
        let mut regions = self.regions.iter().map(String::as_str);
        regions.find(|region| region.eq_ignore_ascii_case(label))
    }

    /// Whether any endpoint says where it computes.
    pub(crate) fn has_regions(&self) -> bool {
        !self.regions.is_empty()
    }

    /// The key of this name. Walks all of them: for what a person asks, not for requests.
    pub(crate) fn key_named(&self, name: &str) -> Option<&Key> {
        self.keys.values().find(|key| key.name == name)
    }

    /// The model with this slug or alias.
    pub(crate) fn model(&self, name: &str) -> Option<&Arc<Model>> {
        self.models.get(name)
    }

    /// The longest wildcard that matches. `openai/*` does not mean a model without a name.
    pub(crate) fn wildcard(&self, name: &str) -> Option<&Wildcard> {
        self.wildcards.iter().find(|wildcard| {
            let rest = name.strip_prefix(wildcard.prefix.as_str());
            rest.is_some_and(|rest| !rest.is_empty())
        })
    }

    /// A model's slug, and those of its static variants.
    pub(crate) fn variants(&self, slug: &str) -> Vec<String> {
        let variants = VARIANTS.iter().map(|variant| format!("{slug}:{variant}"));
        std::iter::once(slug.to_owned())
            .chain(variants)
            .filter(|slug| self.models.contains_key(slug))
            .collect()
    }

    /// Names close to one that was not found, best first, at most three.
    pub(crate) fn near(&self, name: &str) -> Vec<String> {
        let mut scored: Vec<(usize, String)> = Vec::new();
        let last = name.rsplit('/').next().unwrap_or(name);
        for known in self.models.keys().take(NEAR_LOOKED_AT_MAX) {
            let known_last = known.rsplit('/').next().unwrap_or(known);
            let score = if known_last.eq_ignore_ascii_case(last) {
                0
            } else {
                let distance = distance(name, known).min(distance(last, known_last) + 1);
                if distance > name.len().max(4) / 3 {
                    continue;
                }
                distance
            };
            scored.push((score, known.clone()));
        }
        if !name.contains('/') && !name.is_empty() {
            for wildcard in &self.wildcards {
                if wildcard.prefix.ends_with('/') {
                    scored.push((2, format!("{}{name}", wildcard.prefix)));
                }
            }
        }
        scored.sort();
        scored.truncate(3);
        scored.into_iter().map(|(_, name)| name).collect()
    }
}

/// Names that are compared with one that was not found. With more models than this the hint may miss one, which costs a
/// client a look at the list; comparing them all would cost every other client of the thread milliseconds.
const NEAR_LOOKED_AT_MAX: usize = 1000;

/// Names close to `name`, best first, at most three.
pub(crate) fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n String>) -> Vec<String> {
    let mut scored: Vec<(usize, &String)> = known
        .take(NEAR_LOOKED_AT_MAX)
        .map(|known| (distance(name, known), known))
        .filter(|(distance, _)| *distance <= name.len().max(4) / 3)
        .collect();
    scored.sort();
    scored.truncate(3);
    scored.into_iter().map(|(_, name)| name.clone()).collect()
}

/// Edit distance, for at most 64 bytes of each.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (
        &a.as_bytes()[..a.len().min(64)],
        &b.as_bytes()[..b.len().min(64)],
    );
    if a.len().abs_diff(b.len()) > 24 {
        return usize::MAX / 2;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(!x.eq_ignore_ascii_case(y));
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

impl Key {
    /// Whether this key may use `slug`: `None` allows all, `author/*` a prefix. Who may use a model may use its variants.
    pub(crate) fn allows(&self, slug: &str) -> bool {
        let Some(patterns) = &self.models else {
            return true;
        };
        let base = (slug.rsplit_once(':'))
            .filter(|(_, suffix)| VARIANTS.contains(suffix))
            .map_or(slug, |(base, _)| base);
        patterns
            .iter()
            .any(|pattern| match pattern.strip_suffix('*') {
                Some(prefix) => slug.starts_with(prefix),
                None => pattern == slug || pattern == base,
            })
    }

    /// Whether it may use every model there is.
    pub(crate) fn allows_all(&self) -> bool {
        self.models.is_none()
    }
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

fn read_digest(hex: &str) -> Option<[u8; 32]> {
    let hex = hex.as_bytes();
    if hex.len() != 64 {
        return None;
    }
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(hex.chunks_exact(2)) {
        let high = (pair[0] as char).to_digit(16)?;
        let low = (pair[1] as char).to_digit(16)?;
        *byte = (high * 16 + low) as u8;
    }
    Some(digest)
}

impl Server {
    fn complete(written: written::Server) -> Result<Server, BadSnapshot> {
        let ms = Duration::from_millis;
        let trusted_proxies = written
            .trusted_proxies
            .iter()
            .map(|text| {
                Network::read(text)
                    .ok_or_else(|| BadSnapshot(format!("trusted_proxies: {text:?} is no network")))
            })
            .collect::<Result<_, _>>()?;
        Ok(Server {
            tls: written.tls,
            cors_any: written.cors_origins.iter().any(|origin| origin == "*"),
            cors_origins: written.cors_origins,
            trusted_proxies,
            limits: written.limits,
            header_time: ms(written.timeouts.header_ms),
            body_time: ms(written.timeouts.body_ms),
            idle_time: ms(written.timeouts.idle_ms),
            write_time: ms(written.timeouts.write_ms),
            comment_time: ms(written.timeouts.keepalive_comment_ms),
            attempts_max: written.attempts.attempts_max,
            attempts_time: ms(written.attempts.total_ms),
            attempt_time: written.attempts.each_ms.map(ms),
            drain_min: ms(written.drain.min_ms),
            drain_max: ms(written.drain.max_ms),
            raw_errors: written.raw_errors,
        })
    }

    /// Whether a page of this origin may read answers.
    pub(crate) fn allows_origin(&self, origin: &str) -> bool {
        self.cors_any || self.cors_origins.iter().any(|allowed| allowed == origin)
    }
}

fn read_dialect(name: &str) -> Result<Dialect, BadSnapshot> {
    Dialect::of(name).ok_or_else(|| {
        let known: Vec<_> = Dialect::ALL.iter().map(|dialect| dialect.name()).collect();
        BadSnapshot(format!(
            "no dialect is called {name:?}; this build knows: {}",
            known.join(", ")
        ))
    })
}

impl Wire {
    fn complete(
        written: &written::Wire,
        provider: &written::Provider,
        origins: &Origins,
    ) -> Result<Wire, BadSnapshot> {
        let (origin, prefix) = origins
            .take(&written.base_url, provider)
            .map_err(|problem| BadSnapshot(format!("provider {:?}: {problem}", provider.slug)))?;
        let mut paths = vec![None; Op::ALL.len()];
        for (name, path) in &written.paths {
            let op = Op::of(name).ok_or_else(|| {
                BadSnapshot(format!(
                    "provider {:?}: no operation is called {name:?}",
                    provider.slug
                ))
            })?;
            if path.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
                return Err(BadSnapshot(format!(
                    "provider {:?}: the path of {name:?} holds white space or control characters",
                    provider.slug
                )));
            }
            paths[op as usize] = Some(path.clone());
        }
        Ok(Wire {
            dialect: read_dialect(&written.dialect)?,
            origin,
            quirks: written.quirks.clone(),
            model_in_path: (paths[Op::Messages as usize].as_ref())
                .is_some_and(|path: &String| path.contains("{model}")),
            prefix,
            paths,
        })
    }
}

impl Provider {
    fn complete(
        written: written::Provider,
        origins: &Origins,
        statistics: &Registry,
    ) -> Result<Provider, BadSnapshot> {
        let wires: Vec<Wire> = written
            .wires
            .iter()
            .map(|wire| Wire::complete(wire, &written, origins))
            .collect::<Result<_, _>>()?;
        let bare = [written::Credential {
            label: String::new(),
            scheme: written::Scheme::Header,
            name: String::new(),
            value: crate::secret::Secret::default(),
            weight: 1,
            sigv4: None,
            kind: CredentialKind::Shared,
            required: false,
            rules: None,
        }];
        let given: &[written::Credential] = if written.credentials.is_empty() {
            &bare
        } else {
            &written.credentials
        };
        let credentials = given
            .iter()
            .map(|credential| Credential {
                label: credential.label.clone(),
                weight: credential.weight,
                kind: credential.kind,
                required: credential.required,
                rules: credential.rules.clone(),
                state: statistics.credential(&written.slug, &credential.label),
                heads: wires
                    .iter()
                    .map(|wire| {
                        let head = |op: &Op| {
                            let path = wire.paths[*op as usize].as_deref()?;
                            Some(head_template(&written, credential, wire, *op, path))
                        };
                        Op::ALL.iter().map(head).collect()
                    })
                    .collect(),
                signer: credential.sigv4.as_ref().map(Signer::new),
            })
            .collect();
        Ok(Provider {
            first_byte_time: Duration::from_millis(written.timeouts.first_byte_ms),
            idle_time: Duration::from_millis(written.timeouts.idle_ms),
            slug: written.slug,
            name: written.name,
            wires,
            credentials,
            routing_fields: written.routing_fields,
        })
    }
}

/// What a request of this operation is, and what it expects. `None`: the sender says it, because it is the client's.
pub(crate) const fn types(op: Op) -> Option<(&'static str, &'static str)> {
    match op {
        Op::ConverseStream => Some(("application/json", "application/vnd.amazon.eventstream")),
        Op::ImageEdits | Op::Transcriptions | Op::Translations => None,
        Op::Images | Op::Speech | Op::Moderations => Some(("application/json", "*/*")),
        _ => Some(("application/json", "application/json, text/event-stream")),
    }
}

/// The head of requests for one operation with one credential.
fn head_template(
    provider: &written::Provider,
    credential: &written::Credential,
    wire: &Wire,
    op: Op,
    path: &str,
) -> HeadTemplate {
    let mut start = String::with_capacity(256);
    start.push_str("POST ");
    if let Some(absolute) = wire.origin.absolute_form() {
        start.push_str(absolute);
    }
    let path_at = start.len();
    start.push_str(&wire.prefix);
    let (before, after) = match path.split_once("{model}") {
        Some((before, after)) => (before, Some(after)),
        None => (path, None),
    };
    start.push_str(before);
    let mut rest = after.map(str::to_owned);
    let end = rest.as_mut().unwrap_or(&mut start);
    if credential.scheme == written::Scheme::Query {
        end.push(if path.contains('?') { '&' } else { '?' });
        end.push_str(&credential.name);
        end.push('=');
        let mut value = Vec::new();
        percent_encode(credential.value.expose(), &mut value);
        end.push_str(&String::from_utf8_lossy(&value));
    }
    end.push_str(" HTTP/1.1\r\nhost: ");
    end.push_str(&wire.origin.authority);
    end.push_str("\r\n");
    let mut line = |name: &str, value: &str| {
        end.push_str(name);
        end.push_str(": ");
        end.push_str(value);
        end.push_str("\r\n");
    };
    if credential.scheme == written::Scheme::Header && !credential.name.is_empty() {
        line(&credential.name, credential.value.expose());
    }
    if let Some(value) = wire.origin.proxy_authorization() {
        line("proxy-authorization", value);
    }
    let own: HashMap<String, ()> = provider
        .headers
        .iter()
        .map(|(name, _)| (name.to_ascii_lowercase(), ()))
        .collect();
    for (name, value) in &provider.headers {
        line(name, value.expose());
    }
    let (content_type, accept) = types(op).unzip();
    for (name, value) in [
        ("content-type", content_type),
        ("accept", accept),
        ("accept-encoding", Some("identity")),
        (
            "user-agent",
            Some(concat!("turnout/", env!("CARGO_PKG_VERSION"))),
        ),
    ] {
        if let Some(value) = value
            && !own.contains_key(name)
        {
            line(name, value);
        }
    }
    HeadTemplate {
        start: start.into_bytes(),
        rest: rest.map(String::into_bytes),
        path_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_what_they_should() {
        let holds = |network: &str, address: &str| {
            Network::read(network)
                .expect("a network")
                .holds(address.parse().expect("an address"))
        };
        assert!(holds("10.0.0.0/8", "10.255.0.1"));
        assert!(!holds("10.0.0.0/8", "11.0.0.1"));
        assert!(holds("127.0.0.1", "127.0.0.1"));
        assert!(holds("127.0.0.0/8", "::ffff:127.0.0.1"));
        assert!(holds("0.0.0.0/0", "1.2.3.4"));
        assert!(!holds("0.0.0.0/0", "::1"));
        assert!(holds("fd00::/8", "fd12::1"));
        assert!(!holds("fd00::/8", "fe80::1"));
        assert!(Network::read("10.0.0.0/33").is_none());
        assert!(Network::read("x").is_none());
    }

    #[test]
    fn digests_are_hex() {
        assert!(read_digest(&"0g".repeat(32)).is_none());
        assert!(read_digest("00").is_none());
        assert_eq!(read_digest(&"0aFF".repeat(16)).map(|d| d[1]), Some(255));
    }

    #[test]
    fn distance_counts_edits() {
        assert_eq!(distance("gpt-4o", "gpt-4o"), 0);
        assert_eq!(distance("gpt-4o", "GPT-4"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    /// The twin's golden bytes: what Python writes for a configuration that uses everything is read here, whole.
    #[test]
    fn the_golden_snapshot_is_read() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/config/snapshot.golden.json"
        );
        let bytes = std::fs::read(path).expect("tests/config/snapshot.golden.json exists");
        let written: written::Snapshot =
            serde_json::from_slice(&bytes).expect("it has this schema");
        assert!(
            !written.keys.is_empty() && !written.models.is_empty() && !written.wildcards.is_empty()
        );
        // Its certificate and roots are files of another machine: without them everything completes.
        let mut value: serde_json::Value = serde_json::from_slice(&bytes).expect("it is JSON");
        for provider in value["providers"].as_array_mut().expect("a list") {
            provider["ca_path"] = serde_json::Value::Null;
        }
        let metrics = Metrics::new(1, &[]);
        let (snapshot, _) = Snapshot::read(
            value.to_string().as_bytes(),
            7,
            &Origins::default(),
            &metrics,
            &Registry::default(),
            &Limits::new(0),
        )
        .expect("it completes");
        assert_eq!(snapshot.generation, 7);
        for (alias, slug) in &written.aliases {
            assert!(
                snapshot
                    .model(alias)
                    .is_some_and(|model| model.slug == *slug)
            );
        }
        for wildcard in &written.wildcards {
            let name = format!("{}anything-else", wildcard.prefix);
            assert!(
                snapshot.model(&name).is_none() && snapshot.wildcard(&name).is_some(),
                "{name}"
            );
        }
    }
}
