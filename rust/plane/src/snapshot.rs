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
use turnout_wire::api::Api;
use turnout_wire::cost::Prices;

use crate::metrics::{Metrics, Slot};
use crate::upstream::origin::{Origin, Origins};

/// The schema of [`written::Snapshot`] that this build understands.
pub const SCHEMA: u32 = 1;

/// What Python wrote. Units are in the names.
pub mod written {
    #![allow(missing_docs)] // The twin, snapshot.py, documents every field.
    use serde::Deserialize;
    use turnout_wire::cost::Prices;

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
    }

    #[derive(Debug, Clone, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Credential {
        pub label: String,
        pub header: String,
        pub(crate) value: Secret,
        pub weight: u32,
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
        pub dialect: String,
        pub base_url: String,
        pub credentials: Vec<Credential>,
        pub(crate) headers: Vec<(String, Secret)>,
        pub timeouts: UpstreamTimeouts,
        pub(crate) proxy: Option<Secret>,
        pub ca_path: Option<String>,
        pub routing_fields: bool,
        pub stream_usage: bool,
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
    }

    #[derive(Debug, Clone, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Model {
        pub slug: String,
        pub endpoints: Vec<Endpoint>,
        pub card: String,
    }

    #[derive(Debug, Clone, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Wildcard {
        pub prefix: String,
        pub endpoints: Vec<Endpoint>,
    }

    #[derive(Debug, Clone, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Snapshot {
        pub schema: u32,
        pub digest: String,
        pub server: Server,
        pub auth: bool,
        pub keys: Vec<Key>,
        pub providers: Vec<Provider>,
        pub models: Vec<Model>,
        pub aliases: std::collections::HashMap<String, String>,
        pub wildcards: Vec<Wildcard>,
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

/// The running configuration.
pub struct Snapshot {
    /// Counts swaps in this process, from 1.
    pub(crate) generation: u64,
    pub(crate) digest: String,
    pub(crate) server: Server,
    pub(crate) auth: bool,
    keys: FastMap<[u8; 32], Key, foldhash::fast::RandomState>,
    pub(crate) providers: Vec<Provider>,
    models: FastMap<String, Arc<Model>, foldhash::fast::RandomState>,
    /// Slugs in the order of the configuration, for listings.
    pub(crate) slugs: Vec<Arc<Model>>,
    wildcards: Vec<Wildcard>,
    /// The body of `GET /models` for a key that may use all of them.
    pub(crate) listing: Vec<u8>,
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
    pub(crate) drain_min: Duration,
    pub(crate) drain_max: Duration,
    pub(crate) raw_errors: bool,
}

/// A client key.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) sha256_hex: String,
    pub(crate) name: String,
    models: Option<Vec<String>>,
    pub(crate) disabled: bool,
    pub(crate) expires_unix: Option<u64>,
}

/// A place to send requests to.
pub(crate) struct Provider {
    pub(crate) slug: String,
    pub(crate) name: String,
    pub(crate) origin: Arc<Origin>,
    pub(crate) credentials: Vec<Credential>,
    pub(crate) first_byte_time: Duration,
    pub(crate) idle_time: Duration,
    pub(crate) routing_fields: bool,
    pub(crate) stream_usage: bool,
}

/// An upstream key, with the heads of the requests that it makes.
pub(crate) struct Credential {
    pub(crate) label: String,
    pub(crate) weight: u32,
    /// For each [`Api`]: everything from the request line up to and including `content-length: `.
    heads: [Vec<u8>; 3],
}

impl Credential {
    pub(crate) fn head(&self, api: Api) -> &[u8] {
        &self.heads[api_index(api)]
    }
}

fn api_index(api: Api) -> usize {
    match api {
        Api::Completions => 1,
        Api::Embeddings => 2,
        _ => 0,
    }
}

/// Path of each API below a provider's base URL.
const API_PATHS: [&str; 3] = ["/chat/completions", "/completions", "/embeddings"];

/// A slug that clients may ask for.
pub(crate) struct Model {
    pub(crate) slug: String,
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) card: String,
}

/// A model at a provider.
pub(crate) struct Endpoint {
    pub(crate) provider: usize,
    pub(crate) model: String,
    pub(crate) tag: String,
    pub(crate) prices: Option<Prices>,
    pub(crate) slot: Slot,
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

/// What a requested name leads to.
pub(crate) enum Found<'a> {
    Model(&'a Arc<Model>),
    /// The wildcard and what it matched.
    Wildcard(&'a Wildcard, &'a str),
}

impl Snapshot {
    /// Reads and completes a snapshot. `origins` and `metrics` outlive it, so that pools and counters survive a swap.
    pub(crate) fn read(
        bytes: &[u8],
        generation: u64,
        origins: &Origins,
        metrics: &Metrics,
    ) -> Result<(Snapshot, written::Server), BadSnapshot> {
        let written: written::Snapshot =
            serde_json::from_slice(bytes).map_err(|error| BadSnapshot(error.to_string()))?;
        if written.schema != SCHEMA {
            return Err(BadSnapshot(format!(
                "schema {} where {SCHEMA} was expected",
                written.schema
            )));
        }
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
                    sha256_hex: key.sha256,
                    name: key.name,
                    models: key.models,
                    disabled: key.disabled,
                    expires_unix: key.expires_unix,
                },
            );
        }
        let providers: Vec<Provider> = written
            .providers
            .into_iter()
            .map(|p| Provider::complete(p, origins))
            .collect::<Result<_, _>>()?;
        let endpoint = |endpoint: written::Endpoint, slug: &str| {
            let provider = providers.get(endpoint.provider).ok_or_else(|| {
                BadSnapshot(format!(
                    "{slug}: no provider has index {}",
                    endpoint.provider
                ))
            })?;
            Ok(Endpoint {
                provider: endpoint.provider,
                slot: metrics.slot(slug, &provider.slug),
                model: endpoint.model,
                tag: endpoint.tag,
                prices: endpoint.prices,
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
            });
            models.insert(model.slug.clone(), Arc::clone(&model));
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
        let listing = list(slugs.iter());
        let server = Server::complete(written.server.clone())?;
        let snapshot = Snapshot {
            generation,
            digest: written.digest,
            server,
            auth: written.auth,
            keys,
            providers,
            models,
            slugs,
            wildcards,
            listing,
        };
        Ok((snapshot, written.server))
    }

    pub(crate) fn key(&self, sha256: &[u8; 32]) -> Option<&Key> {
        self.keys.get(sha256)
    }

    /// Looks a requested name up: exactly, then by the longest wildcard.
    pub(crate) fn find<'a>(&'a self, name: &'a str) -> Option<Found<'a>> {
        if let Some(model) = self.models.get(name) {
            return Some(Found::Model(model));
        }
        self.wildcards.iter().find_map(|wildcard| {
            let rest = name.strip_prefix(wildcard.prefix.as_str())?;
            // `openai/*` does not mean a model without a name.
            (!rest.is_empty()).then_some(Found::Wildcard(wildcard, rest))
        })
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

    /// Whether `key` may use `slug`.
    pub(crate) fn allows(&self, key: &Key, slug: &str) -> bool {
        key.allows(slug)
    }
}

/// Names that are compared with one that was not found. With more models than this the hint may miss one, which costs a
/// client a look at the list; comparing them all would cost every other client of the thread milliseconds.
const NEAR_LOOKED_AT_MAX: usize = 1000;

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
    /// Whether this key may use `slug`: `None` allows all, `author/*` a prefix.
    pub(crate) fn allows(&self, slug: &str) -> bool {
        let Some(patterns) = &self.models else {
            return true;
        };
        patterns
            .iter()
            .any(|pattern| match pattern.strip_suffix('*') {
                Some(prefix) => slug.starts_with(prefix),
                None => pattern == slug,
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

impl Provider {
    fn complete(written: written::Provider, origins: &Origins) -> Result<Provider, BadSnapshot> {
        if written.dialect != "openai" {
            return Err(BadSnapshot(format!(
                "provider {:?} speaks dialect {:?}; this build knows: openai",
                written.slug, written.dialect
            )));
        }
        let (origin, prefix) = origins
            .take(&written)
            .map_err(|problem| BadSnapshot(format!("provider {:?}: {problem}", written.slug)))?;
        let bare = [written::Credential {
            label: String::new(),
            header: String::new(),
            value: crate::secret::Secret::default(),
            weight: 1,
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
                heads: API_PATHS.map(|path| head(&written, credential, &origin, &prefix, path)),
            })
            .collect();
        Ok(Provider {
            first_byte_time: Duration::from_millis(written.timeouts.first_byte_ms),
            idle_time: Duration::from_millis(written.timeouts.idle_ms),
            slug: written.slug,
            name: written.name,
            origin,
            credentials,
            routing_fields: written.routing_fields,
            stream_usage: written.stream_usage,
        })
    }
}

/// The request head up to the length of the body.
fn head(
    provider: &written::Provider,
    credential: &written::Credential,
    origin: &Origin,
    prefix: &str,
    path: &str,
) -> Vec<u8> {
    let mut head = String::with_capacity(256);
    head.push_str("POST ");
    if let Some(absolute) = origin.absolute_form() {
        head.push_str(absolute);
    }
    head.push_str(prefix);
    head.push_str(path);
    head.push_str(" HTTP/1.1\r\nhost: ");
    head.push_str(&origin.authority);
    head.push_str("\r\n");
    let mut line = |name: &str, value: &str| {
        head.push_str(name);
        head.push_str(": ");
        head.push_str(value);
        head.push_str("\r\n");
    };
    if !credential.header.is_empty() {
        line(&credential.header, credential.value.expose());
    }
    if let Some(value) = origin.proxy_authorization() {
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
    for (name, value) in [
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("accept-encoding", "identity"),
        ("user-agent", concat!("turnout/", env!("CARGO_PKG_VERSION"))),
    ] {
        if !own.contains_key(name) {
            line(name, value);
        }
    }
    head.push_str("content-length: ");
    head.into_bytes()
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
        )
        .expect("it completes");
        assert_eq!(snapshot.generation, 7);
        for (alias, slug) in &written.aliases {
            assert!(
                matches!(snapshot.find(alias), Some(Found::Model(model)) if model.slug == *slug)
            );
        }
        for wildcard in &written.wildcards {
            let name = format!("{}anything-else", wildcard.prefix);
            assert!(
                matches!(snapshot.find(&name), Some(Found::Wildcard(..))),
                "{name}"
            );
        }
    }
}
