//! Conversations stay where they are: the endpoint that served a conversation has its prompt in its cache, where reading is
//! cheaper and quicker than anywhere else (openrouter.md section 3.7).
//!
//! **Which conversation.** What the client calls it: `session_id`, else the header `x-session-id`, else `prompt_cache_key`. Without
//! any of them it is known by its first messages ([`turnout_wire::conversation`]), which are only looked at when it can matter. Names
//! are those of one client key: two keys never share a conversation.
//!
//! **When it is remembered.** After any success when the client gave it a name; else after an answer that read from the
//! provider's cache or wrote to it. Only at endpoints where reading from the cache costs less than reading anew; where no
//! price is known, a name is enough, because such endpoints are mostly the user's own, and have caches too.
//!
//! **What it does.** Its endpoint is tried first among those of its model, unless the client gave an order (`provider.order`), or
//! the endpoint was filtered out, or it rests. When it fails, the others serve as they always do, and the
//! conversation is still its: a short disturbance must not move a long prompt. Only when it is no candidate at all any more (taken out
//! of the configuration, or excluded by the request) does the conversation move to the endpoint that serves.
//!
//! A router that stands for several models asks [`remembered_model`], so that a conversation stays with its model, too.
//!
//! **Bounds.** `routing.sticky.conversations` entries of some 80 bytes, forgotten after `routing.sticky.ttl` without a request, or
//! when there are too many, the oldest first. They live in memory, across swaps of the configuration, and not across restarts.

use std::cell::{Cell, OnceCell};
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Mutex;
use std::time::Duration;

use foldhash::fast::RandomState;
use turnout_wire::conversation;
use turnout_wire::request::Request;
use turnout_wire::usage::Usage;

use super::{Asking, Candidate};
use crate::clock::Instant;
use crate::edge::head::{Head, Known};
use crate::lock::lock;
use crate::recent::Recent;
use crate::snapshot::written::Sticky;
use crate::snapshot::{Endpoint, Key};

/// Parts of the table, each with a lock of its own that is held for one look or one note.
const SHARDS: usize = 16;

/// All conversations that are remembered; lives as long as the process.
#[derive(Debug)]
pub(crate) struct Table {
    shards: [Mutex<Recent<Home>>; SHARDS],
    /// The same for all hashes of the process.
    hasher: RandomState,
}

/// Where a conversation is.
#[derive(Debug, Clone, Copy)]
struct Home {
    /// Hash of an endpoint's tag, or of a model's slug.
    place: u64,
    used: Instant,
}

impl Default for Table {
    fn default() -> Table {
        Table {
            shards: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::default(),
        }
    }
}

impl Table {
    fn hash(&self, what: impl Hash) -> u64 {
        self.hasher.hash_one(what)
    }

    fn shard(&self, key: u64) -> std::sync::MutexGuard<'_, Recent<Home>> {
        // The table's own index uses the lower bits.
        lock(&self.shards[(key >> 60) as usize % SHARDS])
    }

    /// Where the conversation is, if it was used within `ttl`.
    fn look(&self, key: u64, now: Instant, ttl: Duration) -> Option<u64> {
        let mut shard = self.shard(key);
        let home = *shard.get(key.into())?;
        if now.duration_since(home.used) < ttl {
            return Some(home.place);
        }
        shard.remove(key.into());
        None
    }

    /// Remembers where the conversation is. At the bound the oldest of its shard is forgotten.
    fn note(&self, key: u64, place: u64, now: Instant, conversations_max: usize) {
        let mut shard = self.shard(key);
        shard.insert(key.into(), Home { place, used: now });
        while shard.len() > conversations_max.div_ceil(SHARDS) {
            shard.pop_oldest();
        }
    }
}

/// What a candidate is to the conversation that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Stay {
    /// There is nothing to remember: the only endpoint, or caching is worth nothing there, or the client gave an order.
    #[default]
    No,
    /// The conversation is nowhere yet; it stays here if this one serves.
    Open,
    /// It is here.
    Home,
    /// It is at another of the candidates, and stays there if this one serves.
    Away,
}

/// The conversation of one request. Costs next to nothing until somebody asks for it.
#[derive(Debug)]
pub(crate) struct Conversation<'a> {
    table: &'a Table,
    owner: Option<&'a Key>,
    request: &'a Request,
    now: Instant,
    /// By which of its words, and their hash: what the client calls it.
    named: Option<(&'static str, u64)>,
    /// Hash of its first messages.
    begun: OnceCell<Option<u64>>,
    /// The router that was asked, as a key of the table, and the model where the conversation is, if it is at any.
    routed: Cell<Option<(u64, Option<u64>)>>,
}

impl<'a> Conversation<'a> {
    pub(crate) fn new(
        table: &'a Table,
        owner: Option<&'a Key>,
        request: &'a Request,
        head: &Head,
        now: Instant,
    ) -> Conversation<'a> {
        let session = request.session_id().filter(|id| !id.is_empty());
        let header = Some(head.text(Known::SessionId)).filter(|id| !id.is_empty());
        let cache_key = || request.prompt_cache_key().filter(|key| !key.is_empty());
        let named = match (session, header) {
            (Some(id), _) => Some(("session_id", table.hash(("session", id)))),
            (None, Some(id)) => Some(("header", table.hash(("session", id)))),
            (None, None) => cache_key().map(|id| ("prompt_cache_key", table.hash(("cache", id)))),
        };
        Conversation {
            table,
            owner,
            request,
            now,
            named,
            begun: OnceCell::new(),
            routed: Cell::new(None),
        }
    }

    /// Its key in the table, for a model or a router.
    fn key(&self, scope: &str, name: &str) -> Option<u64> {
        let conversation = match self.named {
            Some((_, named)) => named,
            None => {
                (*self.begun.get_or_init(|| {
                    let mut hasher = self.table.hasher.build_hasher();
                    conversation::opening(self.request.api(), self.request.asked(), &mut hasher)
                        .then(|| hasher.finish())
                }))?
            }
        };
        let owner = self.owner.map_or("", |key| key.sha256_hex.as_str());
        Some(self.table.hash((owner, scope, name, conversation)))
    }

    /// Remembers it after a success.
    pub(crate) fn served(
        &self,
        candidate: &Candidate<'_>,
        usage: &Usage,
        sticky: &Sticky,
        now: Instant,
    ) {
        let used_cache = usage.cached > 0 || usage.cache_write > 0;
        if self.named.is_none() && !used_cache {
            return;
        }
        let (table, max) = (self.table, sticky.conversations_max);
        if matches!(candidate.stay, Stay::Open | Stay::Home)
            && let Some(key) = self.key(MODEL, candidate.slug)
        {
            table.note(key, table.hash(candidate.endpoint.tag.as_str()), now, max);
        }
        if let Some((key, home)) = self.routed.get() {
            let model = table.hash(candidate.slug);
            if home.is_none_or(|home| home == model) {
                table.note(key, model, now, max);
            }
        }
    }
}

/// Scopes of keys in the table.
const MODEL: &str = "model";
const ROUTER: &str = "router";

fn ttl(sticky: &Sticky) -> Duration {
    Duration::from_millis(sticky.ttl_ms)
}

/// Moves the endpoint where the conversation is to the front of its model's candidates, and says to each what it is to the conversation.
/// `candidates`: all of one model, in the order in which they would be tried.
pub(crate) fn prefer(asking: &Asking<'_>, candidates: &mut [Candidate<'_>]) {
    let sticky = &asking.snapshot.routing.sticky;
    let Some(conversation) = asking.conversation else {
        return;
    };
    if candidates.len() < 2 || sticky.ttl_ms == 0 {
        return;
    }
    // An order of the client's is not second-guessed (checklist S06), nor one of all models' endpoints together.
    let is_ordered = (asking.request.preferences())
        .is_some_and(|preferences| !preferences.order.is_empty() || preferences.across_models);
    if is_ordered {
        return;
    }
    let is_named = conversation.named.is_some();
    let Some(slug) = candidates
        .iter()
        .find(|candidate| pays(candidate.endpoint, is_named))
        .map(|candidate| candidate.slug)
    else {
        return;
    };
    let Some(key) = conversation.key(MODEL, slug) else {
        return;
    };
    let table = conversation.table;
    let home = table.look(key, conversation.now, ttl(sticky));
    let at = home.and_then(|home| {
        let is_home =
            |candidate: &Candidate<'_>| table.hash(candidate.endpoint.tag.as_str()) == home;
        candidates.iter().position(is_home)
    });
    asking.note(|trace| {
        let by = conversation.named.map_or("messages", |(by, _)| by);
        let remembered = at.and_then(|at| candidates.get(at)).map(|it| it.endpoint);
        let decision = match (home, remembered) {
            (None, _) => "new",
            (Some(_), None) => "gone",
            (Some(_), Some(endpoint)) if endpoint.statistics.look().is_resting => "resting",
            (Some(_), Some(_)) => "kept",
        };
        trace.sticky(
            by,
            decision,
            remembered.map_or("", |endpoint| &endpoint.tag),
        );
    });
    for candidate in candidates.iter_mut() {
        candidate.stay = match at {
            Some(_) => Stay::Away,
            None if pays(candidate.endpoint, is_named) => Stay::Open,
            None => Stay::No,
        };
    }
    if let Some(at) = at
        && let Some(home) = candidates.get_mut(at)
    {
        home.stay = Stay::Home;
        if !home.endpoint.statistics.look().is_resting {
            candidates[..=at].rotate_right(1);
        }
    }
}

/// Whether an endpoint's cache makes it worth staying (checklist S08).
fn pays(endpoint: &Endpoint, is_named: bool) -> bool {
    match &endpoint.prices {
        Some(prices) => prices.cache_read < prices.prompt,
        None => is_named,
    }
}

/// Which of the models that a router may choose, by its place among `slugs`, is the conversation's. The answer will be remembered under the router's name.
pub(crate) fn remembered_model<'a>(
    asking: &Asking<'_>,
    router: &str,
    mut slugs: impl Iterator<Item = &'a str>,
) -> Option<usize> {
    let sticky = &asking.snapshot.routing.sticky;
    let conversation = asking.conversation?;
    if sticky.ttl_ms == 0 {
        return None;
    }
    let key = conversation.key(ROUTER, router)?;
    let table = conversation.table;
    let home = table.look(key, conversation.now, ttl(sticky));
    let at = home.and_then(|home| slugs.position(|slug| table.hash(slug) == home));
    (conversation.routed).set(Some((key, home.filter(|_| at.is_some()))));
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(600);

    #[test]
    fn s05_a_conversation_is_forgotten_after_ten_idle_minutes_and_each_use_begins_them_anew() {
        let table = Table::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        table.note(1, 10, at(0), 1000);
        assert_eq!(table.look(1, at(599), TTL), Some(10));
        // A look alone is no use: the endpoint may have failed.
        assert_eq!(table.look(1, at(600), TTL), None);
        table.note(1, 10, at(700), 1000);
        table.note(1, 10, at(1200), 1000);
        assert_eq!(table.look(1, at(1799), TTL), Some(10));
        assert_eq!(table.look(1, at(1800), TTL), None);
        // What is forgotten leaves its place to others.
        assert_eq!(
            table
                .shards
                .iter()
                .map(|s| s.lock().expect("no panic").len())
                .sum::<usize>(),
            0
        );
    }

    #[test]
    fn the_oldest_conversations_are_forgotten_at_the_bound() {
        let table = Table::default();
        let now = Instant::now();
        let key = |number: u64| number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for number in 0..10_000 {
            table.note(key(number), number, now, 1600);
        }
        let held: usize = table
            .shards
            .iter()
            .map(|s| s.lock().expect("no panic").len())
            .sum();
        assert!((1500..=1600).contains(&held), "{held}");
        let newest = (9_500..10_000).filter(|n| table.look(key(*n), now, TTL) == Some(*n));
        assert!(newest.count() > 490);
        assert_eq!(table.look(key(3), now, TTL), None);
    }

    #[test]
    fn an_entry_is_small() {
        let entry = size_of::<Home>() + 32;
        assert!(entry <= 80, "{entry}");
    }
}
