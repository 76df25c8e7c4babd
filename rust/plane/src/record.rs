//! The record of one generation, as it stands in the journal.
//!
//! Twin of `python/turnout/ledger/record.py`: a MessagePack array whose fields stand in exactly that order. The golden file
//! `tests/ledger/record.golden.hex` is written by the test below and read by both.

use turnout_wire::cost::Cost;
use turnout_wire::usage::{Usage, UsageSource};

use crate::journal::pack;
use crate::metrics::Outcome;

/// Text of a client's own that is booked is cut to this many bytes.
const CLIENT_TEXT_BYTES_MAX: usize = 256;

/// One try at one endpoint.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempt<'a> {
    pub(crate) provider: &'a str,
    pub(crate) endpoint: &'a str,
    pub(crate) credential: &'a str,
    pub(crate) status: u16,
    pub(crate) latency_us: u64,
    pub(crate) outcome: Outcome,
    /// Whether with a key of the client's own.
    pub(crate) is_byok: bool,
    /// Whether it was made beside another one that was slow.
    pub(crate) hedged: bool,
    /// What it is taken to have cost although another served; part of the record's cost.
    pub(crate) cost_nano: u64,
}

/// What the client says about itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client<'a> {
    pub(crate) http_referer: &'a str,
    pub(crate) app_title: &'a str,
    pub(crate) user_agent: &'a str,
    pub(crate) session_id: &'a str,
    pub(crate) user: &'a str,
    pub(crate) address: &'a str,
}

/// A record; see the twin for what each field means.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    pub(crate) id: &'a [u8],
    pub(crate) created_ms: u64,
    pub(crate) key_sha256: &'a str,
    pub(crate) key_name: &'a str,
    pub(crate) api: &'a str,
    pub(crate) model_requested: &'a str,
    pub(crate) model: &'a str,
    pub(crate) provider: &'a str,
    pub(crate) provider_slug: &'a str,
    pub(crate) endpoint: &'a str,
    pub(crate) upstream_model: &'a str,
    pub(crate) upstream_id: &'a str,
    pub(crate) streamed: bool,
    pub(crate) cancelled: bool,
    pub(crate) status: u16,
    pub(crate) error_type: Option<&'a str>,
    pub(crate) finish_reason: Option<&'a str>,
    pub(crate) native_finish_reason: Option<&'a str>,
    pub(crate) usage: Usage,
    pub(crate) usage_source: UsageSource,
    pub(crate) cost: Cost,
    pub(crate) price_version: &'a str,
    pub(crate) queue_us: u64,
    pub(crate) connect_us: u64,
    pub(crate) ttft_us: u64,
    pub(crate) total_us: u64,
    pub(crate) overhead_us: u64,
    pub(crate) attempts: &'a [Attempt<'a>],
    /// Packed by [`Client::pack`] while the request's head was at hand.
    pub(crate) client: &'a [u8],
    pub(crate) config_digest: &'a str,
    pub(crate) cache_source_id: &'a str,
    pub(crate) router: Option<&'a str>,
}

/// Fields of a record: 32 up to the attempts, six of the client, the configuration's digest, the source in the cache, what the
/// provider charges where the key was the client's own, and the router.
const FIELDS: u32 = 42;
const ATTEMPT_FIELDS: u32 = 9;

impl Record<'_> {
    /// Appends the record to `out`.
    pub(crate) fn pack(&self, out: &mut Vec<u8>) {
        pack::array(out, FIELDS);
        pack::utf8(out, self.id);
        pack::uint(out, self.created_ms);
        pack::str(out, self.key_sha256);
        pack::str(out, self.key_name);
        pack::str(out, self.api);
        pack::str(out, cut(self.model_requested));
        pack::str(out, cut(self.model));
        pack::str(out, self.provider);
        pack::str(out, self.provider_slug);
        pack::str(out, self.endpoint);
        pack::str(out, cut(self.upstream_model));
        pack::str(out, cut(self.upstream_id));
        pack::bool(out, self.streamed);
        pack::bool(out, self.cancelled);
        pack::uint(out, u64::from(self.status));
        pack::option_str(out, self.error_type);
        pack::option_str(out, self.finish_reason);
        pack::option_str(out, self.native_finish_reason.map(cut));
        pack::uint(out, self.usage.prompt);
        pack::uint(out, self.usage.completion);
        pack::uint(out, self.usage.reasoning);
        pack::uint(out, self.usage.cached);
        pack::uint(out, self.usage.cache_write);
        pack::str(out, self.usage_source.name());
        pack::uint(out, self.cost.total_nano);
        pack::str(out, self.price_version);
        pack::uint(out, self.queue_us);
        pack::uint(out, self.connect_us);
        pack::uint(out, self.ttft_us);
        pack::uint(out, self.total_us);
        pack::uint(out, self.overhead_us);
        pack::array(out, self.attempts.len() as u32);
        for attempt in self.attempts {
            pack::array(out, ATTEMPT_FIELDS);
            pack::str(out, attempt.provider);
            pack::str(out, attempt.endpoint);
            pack::str(out, attempt.credential);
            pack::uint(out, u64::from(attempt.status));
            pack::uint(out, attempt.latency_us);
            pack::str(out, attempt.outcome.name());
            pack::bool(out, attempt.is_byok);
            pack::bool(out, attempt.hedged);
            pack::uint(out, attempt.cost_nano);
        }
        out.extend_from_slice(self.client);
        pack::str(out, self.config_digest);
        pack::str(out, self.cache_source_id);
        pack::option_uint(out, self.cost.upstream_nano);
        pack::option_str(out, self.router);
    }
}

impl Client<'_> {
    /// Appends the six fields of the client to `out`.
    pub(crate) fn pack(&self, out: &mut Vec<u8>) {
        for text in [
            self.http_referer,
            self.app_title,
            self.user_agent,
            self.session_id,
            self.user,
        ] {
            pack::str(out, cut(text));
        }
        pack::str(out, self.address);
    }
}

/// At most [`CLIENT_TEXT_BYTES_MAX`] bytes, at a character's end.
fn cut(text: &str) -> &str {
    if text.len() <= CLIENT_TEXT_BYTES_MAX {
        return text;
    }
    &text[..text.floor_char_boundary(CLIENT_TEXT_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_at_characters() {
        let text = "ä".repeat(200);
        assert_eq!(cut(&text).len(), 256);
        assert_eq!(cut(&text[..100]).len(), 100);
        assert_eq!(cut(&format!("a{text}")).len(), 255);
    }

    /// The golden record. Every field differs from every other, so that no two can be swapped unnoticed; the Python twin's
    /// test spells the same values out.
    #[test]
    fn the_golden_record_is_what_python_reads() {
        let attempts = [
            Attempt {
                provider: "p1",
                endpoint: "e1",
                credential: "c1",
                status: 429,
                latency_us: 11,
                outcome: Outcome::Status,
                is_byok: true,
                hedged: false,
                cost_nano: 13,
            },
            Attempt {
                provider: "p2",
                endpoint: "e2",
                credential: "c2",
                status: 200,
                latency_us: 22,
                outcome: Outcome::Ok,
                is_byok: false,
                hedged: true,
                cost_nano: 0,
            },
        ];
        let client = Client {
            http_referer: "https://app.example",
            app_title: "An App",
            user_agent: "agent/1",
            session_id: "session-1",
            user: "user-1",
            address: "192.0.2.1",
        };
        let mut packed = Vec::new();
        client.pack(&mut packed);
        let record = Record {
            id: b"gen-1764031697-AbCdEfGhIjKlMnOpQrSt",
            created_ms: 1_764_031_697_123,
            key_sha256: &"ab".repeat(32),
            key_name: "key name",
            api: "chat",
            model_requested: "alias",
            model: "author/slug",
            provider: "Provider Two",
            provider_slug: "provider-two",
            endpoint: "provider-two/fast",
            upstream_model: "upstream-model",
            upstream_id: "chatcmpl-1",
            streamed: true,
            cancelled: false,
            status: 200,
            error_type: None,
            finish_reason: Some("stop"),
            native_finish_reason: Some("end_turn"),
            usage: Usage {
                prompt: 101,
                completion: 202,
                total: 303,
                reasoning: 33,
                cached: 44,
                cache_write: 55,
                ..Usage::default()
            },
            usage_source: UsageSource::Upstream,
            cost: Cost {
                total_nano: 123_456_789_012,
                upstream_nano: Some(777),
                ..Cost::default()
            },
            price_version: "prices-1",
            queue_us: 61,
            connect_us: 62,
            ttft_us: 63,
            total_us: 64,
            overhead_us: 65,
            attempts: &attempts,
            client: &packed,
            config_digest: "digest-1",
            cache_source_id: "gen-1764031000-Source",
            router: Some("openrouter/auto"),
        };
        let mut packed = Vec::new();
        record.pack(&mut packed);
        let hex: String = packed
            .chunks(48)
            .map(|line| line.iter().map(|b| format!("{b:02x}")).collect::<String>() + "\n")
            .collect();
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/ledger/record.golden.hex"
        );
        if std::env::var_os("TURNOUT_BLESS").is_some() {
            std::fs::write(path, &hex).expect("the golden file can be written");
        }
        let golden = std::fs::read_to_string(path).expect("tests/ledger/record.golden.hex exists");
        assert_eq!(
            hex, golden,
            "the record changed: change record.py too, then run with TURNOUT_BLESS=1"
        );
    }
}
