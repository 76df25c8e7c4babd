//! What Python wrote, member for member: the twin of `python/turnout/config/snapshot.py`. Units are in the names.

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
    pub form_bytes_max: usize,
    pub upload_bytes_max: usize,
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
    pub explain: Explain,
}

/// What a client may be told of why its request went where it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Explain {
    Off,
    Request,
    Full,
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
    pub explain: Option<Explain>,
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
    pub hedge: Option<bool>,
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
    pub hedge: Hedge,
    pub breaker: Breaker,
    pub cooldown_max_ms: u64,
    pub adaptive: Adaptive,
    pub probes_per_minute: u32,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    pub every_ms: u64,
    pub idle_ms: u64,
    pub timeout_ms: u64,
    pub tokens: u32,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retries {
    pub percent: u32,
    pub per_second: u32,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hedge {
    pub after_ms: Option<u64>,
    pub wait_min_ms: u64,
    pub wait_max_ms: u64,
    pub plain_after_ms: Option<u64>,
    pub percent: u32,
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
    pub exclusive: bool,
    pub zdr: Option<bool>,
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
    pub probe: Option<Probe>,
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
    pub judge: Option<Judge>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judge {
    pub model: String,
    pub timeout_ms: u64,
    pub ttl_ms: u64,
    pub opinions_max: usize,
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
