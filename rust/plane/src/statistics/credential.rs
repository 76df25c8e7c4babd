//! How much a provider's key still bears, by what the provider says in its answers.
//!
//! One [`CredentialState`] per provider and label, the same one across swaps. A key *cools* when the provider told it to come back later (429,
//! for as long as Retry-After says, at most the configured bound) or did not accept it (401, 402, 403: a minute, then two, four …): it
//! is drawn after the others. Its *headroom* is the smallest share that is left of any limit that the answers' headers name.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::breaker::Tuning;
use crate::clock::Moment;
use crate::upstream::headroom::Headroom;

/// What a 429 without a time costs at first, and at most.
const BACKOFF_MS: u64 = 1000;
const BACKOFF_MAX_MS: u64 = 30_000;
/// The same of a key that is not accepted: a person has to act, so it is asked seldom.
const REJECTED_MS: u64 = 60_000;
/// No headroom is known. Also what a headroom whose limit has been reset since is.
const UNKNOWN: u32 = u32::MAX;

/// Of one key at one provider. Moments are in milliseconds; zero is never.
#[derive(Debug)]
pub(crate) struct CredentialState {
    tuning: Arc<Tuning>,
    cooldown_until: AtomicU64,
    cooldown_set: AtomicU64,
    /// Times that it was turned away since the last success.
    streak: AtomicU32,
    /// What is left of the tightest limit, in thousandths.
    headroom: AtomicU32,
    /// When that limit is whole again.
    headroom_until: AtomicU64,
}

/// What the draw of keys sees of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct CredentialLook {
    /// Milliseconds for which it is to be left alone; zero: it may be used.
    pub(crate) cooldown_ms: u64,
    /// What is left of the tightest limit that the provider names, in thousandths. `None`: it names none.
    pub(crate) headroom_permille: Option<u16>,
}

impl CredentialLook {
    pub(crate) fn is_cooling(&self) -> bool {
        self.cooldown_ms > 0
    }
}

impl CredentialState {
    pub(super) fn new(tuning: Arc<Tuning>) -> CredentialState {
        CredentialState {
            tuning,
            cooldown_until: AtomicU64::new(0),
            cooldown_set: AtomicU64::new(0),
            streak: AtomicU32::new(0),
            headroom: AtomicU32::new(UNKNOWN),
            headroom_until: AtomicU64::new(0),
        }
    }

    /// What the draw sees at this moment.
    pub(crate) fn look(&self, now: Moment) -> CredentialLook {
        let headroom = self.headroom.load(Ordering::Relaxed);
        let known = headroom != UNKNOWN && self.headroom_until.load(Ordering::Relaxed) > now.ms();
        CredentialLook {
            cooldown_ms: self
                .cooldown_until
                .load(Ordering::Relaxed)
                .saturating_sub(now.ms()),
            headroom_permille: known.then_some(headroom.min(1000) as u16),
        }
    }

    /// Told to come back later, after `retry_after_ms` if that was said.
    pub(crate) fn limited(&self, retry_after_ms: Option<u64>, now: Moment) {
        let streak = self.streak.fetch_add(1, Ordering::Relaxed).min(16);
        let for_ms = retry_after_ms.unwrap_or_else(|| (BACKOFF_MS << streak).min(BACKOFF_MAX_MS));
        self.cool(for_ms, now);
    }

    /// Not accepted.
    pub(crate) fn rejected(&self, now: Moment) {
        let streak = self.streak.fetch_add(1, Ordering::Relaxed).min(16);
        self.cool(REJECTED_MS << streak, now);
    }

    /// It is to be left alone for this time.
    pub(super) fn cool(&self, for_ms: u64, now: Moment) {
        let for_ms = for_ms.min(self.tuning.cooldown_max_ms.load(Ordering::Relaxed));
        if for_ms > 0 {
            self.cooldown_set.store(now.ms(), Ordering::Relaxed);
            self.cooldown_until
                .fetch_max(now.ms() + for_ms, Ordering::Relaxed);
        }
    }

    /// A request that had begun at `began` was served with it.
    pub(crate) fn served(&self, began: Moment) {
        if self.streak.load(Ordering::Relaxed) != 0
            && self.cooldown_set.load(Ordering::Relaxed) <= began.ms()
        {
            self.streak.store(0, Ordering::Relaxed);
            self.cooldown_until.store(0, Ordering::Relaxed);
        }
    }

    /// What the head of an answer says about limits.
    pub(crate) fn heard(&self, headroom: &Headroom, now: Moment) {
        let Some((permille, reset_ms)) = headroom.tightest(now) else {
            return;
        };
        self.headroom.store(permille, Ordering::Relaxed);
        self.headroom_until
            .store(now.ms() + reset_ms, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Moment {
        Moment::of_ms(1_800_000_000_000 + ms)
    }

    fn state() -> CredentialState {
        CredentialState::new(Arc::default())
    }

    #[test]
    fn a_key_cools_for_as_long_as_it_was_told_within_the_bound() {
        let state = state();
        state.limited(Some(7000), at(0));
        assert_eq!(state.look(at(0)).cooldown_ms, 7000);
        assert!(state.look(at(6999)).is_cooling() && !state.look(at(7000)).is_cooling());
        state.limited(Some(86_400_000), at(0));
        assert_eq!(state.look(at(0)).cooldown_ms, 600_000);
    }

    #[test]
    fn without_a_time_it_cools_longer_each_time() {
        let state = state();
        let mut times = Vec::new();
        for _ in 0..7 {
            state.limited(None, at(0));
            times.push(state.look(at(0)).cooldown_ms);
        }
        assert_eq!(times, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
    }

    #[test]
    fn a_key_that_is_not_accepted_cools_for_minutes() {
        let state = state();
        state.rejected(at(0));
        assert_eq!(state.look(at(0)).cooldown_ms, 60_000);
        state.rejected(at(0));
        assert_eq!(state.look(at(0)).cooldown_ms, 120_000);
    }

    #[test]
    fn only_a_success_that_began_later_ends_it() {
        let state = state();
        state.limited(Some(7000), at(100));
        state.served(at(50));
        assert!(state.look(at(200)).is_cooling());
        state.served(at(150));
        assert!(!state.look(at(200)).is_cooling());
        state.limited(None, at(300));
        assert_eq!(state.look(at(300)).cooldown_ms, 1000, "it begins anew");
    }
}
