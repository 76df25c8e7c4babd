//! By the quality of tool calls (openrouter.md section 3.5).
//!
//! **Tiers.** Endpoints are good, or have too little data (fewer than 100 requests in half an hour, or fewer than 200 answers with tool
//! calls in two hours), or are put behind: their speed is below the median by more than one and a half standard deviations, or their share
//! of right calls by more than two. The deviation is estimated from the median of absolute deviations, which a single bad endpoint does
//! not move. Each comparison needs four endpoints with data; where there are fewer, nobody is put anywhere, because the tiers would
//! only keep the traffic with whoever had it first.
//!
//! Tiers are used by themselves when a request has tools and nobody has said how to order, and then the policy decides within them.
//! Under `sort: "exacto"` and `:exacto` the share of right calls decides within them, and then speed.
//!
//! OpenRouter also compares benchmarks that it runs against each provider; the gateway runs none.

use smallvec::SmallVec;

use crate::route::rank::Entry;

/// Endpoints of one group that are compared; further ones count as good.
pub(crate) const GROUP_MAX: usize = 64;

/// Endpoints with data that a comparison needs.
pub(crate) const PEERS_MIN: usize = 4;

const REQUESTS_MIN: u32 = 100;
const TOOL_ANSWERS_MIN: u32 = 200;

const GOOD: u8 = 0;
const UNKNOWN: u8 = 1;
const BEHIND: u8 = 2;

/// Finds the tier of each endpoint of a group.
pub(crate) fn tiers(group: &[Entry<'_>], tiers: &mut [u8; GROUP_MAX]) {
    let has_data = |entry: &Entry<'_>| {
        let calls = entry.endpoint.statistics.calls();
        calls.requests >= REQUESTS_MIN && calls.answers >= TOOL_ANSWERS_MIN
    };
    let known = || group.iter().take(GROUP_MAX).filter(|entry| has_data(entry));
    if known().count() < PEERS_MIN {
        return;
    }
    let speed = |entry: &Entry<'_>| entry.endpoint.statistics.median_speed().map(f64::from);
    let slow = cutoff(known().filter_map(speed), 1.5);
    let wrong = cutoff(known().map(right_share), 2.0);
    for (entry, tier) in group.iter().zip(tiers) {
        let is_below = |value: Option<f64>, cutoff: Option<f64>| match (value, cutoff) {
            (Some(value), Some(cutoff)) => value < cutoff,
            _ => false,
        };
        *tier = match has_data(entry) {
            false => UNKNOWN,
            true if is_below(speed(entry), slow) => BEHIND,
            true if is_below(Some(right_share(entry)), wrong) => BEHIND,
            true => GOOD,
        };
    }
}

/// Scores by tier, then by the share of right calls, then by speed.
pub(crate) fn score(group: &mut [Entry<'_>]) {
    let mut found = [GOOD; GROUP_MAX];
    tiers(group, &mut found);
    for (at, entry) in group.iter_mut().enumerate() {
        let tier = found.get(at).copied().unwrap_or(GOOD);
        // In steps of a thousandth, so that speed decides between those that are equally good.
        let wrong = ((1.0 - smoothed_share(entry)) * 1000.0).round();
        let speed = entry.endpoint.statistics.median_speed();
        let speed = f64::from(speed.unwrap_or(0));
        entry.score = f64::from(tier) * 1e6 + wrong - speed / f64::from(u32::MAX);
    }
}

/// The share of answers whose tool calls were right.
fn right_share(entry: &Entry<'_>) -> f64 {
    let calls = entry.endpoint.statistics.calls();
    1.0 - f64::from(calls.errors) / f64::from(calls.answers.max(1))
}

/// The same with a few answers of the usual quality added, so that one answer decides nothing.
fn smoothed_share(entry: &Entry<'_>) -> f64 {
    const ADDED: f64 = 20.0;
    const USUAL: f64 = 0.97;
    let calls = entry.endpoint.statistics.calls();
    let (answers, errors) = (f64::from(calls.answers), f64::from(calls.errors));
    (answers - errors + ADDED * USUAL) / (answers + ADDED)
}

/// The value that lies `deviations` below the median. `None`: there are too few values.
fn cutoff(values: impl Iterator<Item = f64>, deviations: f64) -> Option<f64> {
    /// The median of absolute deviations, times this, is the standard deviation of a normal distribution.
    const TO_DEVIATION: f64 = 1.4826;
    let mut values: SmallVec<[f64; GROUP_MAX]> = values.collect();
    if values.len() < PEERS_MIN {
        return None;
    }
    let middle = median(&mut values)?;
    for value in &mut values {
        *value = (*value - middle).abs();
    }
    let spread = median(&mut values)? * TO_DEVIATION;
    Some(middle - deviations * spread)
}

fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() % 2 {
        0 => Some((values.get(half.checked_sub(1)?)? + values.get(half)?) / 2.0),
        _ => values.get(half).copied(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r31_a_cutoff_needs_four_and_one_bad_value_does_not_move_it() {
        assert_eq!(cutoff([1.0, 2.0, 3.0].into_iter(), 1.5), None);
        let good = cutoff([0.97, 0.98, 0.99, 1.0, 0.98].into_iter(), 2.0);
        let with_bad = cutoff([0.97, 0.98, 0.99, 1.0, 0.1].into_iter(), 2.0);
        assert!(
            good.is_some_and(|cutoff| (0.9..0.97).contains(&cutoff)),
            "{good:?}"
        );
        assert!(
            with_bad.is_some_and(|cutoff| (0.9..0.97).contains(&cutoff)),
            "{with_bad:?}"
        );
    }

    #[test]
    fn medians() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&mut []), None);
    }
}
