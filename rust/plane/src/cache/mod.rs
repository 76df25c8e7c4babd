//! The response cache: the same question asked again is answered from memory, at once and free of charge (openrouter.md
//! section 4.10).
//!
//! It is off unless somebody asks for it: the header `X-OpenRouter-Cache: true`, a preset (`cache_enabled`) or the configuration
//! (`cache.default`). A preset that says no beats the header, the header beats a preset that says yes, and both beat the
//! configuration. Where zero data retention is wished for the gateway or the key, nothing is kept, whoever asks.
//!
//! **The same question** has the same bytes ([`key`]): order of members included, white space not, and defaults that are said are another
//! question than those that are not. Asked with another key, for another model, in another API or as a stream, it is another
//! one. Headers do not count.
//!
//! **What is kept** is a whole answer with status 200 ([`recorder`]); errors, answers that were cut or cancelled and those that ended
//! with an error are not. Each is kept for its time ([`TTL_SECONDS`]) in this process's memory ([`store`]), or, when one is
//! configured, in a Valkey or Redis server that several gateways share ([`remote`]). Such a server is never waited for longer than
//! `cache.wait`, and while it is down every request is a miss.
//!
//! **What is given** is a new generation with an id of its own, without usage or cost, booked with the id of the one that it repeats.
//!
//! Two requests that miss at the same time are both served upstream: nobody waits for another's answer.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use turnout_wire::api::Api;
use turnout_wire::request::Request;

use crate::account::Account;
use crate::caller::{Caller, EVENT_STREAM, ReplyHead};
use crate::clock::{Instant, micros, unix_ms};
use crate::cors;
use crate::edge::head::{Head, Known};
use crate::metrics::Counter;
use crate::request::{Outcome, done};
use crate::snapshot::{Key, Snapshot};
use crate::thread::Thread;

mod key;
pub(crate) mod recorder;
pub(crate) mod remote;
pub(crate) mod store;

pub(crate) use key::Digest;
pub(crate) use recorder::Recorder;
pub(crate) use store::Entry;

/// Shortest and longest time that an answer is kept.
const TTL_SECONDS: std::ops::RangeInclusive<u64> = 1..=86_400;

/// Most of a kept stream that is sent at once: the client takes it at its own pace.
const PART_BYTES: usize = 64 * 1024;

/// What a preset says about the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Wish {
    pub(crate) enabled: Option<bool>,
    pub(crate) ttl_seconds: Option<u64>,
}

/// A request that may be answered from the cache.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask {
    pub(crate) digest: Digest,
    pub(crate) ttl_seconds: u64,
    /// What is kept is forgotten first.
    clear: bool,
}

impl Ask {
    /// `None`: the request has nothing to do with the cache. `array`: its stream is one JSON array.
    pub(crate) fn of(
        snapshot: &Snapshot,
        key: Option<&Key>,
        request: &Request,
        head: &Head,
        preset: Wish,
        array: bool,
    ) -> Option<Ask> {
        let header = word(head.text(Known::Cache));
        if !enabled(header, preset.enabled, snapshot.cache.default) || !has_api(request.api()) {
            return None;
        }
        let zdr = snapshot.routing.wishes.zdr
            || key.is_some_and(|key| key.wishes.as_ref().is_some_and(|wishes| wishes.zdr));
        // Who wants to see what is sent upstream wants it to be sent.
        if zdr || request.wants_echo() {
            return None;
        }
        let ttl = leading_number(head.text(Known::CacheTtl))
            .or(preset.ttl_seconds)
            .unwrap_or(snapshot.cache.ttl_s);
        Some(Ask {
            digest: Digest::of(key, request, array, snapshot.cache.server.is_some()),
            ttl_seconds: ttl.clamp(*TTL_SECONDS.start(), *TTL_SECONDS.end()),
            clear: word(head.text(Known::CacheClear)) == Some(true),
        })
    }
}

/// Who decides whether the cache is used.
fn enabled(header: Option<bool>, preset: Option<bool>, default: bool) -> bool {
    match preset {
        Some(false) => false,
        _ => header.or(preset).unwrap_or(default),
    }
}

/// A header that says yes or no. Anything else says nothing.
fn word(text: &str) -> Option<bool> {
    match text {
        "" => None,
        text if text.eq_ignore_ascii_case("true") => Some(true),
        text if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// The whole number that a text begins with: `60` of `60abc`, `1` of `1.5`. `None` where it begins with something else. A negative one
/// is as good as zero.
fn leading_number(text: &str) -> Option<u64> {
    let text = text.trim_ascii_start();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = digits
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(digits.len());
    let digits = digits.get(..end).filter(|digits| !digits.is_empty())?;
    // A number beyond 64 bits is beyond the longest time, too.
    let number = digits.parse().unwrap_or(u64::MAX);
    Some(if negative { 0 } else { number })
}

/// The APIs whose answers are kept: those that give the same to whoever asks the same.
fn has_api(api: Api) -> bool {
    matches!(
        api,
        Api::Chat
            | Api::Responses
            | Api::Messages
            | Api::Embeddings
            | Api::Gemini
            | Api::GeminiEmbed
            | Api::GeminiEmbedBatch
    )
}

/// Looks for a kept answer; with it, how long another machine was waited for, in microseconds.
pub(crate) async fn look(
    thread: &Rc<Thread>,
    snapshot: &Snapshot,
    key: Option<&Key>,
    ask: &Ask,
) -> (Option<Arc<Entry>>, u64) {
    let now_ms = unix_ms();
    let cache = &thread.shared.cache;
    let (found, waited_us) = match &snapshot.cache.server {
        None if ask.clear => {
            cache.forget(ask.digest.short());
            (None, 0)
        }
        None => (cache.look(ask.digest.short(), now_ms), 0),
        Some(server) => {
            let began = Instant::now();
            let found = match ask.clear {
                true => {
                    remote::forget(thread, server, &ask.digest).await;
                    None
                }
                false => remote::look(thread, server, &ask.digest, now_ms).await,
            };
            (found.map(Arc::new), micros(began, Instant::now()))
        }
    };
    // The key may have lost the model since.
    let found = found.filter(|entry| key.is_none_or(|key| key.allows(&entry.model)));
    thread.metrics.count(match found {
        Some(_) => Counter::ResponseCacheHit,
        None => Counter::ResponseCacheMiss,
    });
    (found, waited_us)
}

/// What the client of a miss is told.
pub(crate) fn miss_headers(ttl_seconds: u64) -> Vec<(Cow<'static, str>, String)> {
    vec![
        (
            Cow::Borrowed("x-openrouter-cache-status"),
            "MISS".to_owned(),
        ),
        (
            Cow::Borrowed("x-openrouter-cache-ttl"),
            ttl_seconds.to_string(),
        ),
    ]
}

/// Gives a kept answer again. `array`: as one JSON array.
pub(crate) async fn give<'a, C: Caller>(
    snapshot: &Snapshot,
    caller: &mut C,
    account: &mut Account<'a>,
    entry: &'a Entry,
    array: bool,
) -> Outcome {
    let id = account.id;
    let created_ms = account.created_ms;
    let events = entry.streamed && !array;
    let content_type = match events {
        true => EVENT_STREAM,
        false => "application/json",
    };
    let age_seconds = created_ms.saturating_sub(entry.stored_ms) / 1000;
    let mut head = ReplyHead {
        generation_id: id,
        cors_origin: cors::origin(snapshot, caller.head()),
        ..ReplyHead::new(200, content_type)
    };
    head.extra = vec![
        (Cow::Borrowed("x-openrouter-cache-status"), "HIT".to_owned()),
        (
            Cow::Borrowed("x-openrouter-cache-age"),
            age_seconds.to_string(),
        ),
        (
            Cow::Borrowed("x-openrouter-cache-ttl"),
            entry.ttl_seconds.saturating_sub(age_seconds).to_string(),
        ),
        (
            Cow::Borrowed("x-openrouter-cache-source-id"),
            entry.source_id.clone(),
        ),
    ];
    let out = caller.out();
    out.clear();
    entry.replay.again(id.as_str(), created_ms / 1000, out);
    if !entry.streamed {
        account.book_given_again(entry);
        return done(caller.reply(&head).await);
    }
    if caller.out().len() <= PART_BYTES {
        account.book_given_again(entry);
        return done(caller.end(Some(&head)).await);
    }
    let whole = std::mem::take(caller.out());
    let mut parts = whole.chunks(PART_BYTES).peekable();
    let mut begun = false;
    while let Some(part) = parts.next() {
        caller.out().extend_from_slice(part);
        let sent = match (begun, parts.peek()) {
            (_, None) => {
                account.book_given_again(entry);
                caller.end(None).await
            }
            (false, Some(_)) => caller.begin(&head).await,
            (true, Some(_)) => caller.part().await,
        };
        begun = true;
        if sent.is_err() {
            account.book_cancelled(None);
            return Outcome::Gone;
        }
    }
    Outcome::Done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k11_who_decides() {
        let (yes, no) = (Some(true), Some(false));
        for (header, preset, default, expected) in [
            (None, None, false, false),
            (None, None, true, true),
            (yes, None, false, true),
            (no, None, true, false),
            (yes, no, true, false),
            (no, yes, true, false),
            (None, yes, false, true),
            (None, no, true, false),
            (yes, yes, false, true),
            (no, no, true, false),
        ] {
            let said = (header, preset, default);
            assert_eq!(enabled(header, preset, default), expected, "{said:?}");
        }
    }

    #[test]
    fn k06_times_are_read_as_far_as_they_are_numbers() {
        for (text, expected) in [
            ("", None),
            ("x", None),
            ("-", None),
            ("abc60", None),
            ("60", Some(60)),
            ("60abc", Some(60)),
            ("1.5", Some(1)),
            (" 7", Some(7)),
            ("+8", Some(8)),
            ("-5", Some(0)),
            ("0", Some(0)),
            ("99999999999999999999999", Some(u64::MAX)),
        ] {
            assert_eq!(leading_number(text), expected, "{text:?}");
        }
    }
}
