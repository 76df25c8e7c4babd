//! In which order the endpoints that may serve are tried.
//!
//! From the strongest to the weakest:
//!
//! 1. Endpoints that rest (they asked to be left alone, or their breaker is open) are last of all, and still there.
//! 2. Models in the order in which they are named, unless `sort.partition` is `none`.
//! 3. Those that `order` names, as it names them.
//! 4. The tier of service that is asked for.
//! 5. Those that did not just fail; those with a good uptime; those whose context is surely long enough; those that reach the wished
//!    speed (`preferred_min_throughput`, `preferred_max_latency`). Of an endpoint of which nothing is known it is taken to be good:
//!    otherwise it would never show what it is.
//! 6. With tools, those that call them well ([`exacto`](super::policy::exacto)), unless somebody has said how to order.
//! 7. The policy's score ([`policy`](super::policy)), and among equals the configuration's order.
//!
//! All of this is packed into one number for each endpoint, and the numbers are sorted. Every endpoint of a model is looked at for every
//! request for it, so what is kept of one is small, nothing is allocated for as many as anybody has ([`INLINE`]), and of its statistics only
//! that is read which the policy and the request ask about.

use smallvec::SmallVec;
use turnout_wire::dialect::Op;
use turnout_wire::parameter::Parameter;
use turnout_wire::preferences::Preferences;

use super::filter::{Filter, Passed};
use super::name::Names;
use super::policy::{self, Chosen, Policy, exacto};
use super::tier::Asked;
use super::{Asking, Candidate};
use crate::clock::Moment;
use crate::snapshot::{Endpoint, Provider};
use crate::statistics::{Standing, Statistics, Uptime};

/// [`Entry::place`] of an endpoint that `order` does not name. A list has at most 64 names.
pub(crate) const UNLISTED: u8 = u8::MAX;

/// Endpoints that are ranked without an allocation: five models with twenty each, and some. They take 6 KB of the stack.
const INLINE: usize = 128;

/// An endpoint that may serve, while its place is decided.
pub(crate) struct Entry<'a> {
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) provider: &'a Provider,
    /// What the policy compares; less is better.
    pub(crate) score: f64,
    /// Which of the wanted models it is an endpoint of.
    pub(crate) model: u16,
    pub(crate) wire_index: u8,
    pub(crate) op: Op,
    /// Where `order` has it; [`UNLISTED`]: nowhere.
    place: u8,
    /// The conversation may be too long for it.
    doubtful: bool,
}

impl<'a> Entry<'a> {
    pub(crate) fn new(
        endpoint: &'a Endpoint,
        provider: &'a Provider,
        model: u16,
        passed: Passed,
    ) -> Entry<'a> {
        Entry {
            endpoint,
            provider,
            score: 0.0,
            model,
            wire_index: passed.wire_index,
            op: passed.op,
            place: passed.place,
            doubtful: passed.doubtful,
        }
    }
}

/// Endpoints that may serve.
pub(crate) type Entries<'a> = SmallVec<[Entry<'a>; INLINE]>;

/// What an entry is sorted by, from the highest bit: resting 1, model 8, place 8, tier 1, class 6, quality 2, score 64, index 16.
type Key = u128;

/// The order in which entries are tried.
pub(crate) type Order = SmallVec<[Key; INLINE]>;

/// Where the next in order stands among the entries.
pub(crate) fn index_of(key: Key) -> usize {
    usize::from(key as u16)
}

const INDEX_BITS: u32 = 16;
const SCORE_BITS: u32 = 64;
const CLASS_SHIFT: u32 = 2;
/// Within the class, from its lowest bit: too slow 1, doubtful 1, uptime 2, failing 1.
const DOUBTFUL_SHIFT: u32 = CLASS_SHIFT + 1;
const UPTIME_SHIFT: u32 = CLASS_SHIFT + 2;
const FAILING_SHIFT: u32 = CLASS_SHIFT + 4;
const TIER_SHIFT: u32 = CLASS_SHIFT + 6;
const PLACE_SHIFT: u32 = TIER_SHIFT + 1;
const MODEL_SHIFT: u32 = PLACE_SHIFT + 8;
const REST_SHIFT: u32 = MODEL_SHIFT + 8;
/// Where all of the above begins, which is put together as a number of half the width.
const UPPER_SHIFT: u32 = INDEX_BITS + SCORE_BITS;

/// Finds the order in which entries are tried; `keys` is empty before.
pub(crate) fn rank(
    asking: &Asking<'_>,
    names: &Names<'_>,
    filter: &mut Filter<'_, '_>,
    entries: &mut Entries<'_>,
    keys: &mut Order,
) {
    if entries.len() < 2 && asking.trace.is_none() {
        keys.extend(entries.iter().map(|_| 0));
        return;
    }
    // One look at the clock is enough for all of them.
    let now = Moment::now();
    let preferences = asking.request.preferences();
    let across = preferences.is_some_and(|preferences| preferences.across_models);
    let wishes = preferences.filter(|wishes| wishes_speed(wishes));
    keys.reserve(entries.len());
    let mut start = 0;
    while let Some(first) = entries.get(start) {
        let model = first.model;
        let length = match across {
            true => entries.len() - start,
            false => (entries.iter().skip(start))
                .take_while(|entry| entry.model == model)
                .count(),
        };
        let Some(group) = entries.get_mut(start..start + length) else {
            break;
        };
        let wanted = names.wanted.get(usize::from(model));
        let chosen = Chosen::of(
            asking,
            wanted.and_then(|wanted| wanted.shortcut),
            filter.tier,
        );
        if let Some(wanted) = wanted {
            asking.note(|trace| trace.policy(wanted.slug, chosen.policy.name(), chosen.from));
        }
        let mut quality = [0u8; exacto::GROUP_MAX];
        if !chosen.is_explicit
            && group.len() >= exacto::PEERS_MIN
            && filter.needs().has(Parameter::Tools)
        {
            exacto::tiers(group, &mut quality);
        }
        policy::score(
            chosen.policy,
            &mut *group,
            &asking.snapshot.routing.adaptive,
        );
        if filter.tier == Asked::Priority && !chosen.is_explicit {
            policy::throughput::score(
                (group.iter_mut()).filter(|entry| entry.endpoint.service_tier.is_some()),
            );
        }
        let common = Common {
            across,
            tier: filter.tier,
            // That order wants to know nothing. Adaptive prices failures as well, but what fails now is worth no guess at its price:
            // without this it fails its clients twice as often in an outage (docs/simulation.md).
            by_health: chosen.policy != Policy::Order,
            wishes,
        };
        for (at, entry) in group.iter().enumerate() {
            let quality = quality.get(at).copied().unwrap_or(0);
            let standing = entry.endpoint.statistics.standing(now);
            keys.push(common.key(entry, start + at, quality, standing));
        }
        start += length;
    }
    keys.sort_unstable();
    let policy_of = |entry: &Entry<'_>| {
        let wanted = names.wanted.get(usize::from(entry.model));
        let shortcut = wanted.and_then(|wanted| wanted.shortcut);
        Chosen::of(asking, shortcut, filter.tier).policy
    };
    if entries.first().map(policy_of) == Some(Policy::LeastBusy) {
        policy::least_busy::choose(keys, UPPER_SHIFT, |key| {
            let entry = entries.get(index_of(key));
            let entry = entry.filter(|entry| policy_of(entry) == Policy::LeastBusy);
            entry.map_or(0, |entry| entry.endpoint.statistics.in_flight())
        });
    }
    asking.note(|trace| {
        for key in keys.iter() {
            let Some(entry) = entries.get(index_of(*key)) else {
                continue;
            };
            if let Some(wanted) = names.wanted.get(usize::from(entry.model)) {
                trace.ranked(
                    wanted.slug,
                    entry.provider,
                    entry.endpoint,
                    entry.score,
                    group_name(*key),
                    entry.endpoint.statistics.look_at(now),
                );
            }
        }
    });
}

/// Keeps the first endpoint of each model, or of all together, for a client that wants no fallbacks and gave no order. `candidates`: in the
/// order in which they would be tried, conversations included.
pub(super) fn without_fallbacks(preferences: &Preferences, candidates: &mut Vec<Candidate<'_>>) {
    if preferences.allow_fallbacks || !preferences.order.is_empty() {
        return;
    }
    match preferences.across_models {
        true => candidates.truncate(1),
        false => candidates.dedup_by_key(|candidate| candidate.slug),
    }
}

/// What the keys of a group have in common.
struct Common<'a> {
    /// The endpoints of all models are ordered together.
    across: bool,
    tier: Asked,
    /// What fails stands behind what does not.
    by_health: bool,
    /// The request's preferences, where they wish for speed.
    wishes: Option<&'a Preferences>,
}

impl Common<'_> {
    fn key(&self, entry: &Entry<'_>, index: usize, quality: u8, standing: Standing) -> Key {
        let bit = |is: bool, shift: u32| u64::from(is) << shift;
        let model = match self.across {
            true => 0,
            false => entry.model.min(0xff),
        };
        let health = match self.by_health {
            true => {
                bit(standing.is_failing, FAILING_SHIFT) | ((standing.uptime as u64) << UPTIME_SHIFT)
            }
            false => 0,
        };
        let statistics = &entry.endpoint.statistics;
        let is_slow = (self.wishes).is_some_and(|wishes| !is_fast_enough(statistics, wishes));
        let is_other_tier = self.tier == Asked::Priority && entry.endpoint.service_tier.is_none();
        let upper = bit(standing.is_resting, REST_SHIFT)
            | (u64::from(model) << MODEL_SHIFT)
            | (u64::from(entry.place) << PLACE_SHIFT)
            | bit(is_other_tier, TIER_SHIFT)
            | health
            | bit(entry.doubtful, DOUBTFUL_SHIFT)
            | bit(is_slow, CLASS_SHIFT)
            | u64::from(quality.min(3));
        (Key::from(upper) << UPPER_SHIFT)
            | (Key::from(sortable(entry.score)) << INDEX_BITS)
            | (index.min(0xffff) as Key)
    }
}

/// Whether anything is said about speed.
fn wishes_speed(wishes: &Preferences) -> bool {
    wishes.throughput_min != [0; 4] || wishes.latency_max_us != [u32::MAX; 4]
}

/// Whether an endpoint reaches the speed that is wished, as far as it is known.
fn is_fast_enough(statistics: &Statistics, wishes: &Preferences) -> bool {
    reaches(statistics.speed(), statistics.ttft_us(), wishes)
}

fn reaches(speed: Option<[u32; 4]>, ttft_us: Option<[u32; 4]>, wishes: &Preferences) -> bool {
    let is_slow = |speed: [u32; 4]| {
        let mut pairs = speed.iter().zip(&wishes.throughput_min);
        pairs.any(|(speed, min)| speed < min)
    };
    let is_late = |ttft_us: [u32; 4]| {
        let mut pairs = ttft_us.iter().zip(&wishes.latency_max_us);
        pairs.any(|(ttft_us, max)| ttft_us > max)
    };
    !speed.is_some_and(is_slow) && !ttft_us.is_some_and(is_late)
}

/// A score as bits that sort as it does.
fn sortable(score: f64) -> u64 {
    let bits = score.to_bits();
    match bits >> 63 {
        0 => bits | 1 << 63,
        _ => !bits,
    }
}

/// What an entry's class is called where the decision is explained.
fn group_name(key: Key) -> &'static str {
    let upper = (key >> UPPER_SHIFT) as u64;
    let has = |shift: u32| upper >> shift & 1 == 1;
    let uptime = upper >> UPTIME_SHIFT & 3;
    match (upper >> PLACE_SHIFT) as u8 {
        _ if has(REST_SHIFT) => "resting",
        place if place != UNLISTED => "listed",
        _ if has(FAILING_SHIFT) => "failing",
        _ if uptime == Uptime::Fallback as u64 => "fallback",
        _ if uptime == Uptime::Lower as u64 => "lower",
        _ => "normal",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_sort_as_numbers_do() {
        let scores = [
            f64::NEG_INFINITY,
            -2.0,
            -0.5,
            0.0,
            1e-300,
            1.0,
            7e12,
            f64::INFINITY,
        ];
        assert!(scores.is_sorted_by_key(|score| sortable(*score)));
    }

    #[test]
    fn r17_r18_all_cutoffs_must_hold_and_the_unknown_passes() {
        let mut wishes = Preferences {
            throughput_min: [50_000, 0, 10_000, 0],
            latency_max_us: [u32::MAX, u32::MAX, u32::MAX, 2_000_000],
            ..Preferences::default()
        };
        assert!(wishes_speed(&wishes) && !wishes_speed(&Preferences::default()));
        assert!(reaches(None, None, &wishes));
        let speed = Some([50_000, 40_000, 10_000, 1]);
        assert!(reaches(speed, Some([1, 2, 3, 2_000_000]), &wishes));
        assert!(!reaches(speed, Some([1, 2, 3, 2_000_001]), &wishes));
        assert!(!reaches(Some([50_000, 40_000, 9_999, 1]), None, &wishes));
        wishes.throughput_min = [0; 4];
        assert!(reaches(Some([1; 4]), None, &wishes));
    }
}
