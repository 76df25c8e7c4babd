//! What a request was: gathered while it runs, booked exactly once.
//!
//! The record goes into the journal *before* the last byte of the answer goes to the client. So an answer that a client
//! has received whole is in the journal, whatever happens next; one that was lost on the last metre is booked too, since
//! the provider charges for it. If the task is dropped in the middle (client gone, shutdown, panic), `Drop` books
//! what is known by then.
//!
//! The record's fields stand in the order of `python/turnout/ledger/record.py`, its twin.

use turnout_wire::answer::Facts;
use turnout_wire::api::Api;
use turnout_wire::cost::Cost;
use turnout_wire::request::Request;
use turnout_wire::usage::{Usage, UsageSource};

use crate::clock::{Instant, micros, unix_ms};
use crate::edge::head::{Head, Known};
use crate::journal::pack;
use crate::metrics::{Observation, Outcome, Slot};
use crate::route::Candidate;
use crate::snapshot::{Credential, Key, Snapshot};
use crate::thread::Thread;

/// Text of a client's own that is booked is cut to this many bytes.
const CLIENT_TEXT_BYTES_MAX: usize = 256;

/// One try, as booked.
#[derive(Debug, Clone, Copy)]
struct Attempt<'a> {
    provider: &'a str,
    endpoint: &'a str,
    credential: &'a str,
    status: u16,
    latency_us: u64,
    outcome: Outcome,
}

/// `gen-<unix seconds>-<20 letters and digits>`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GenerationId {
    text: [u8; 40],
    length: u8,
}

impl GenerationId {
    pub(crate) fn new(unix_seconds: u64) -> Self {
        const ALPHABET: &[u8; 62] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let mut text = [0u8; 40];
        text[..4].copy_from_slice(b"gen-");
        let mut digits = itoa::Buffer::new();
        // Ten digits until the year 2286, and never more than 15 for any clock that can be set.
        let digits = digits
            .format(unix_seconds.min(999_999_999_999_999))
            .as_bytes();
        let mut at = 4 + digits.len();
        text[4..at].copy_from_slice(digits);
        text[at] = b'-';
        at += 1;
        // 62^10 fits a u64: two draws give twenty letters.
        for _ in 0..2 {
            let mut draw = fastrand::u64(..62u64.pow(10));
            for _ in 0..10 {
                text[at] = ALPHABET[(draw % 62) as usize];
                draw /= 62;
                at += 1;
            }
        }
        GenerationId {
            text,
            length: at as u8,
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[..usize::from(self.length)]).unwrap_or_default()
    }
}

/// The account of one request.
pub(crate) struct Account<'a> {
    thread: &'a Thread,
    snapshot: &'a Snapshot,
    key: Option<&'a Key>,
    request: &'a Request,
    pub(crate) id: GenerationId,
    pub(crate) created_ms: u64,
    api: Api,
    streamed: bool,
    /// The client's own texts, packed while its head is at hand.
    client: Vec<u8>,
    began: Instant,
    queue_us: u64,
    connect_us: u64,
    first_byte: Option<Instant>,
    /// Time in which the gateway had nothing to do but wait for the provider or the client.
    waited_us: u64,
    attempts: Vec<Attempt<'a>>,
    /// The attempt that is being made, and since when.
    current: Option<(Attempt<'a>, Instant)>,
    /// The candidate that serves, or was tried last.
    serving: Option<&'a Candidate<'a>>,
    booked: bool,
}

impl<'a> Account<'a> {
    /// Opens it. `waited_us`: time already spent waiting for the client's body.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a different thing that only the caller has"
    )]
    pub(crate) fn open(
        thread: &'a Thread,
        snapshot: &'a Snapshot,
        key: Option<&'a Key>,
        request: &'a Request,
        head: &Head,
        address: std::net::IpAddr,
        began: Instant,
        waited_us: u64,
    ) -> Account<'a> {
        let created_ms = unix_ms();
        let mut client = Vec::with_capacity(160);
        let referer = head.text(Known::HttpReferer);
        let referer = if referer.is_empty() {
            head.text(Known::Referer)
        } else {
            referer
        };
        let title = head.text(Known::OpenRouterTitle);
        let title = if title.is_empty() {
            head.text(Known::Title)
        } else {
            title
        };
        let session = request
            .session_id()
            .unwrap_or_else(|| head.text(Known::SessionId));
        for text in [
            referer,
            title,
            head.text(Known::UserAgent),
            session,
            request.user().unwrap_or_default(),
        ] {
            pack::str(&mut client, cut(text));
        }
        pack_display(&mut client, &address);
        Account {
            thread,
            snapshot,
            key,
            request,
            id: GenerationId::new(created_ms / 1000),
            created_ms,
            api: request.api(),
            streamed: request.stream() && request.api().streams(),
            client,
            began,
            queue_us: micros(began, Instant::now()),
            connect_us: 0,
            first_byte: None,
            waited_us,
            attempts: Vec::with_capacity(2),
            current: None,
            serving: None,
            booked: false,
        }
    }

    pub(crate) fn waited(&mut self, since: Instant) {
        self.waited_us += micros(since, Instant::now());
    }

    pub(crate) fn connected(&mut self, micros: u64) {
        self.connect_us = micros;
    }

    /// The first byte of the answer is about to be sent.
    pub(crate) fn first_byte(&mut self) {
        self.first_byte.get_or_insert_with(Instant::now);
    }

    pub(crate) fn api(&self) -> Api {
        self.api
    }

    /// The candidate that the answer, or its lack, is booked on.
    pub(crate) fn serving(&mut self, candidate: &'a Candidate<'a>) {
        self.serving = Some(candidate);
    }

    /// An attempt at this candidate begins.
    pub(crate) fn begin_attempt(
        &mut self,
        candidate: &'a Candidate<'a>,
        credential: &'a Credential,
    ) {
        self.serving = Some(candidate);
        let attempt = Attempt {
            provider: &candidate.provider.slug,
            endpoint: &candidate.endpoint.tag,
            credential: &credential.label,
            status: 0,
            latency_us: 0,
            outcome: Outcome::Cancelled,
        };
        self.current = Some((attempt, Instant::now()));
    }

    /// The provider's status has been read.
    pub(crate) fn attempt_status(&mut self, status: u16) {
        if let Some((attempt, _)) = &mut self.current {
            attempt.status = status;
        }
    }

    /// The attempt is over.
    pub(crate) fn end_attempt(&mut self, outcome: Outcome) {
        if let (Some((attempt, since)), Some(candidate)) = (self.current.take(), self.serving) {
            self.thread
                .metrics
                .attempt(candidate.endpoint.slot, outcome);
            self.attempts.push(Attempt {
                latency_us: micros(since, Instant::now()),
                outcome,
                ..attempt
            });
        }
    }

    /// Books a success.
    pub(crate) fn book(&mut self, facts: &Facts) {
        self.end_attempt(Outcome::Ok);
        self.write(200, None, false, Some(facts));
    }

    /// Books a stream that failed after it had begun: the client saw 200 and then an error event.
    pub(crate) fn book_interrupted(
        &mut self,
        error_type: &'static str,
        outcome: Outcome,
        facts: &Facts,
    ) {
        self.end_attempt(outcome);
        self.write(200, Some(error_type), false, Some(facts));
    }

    /// Books a request that ended in a refusal.
    pub(crate) fn book_refused(&mut self, status: u16, error_type: &'static str) {
        self.end_attempt(Outcome::Cancelled);
        self.write(status, Some(error_type), false, None);
    }

    /// Books a request whose client left. `facts`: what had been consumed by then.
    pub(crate) fn book_cancelled(&mut self, facts: Option<&Facts>) {
        self.end_attempt(Outcome::Cancelled);
        let status = if self.first_byte.is_some() { 200 } else { 499 };
        self.write(status, Some("cancelled"), true, facts);
    }

    fn write(
        &mut self,
        status: u16,
        error_type: Option<&'static str>,
        cancelled: bool,
        facts: Option<&Facts>,
    ) {
        if self.booked {
            return;
        }
        self.booked = true;
        let now = Instant::now();
        let total_us = micros(self.began, now);
        let ttft_us = self
            .first_byte
            .map_or(0, |at| micros(self.began, at).max(1));
        let overhead_us = total_us.saturating_sub(self.waited_us);
        let nothing = (Usage::default(), UsageSource::None, Cost::default());
        let (usage, source, cost) = facts.map_or(nothing, |f| (f.usage, f.usage_source, f.cost));
        let serving = self.serving;
        let slot = serving.map_or(Slot::OTHER, |candidate| candidate.endpoint.slot);
        let served = error_type.is_none() || facts.is_some();
        let kept = self.thread.journal.borrow_mut().append(|out| {
            pack::array(out, FIELDS);
            pack::str(out, self.id.as_str());
            pack::uint(out, self.created_ms);
            pack::str(out, self.key.map_or("", |key| key.sha256_hex.as_str()));
            pack::str(out, self.key.map_or("", |key| key.name.as_str()));
            pack::str(out, self.api.name());
            pack::str(
                out,
                cut(self
                    .request
                    .model()
                    .or(self.request.models().first().map(String::as_str))
                    .unwrap_or("")),
            );
            pack::str(out, serving.map_or("", |c| c.slug));
            pack::str(
                out,
                serving
                    .filter(|_| served)
                    .map_or("", |c| c.provider.name.as_str()),
            );
            pack::str(out, serving.map_or("", |c| c.provider.slug.as_str()));
            pack::str(out, serving.map_or("", |c| c.endpoint.tag.as_str()));
            pack::str(out, serving.map_or("", |c| &c.model));
            pack::str(
                out,
                cut(facts
                    .and_then(|f| f.upstream_id.as_deref())
                    .unwrap_or_default()),
            );
            pack::bool(out, self.streamed);
            pack::bool(out, cancelled);
            pack::uint(out, u64::from(status));
            pack::option_str(out, error_type);
            pack::option_str(
                out,
                facts
                    .and_then(|f| f.finish)
                    .map(turnout_wire::finish::Finish::name),
            );
            pack::option_str(out, facts.and_then(|f| f.native_finish.as_deref()).map(cut));
            pack::uint(out, usage.prompt);
            pack::uint(out, usage.completion);
            pack::uint(out, usage.reasoning);
            pack::uint(out, usage.cached);
            pack::uint(out, usage.cache_write);
            pack::str(out, source.name());
            pack::uint(out, cost.total_nano);
            let prices = serving.and_then(|c| c.endpoint.prices.as_ref());
            pack::str(out, prices.map_or("", |prices| prices.version.as_str()));
            pack::uint(out, self.queue_us);
            pack::uint(out, self.connect_us);
            pack::uint(out, ttft_us);
            pack::uint(out, total_us);
            pack::uint(out, overhead_us);
            pack::array(out, self.attempts.len() as u32);
            for attempt in &self.attempts {
                pack::array(out, 6);
                pack::str(out, attempt.provider);
                pack::str(out, attempt.endpoint);
                pack::str(out, attempt.credential);
                pack::uint(out, u64::from(attempt.status));
                pack::uint(out, attempt.latency_us);
                pack::str(out, attempt.outcome.name());
            }
            out.extend_from_slice(&self.client);
            pack::str(out, &self.snapshot.digest);
        });
        // A record that found no room is counted by the journal itself and shown in metrics and health.
        let _ = kept;
        self.thread.metrics.generation(
            slot,
            &Observation {
                status,
                streamed: self.streamed,
                cancelled,
                ttft_us,
                total_us,
                overhead_us,
                tokens_prompt: usage.prompt,
                tokens_completion: usage.completion,
                tokens_cached: usage.cached,
                cost_nano: cost.total_nano,
            },
        );
    }
}

/// Number of fields of a record: 32 up to the attempts, six of the client, and the configuration.
const FIELDS: u32 = 39;

impl Drop for Account<'_> {
    fn drop(&mut self) {
        self.book_cancelled(None);
    }
}

/// At most [`CLIENT_TEXT_BYTES_MAX`] bytes, at a character's end.
fn cut(text: &str) -> &str {
    if text.len() <= CLIENT_TEXT_BYTES_MAX {
        return text;
    }
    &text[..text.floor_char_boundary(CLIENT_TEXT_BYTES_MAX)]
}

fn pack_display(out: &mut Vec<u8>, value: &impl std::fmt::Display) {
    use std::io::Write as _;
    let mut room = [0u8; 64];
    let mut rest: &mut [u8] = &mut room;
    let _ = write!(rest, "{value}");
    let left = rest.len();
    pack::str(
        out,
        std::str::from_utf8(&room[..64 - left]).unwrap_or_default(),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_their_form_and_differ() {
        let ids: std::collections::HashSet<String> = (0..1000)
            .map(|_| GenerationId::new(1_764_031_697).as_str().to_owned())
            .collect();
        assert_eq!(ids.len(), 1000);
        for id in ids {
            let rest = id
                .strip_prefix("gen-1764031697-")
                .expect("prefix and seconds");
            assert_eq!(rest.len(), 20);
            assert!(rest.bytes().all(|b| b.is_ascii_alphanumeric()));
        }
    }

    #[test]
    fn texts_are_cut_at_characters() {
        let text = "ä".repeat(200);
        assert_eq!(cut(&text).len(), 256);
        assert_eq!(cut(&text[..100]).len(), 100);
        assert_eq!(cut(&format!("a{text}")).len(), 255);
    }
}
