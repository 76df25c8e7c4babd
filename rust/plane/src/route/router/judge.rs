//! The judge of the auto router: a small model that is asked what a request is about, where `routers.auto.judge` names one.
//!
//! It refines the guess ([`turnout_wire::classify`]) and replaces nothing: when it is late, fails or talks nonsense the guess stands
//! (checklist U05). What it said is remembered by what it was shown, so that the same words are judged once. After [`FAILURES_MAX`]
//! failures in a row it is left alone for a while, so that a judge that is down costs a few requests its time, not all.
//!
//! Here is what is known of it; [`crate::judge`] asks it.

use std::sync::Mutex;
use std::time::Duration;

use sha2::{Digest, Sha256};
use turnout_wire::api::Api;
use turnout_wire::classify::judge::Opinion;
use turnout_wire::classify::{Guess, Seen};

use super::Router;
use crate::clock::Instant;
use crate::lock::lock;
use crate::recent::Recent;
use crate::route::{Asking, name, sticky};
use crate::snapshot::written;

/// Failures in a row after which it is left alone.
const FAILURES_MAX: u32 = 3;
/// For how long at first, and at most: each further failure doubles it.
const REST: Duration = Duration::from_secs(10);
const REST_MAX: Duration = Duration::from_secs(300);
/// Parts of the memory, each with a lock of its own that is held for one look or one note.
const SHARDS: usize = 8;

/// How the judge is asked.
#[derive(Debug)]
pub(crate) struct Judge {
    /// Slug of its model; never a router's.
    pub(crate) model: String,
    /// How long its answer is waited for.
    pub(crate) time: Duration,
    ttl: Duration,
    opinions_max: usize,
}

impl Judge {
    pub(super) fn new(written: written::Judge) -> Judge {
        Judge {
            model: written.model,
            time: Duration::from_millis(written.timeout_ms),
            ttl: Duration::from_millis(written.ttl_ms),
            opinions_max: written.opinions_max,
        }
    }
}

/// How it came about that there is an opinion, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was asked and answered.
    Answered,
    /// It had answered the same question before.
    Remembered,
    /// It did not answer in time.
    Late,
    /// It could not be asked, or its provider failed.
    Failed,
    /// It answered something else.
    Nonsense,
    /// It failed several times and is left alone.
    Resting,
    /// The conversation stays with its model, whatever the judge would say.
    Settled,
    /// A request would ask it; this is only a rehearsal.
    Unasked,
}

impl Outcome {
    /// The word in metadata and metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Outcome::Answered => "answered",
            Outcome::Remembered => "remembered",
            Outcome::Late => "late",
            Outcome::Failed => "failed",
            Outcome::Nonsense => "nonsense",
            Outcome::Resting => "resting",
            Outcome::Settled => "settled",
            Outcome::Unasked => "unasked",
        }
    }
}

/// What the judge contributes to one request.
#[derive(Debug)]
pub(crate) struct Judgement {
    /// Slug of its model.
    pub(crate) model: String,
    pub(crate) outcome: Outcome,
    /// `None`: the guess stands.
    pub(crate) opinion: Option<Opinion>,
    /// How long it was waited for.
    pub(crate) took: Duration,
}

impl Judgement {
    pub(crate) fn new(judge: &Judge, outcome: Outcome, opinion: Option<Opinion>) -> Judgement {
        Judgement {
            model: judge.model.clone(),
            outcome,
            opinion,
            took: Duration::ZERO,
        }
    }

    /// The guess, refined.
    pub(super) fn refine(&self, guess: Guess, seen: &Seen) -> Guess {
        self.opinion.map_or(guess, |opinion| opinion.guess(seen))
    }
}

/// The judge of the router that a request names first, with the slug of the router; `None`: it names none that has one, or the API has no
/// conversation to be judged. A router that is only there for when the first model fails is not worth everybody's wait.
pub(crate) fn of<'a>(asking: &Asking<'a>) -> Option<(&'a str, &'a Router, &'a Judge)> {
    let request = asking.request;
    if !matches!(
        request.api(),
        Api::Chat | Api::Responses | Api::Messages | Api::Gemini
    ) {
        return None;
    }
    let first = request
        .model()
        .or(request.models().first().map(String::as_str))?;
    let (slug, router) = name::router(asking, first)?;
    Some((slug, router, router.judge.as_ref()?))
}

/// Whether the conversation has a model with this router that it stays with. Where tasks have pools of their own the task still counts.
pub(crate) fn is_settled(asking: &Asking<'_>, slug: &str, router: &Router) -> bool {
    let choices = asking.snapshot.choices.0.iter();
    let slugs = choices.map(|choice| choice.model.slug.as_str());
    router.pools.is_empty() && sticky::remembered_model(asking, slug, slugs).is_some()
}

/// What judges said; lives as long as the process.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    shards: [Mutex<Recent<Kept>>; SHARDS],
    health: Mutex<Health>,
}

#[derive(Debug, Clone, Copy)]
struct Kept {
    opinion: Opinion,
    since: Instant,
}

/// Of the judge: there is one in a configuration, and the next one begins anew by its first answer.
#[derive(Debug, Default)]
struct Health {
    failures: u32,
    rests_until: Option<Instant>,
}

impl Memory {
    /// The key of what a judge is shown.
    pub(crate) fn key(judge: &Judge, exhibit: &str) -> u128 {
        let mut hash = Sha256::new();
        hash.update(judge.model.as_bytes());
        hash.update(b"\n");
        hash.update(exhibit.as_bytes());
        (hash.finalize().iter().take(16)).fold(0, |key, byte| key << 8 | u128::from(*byte))
    }

    fn shard(&self, key: u128) -> std::sync::MutexGuard<'_, Recent<Kept>> {
        // The table's own index uses other bits.
        lock(&self.shards[(key >> 61) as usize % SHARDS])
    }

    /// What was said to it, not longer ago than the judge's time to live.
    pub(crate) fn look(&self, judge: &Judge, key: u128, now: Instant) -> Option<Opinion> {
        let mut shard = self.shard(key);
        let kept = *shard.get(key)?;
        if now.duration_since(kept.since) < judge.ttl {
            return Some(kept.opinion);
        }
        shard.remove(key);
        None
    }

    /// The judge gave an opinion. At the bound what was not asked for the longest is forgotten.
    pub(crate) fn keep(&self, judge: &Judge, key: u128, opinion: Opinion, now: Instant) {
        *self.health() = Health::default();
        if judge.ttl.is_zero() {
            return;
        }
        let mut shard = self.shard(key);
        shard.insert(
            key,
            Kept {
                opinion,
                since: now,
            },
        );
        while shard.len() > judge.opinions_max.div_ceil(SHARDS) {
            shard.pop_oldest();
        }
    }

    /// The judge failed.
    pub(crate) fn failed(&self, now: Instant) {
        let mut health = self.health();
        health.failures = health.failures.saturating_add(1);
        if let Some(doublings) = health.failures.checked_sub(FAILURES_MAX) {
            let rest = REST.saturating_mul(1 << doublings.min(8)).min(REST_MAX);
            health.rests_until = Some(now + rest);
        }
    }

    /// Whether the judge is left alone. At the end of that time one request asks it, and the others wait for what comes of it.
    pub(crate) fn rests(&self, judge: &Judge, now: Instant) -> bool {
        let mut health = self.health();
        let Some(until) = health.rests_until else {
            return false;
        };
        if now >= until {
            health.rests_until = Some(now + judge.time);
            return false;
        }
        true
    }

    fn health(&self) -> std::sync::MutexGuard<'_, Health> {
        lock(&self.health)
    }
}

#[cfg(test)]
mod tests {
    use turnout_wire::classify::{Demand, Task};

    use super::*;

    const OPINION: Opinion = Opinion {
        task: Task::Math,
        demand: Demand::High,
    };

    fn judge(ttl_ms: u64, opinions_max: usize) -> Judge {
        Judge::new(written::Judge {
            model: "a/small".to_owned(),
            timeout_ms: 800,
            ttl_ms,
            opinions_max,
        })
    }

    #[test]
    fn what_was_said_is_remembered_for_its_time() {
        let (memory, judge, start) = (Memory::default(), judge(60_000, 100), Instant::now());
        let key = Memory::key(&judge, "{}");
        assert_eq!(memory.look(&judge, key, start), None);
        memory.keep(&judge, key, OPINION, start);
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(memory.look(&judge, key, at(59)), Some(OPINION));
        assert_eq!(memory.look(&judge, key, at(60)), None);
        assert_ne!(key, Memory::key(&judge, "{ }"));
    }

    #[test]
    fn without_a_time_nothing_is_remembered() {
        let (memory, judge, now) = (Memory::default(), judge(0, 100), Instant::now());
        memory.keep(&judge, 7, OPINION, now);
        assert_eq!(memory.look(&judge, 7, now), None);
        assert!(
            memory
                .shards
                .iter()
                .all(|shard| shard.lock().expect("no panic").len() == 0)
        );
    }

    #[test]
    fn the_memory_is_bounded() {
        let (memory, judge, now) = (Memory::default(), judge(60_000, 80), Instant::now());
        for number in 0..1000 {
            let key = Memory::key(&judge, &number.to_string());
            memory.keep(&judge, key, OPINION, now);
        }
        let held: usize = (memory.shards.iter())
            .map(|shard| shard.lock().expect("no panic").len())
            .sum();
        assert_eq!(held, 80);
    }

    #[test]
    fn u05_a_judge_that_is_down_is_left_alone_for_longer_each_time() {
        let (memory, judge, start) = (Memory::default(), judge(60_000, 100), Instant::now());
        for _ in 0..2 {
            memory.failed(start);
            assert!(!memory.rests(&judge, start));
        }
        let mut now = start;
        let mut rests = Vec::new();
        for _ in 0..8 {
            memory.failed(now);
            let seconds = (1..1000)
                .find(|seconds| !memory.rests(&judge, now + Duration::from_secs(*seconds)))
                .expect("it ends");
            rests.push(seconds);
            now = now + Duration::from_secs(seconds);
            // One asks; the others do not while that one waits.
            assert!(memory.rests(&judge, now));
            assert!(!memory.rests(&judge, now + judge.time));
        }
        assert_eq!(rests, [10, 20, 40, 80, 160, 300, 300, 300]);
        memory.keep(&judge, 1, OPINION, now);
        assert!(!memory.rests(&judge, now));
        memory.failed(now);
        assert!(!memory.rests(&judge, now));
    }
}
