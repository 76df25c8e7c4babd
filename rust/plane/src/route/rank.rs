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
//! All of this is packed into one number for each endpoint, and the numbers are sorted.

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
use crate::statistics::Look;

/// [`Entry::place`] of an endpoint that `order` does not name.
pub(crate) const UNLISTED: usize = usize::MAX;

/// Endpoints that are ranked without an allocation.
const INLINE: usize = 24;

/// An endpoint that may serve, while its place is decided.
pub(crate) struct Entry<'a> {
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) provider: &'a Provider,
    /// Which of the wanted models it is an endpoint of.
    pub(crate) model: usize,
    pub(crate) wire_index: usize,
    pub(crate) op: Op,
    /// Where `order` has it; [`UNLISTED`]: nowhere.
    place: usize,
    /// The conversation may be too long for it.
    doubtful: bool,
    /// What is known of it; nothing until it is ranked.
    pub(crate) look: Look,
    /// What the policy compares; less is better.
    pub(crate) score: f64,
}

impl<'a> Entry<'a> {
    pub(crate) fn new(
        endpoint: &'a Endpoint,
        provider: &'a Provider,
        model: usize,
        passed: Passed,
    ) -> Entry<'a> {
        Entry {
            endpoint,
            provider,
            model,
            wire_index: passed.wire_index,
            op: passed.op,
            place: passed.place,
            doubtful: passed.doubtful,
            look: Look::default(),
            score: 0.0,
        }
    }

    /// The blended price; `None`: not known.
    pub(crate) fn price(&self) -> Option<u64> {
        let prices = self.endpoint.prices.as_ref()?;
        Some(prices.blended())
    }
}

/// Endpoints that may serve.
pub(crate) type Entries<'a> = SmallVec<[Entry<'a>; INLINE]>;

/// What an entry is sorted by, from the highest bit: resting 1, model 8, place 8, tier 1, class 6, quality 2, score 64, index 16.
type Key = u128;

const INDEX_BITS: u32 = 16;
const SCORE_BITS: u32 = 64;
const QUALITY_SHIFT: u32 = INDEX_BITS + SCORE_BITS;
const CLASS_SHIFT: u32 = QUALITY_SHIFT + 2;
const TIER_SHIFT: u32 = CLASS_SHIFT + 6;
const PLACE_SHIFT: u32 = TIER_SHIFT + 1;
const MODEL_SHIFT: u32 = PLACE_SHIFT + 8;
const REST_SHIFT: u32 = MODEL_SHIFT + 8;

/// The order in which entries are tried, as indices into them. Those that no fallback may reach are not among them.
pub(crate) fn rank(
    asking: &Asking<'_>,
    names: &Names<'_>,
    filter: &mut Filter<'_, '_>,
    entries: &mut Entries<'_>,
) -> SmallVec<[u16; INLINE]> {
    if entries.len() < 2 && asking.trace.is_none() {
        return (0..).take(entries.len()).collect();
    }
    // One look at the clock is enough for all of them.
    let now = Moment::now();
    for entry in entries.iter_mut() {
        entry.look = entry.endpoint.statistics.look_at(now);
    }
    let preferences = asking.request.preferences();
    let across = preferences.is_some_and(|preferences| preferences.across_models);
    let mut keys: SmallVec<[Key; INLINE]> = SmallVec::with_capacity(entries.len());
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
        let wanted = names.wanted.get(model);
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
        for (at, entry) in group.iter().enumerate() {
            let quality = quality.get(at).copied().unwrap_or(0);
            let index = start + at;
            keys.push(key(
                entry,
                index,
                quality,
                across,
                filter.tier,
                chosen.policy,
                preferences,
            ));
        }
        start += length;
    }
    keys.sort_unstable();
    let policy_of = |entry: &Entry<'_>| {
        let shortcut = names
            .wanted
            .get(entry.model)
            .and_then(|wanted| wanted.shortcut);
        Chosen::of(asking, shortcut, filter.tier).policy
    };
    if entries.first().map(policy_of) == Some(Policy::LeastBusy) {
        policy::least_busy::choose(&mut keys, QUALITY_SHIFT, |key| {
            let entry = entries.get(index_of(key));
            let entry = entry.filter(|entry| policy_of(entry) == Policy::LeastBusy);
            entry.map_or(0, |entry| entry.look.in_flight)
        });
    }
    asking.note(|trace| {
        for entry in keys.iter().filter_map(|key| entries.get(index_of(*key))) {
            if let Some(wanted) = names.wanted.get(entry.model) {
                let group = group_name(entry);
                trace.ranked(
                    wanted.slug,
                    entry.provider,
                    entry.endpoint,
                    entry.score,
                    group,
                    entry.look,
                );
            }
        }
    });
    keys.iter().map(|key| index_of(*key) as u16).collect()
}

fn index_of(key: Key) -> usize {
    usize::from(key as u16)
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

fn key(
    entry: &Entry<'_>,
    index: usize,
    quality: u8,
    across: bool,
    tier: Asked,
    policy: Policy,
    preferences: Option<&Preferences>,
) -> Key {
    let look = &entry.look;
    let bit = |is: bool, shift: u32| Key::from(is) << shift;
    let model = match across {
        true => 0,
        false => entry.model.min(0xff),
    };
    // That order wants to know nothing. Adaptive prices failures as well, but what fails now is worth no guess at its price: without this
    // it fails its clients twice as often in an outage (docs/simulation.md).
    let health = match policy {
        Policy::Order => 0,
        _ => bit(look.is_failing, 4) | ((look.uptime as Key) << 2),
    };
    let class = health
        | bit(entry.doubtful, 1)
        | bit(
            preferences.is_some_and(|wishes| !is_fast_enough(look, wishes)),
            0,
        );
    let is_other_tier = tier == Asked::Priority && entry.endpoint.service_tier.is_none();
    bit(look.is_resting, REST_SHIFT)
        | ((model as Key) << MODEL_SHIFT)
        | ((entry.place.min(0xff) as Key) << PLACE_SHIFT)
        | bit(is_other_tier, TIER_SHIFT)
        | (class << CLASS_SHIFT)
        | (Key::from(quality.min(3)) << QUALITY_SHIFT)
        | (Key::from(sortable(entry.score)) << INDEX_BITS)
        | (index.min(0xffff) as Key)
}

/// Whether an endpoint reaches the speed that is wished, as far as it is known.
fn is_fast_enough(look: &Look, wishes: &Preferences) -> bool {
    let is_slow = |speed: [u32; 4]| {
        let mut pairs = speed.iter().zip(&wishes.throughput_min);
        pairs.any(|(speed, min)| speed < min)
    };
    let is_late = |ttft_us: [u32; 4]| {
        let mut pairs = ttft_us.iter().zip(&wishes.latency_max_us);
        pairs.any(|(ttft_us, max)| ttft_us > max)
    };
    !look.speed.is_some_and(is_slow) && !look.ttft_us.is_some_and(is_late)
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
fn group_name(entry: &Entry<'_>) -> &'static str {
    use crate::statistics::Uptime;
    match (&entry.look, entry.place) {
        (look, _) if look.is_resting => "resting",
        (_, place) if place != UNLISTED => "listed",
        (look, _) if look.is_failing => "failing",
        (look, _) if look.uptime == Uptime::Fallback => "fallback",
        (look, _) if look.uptime == Uptime::Lower => "lower",
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
        let look = |speed, ttft_us| Look {
            speed,
            ttft_us,
            ..Look::default()
        };
        assert!(is_fast_enough(&look(None, None), &wishes));
        let speed = Some([50_000, 40_000, 10_000, 1]);
        assert!(is_fast_enough(
            &look(speed, Some([1, 2, 3, 2_000_000])),
            &wishes
        ));
        assert!(!is_fast_enough(
            &look(speed, Some([1, 2, 3, 2_000_001])),
            &wishes
        ));
        assert!(!is_fast_enough(
            &look(Some([50_000, 40_000, 9_999, 1]), None),
            &wishes
        ));
        wishes.throughput_min = [0; 4];
        assert!(is_fast_enough(&look(Some([1; 4]), None), &wishes));
    }
}
