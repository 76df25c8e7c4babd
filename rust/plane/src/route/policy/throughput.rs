//! By speed: the most output tokens a second first, by the median of the last minutes. An endpoint that has not shown its speed is behind
//! those that have.

use crate::route::rank::Entry;

/// Scores by the median speed.
pub(crate) fn score<'e, 'a: 'e>(entries: impl Iterator<Item = &'e mut Entry<'a>>) {
    for entry in entries {
        let median = entry.endpoint.statistics.median_speed();
        entry.score = median.map_or(f64::INFINITY, |speed| -f64::from(speed));
    }
}
