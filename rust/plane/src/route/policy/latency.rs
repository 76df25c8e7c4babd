//! By latency: the shortest time to the first token first, by the median of the last minutes. An endpoint that has not shown it is behind
//! those that have.

use crate::route::rank::Entry;

/// Scores by the median time to the first token.
pub(crate) fn score(group: &mut [Entry<'_>]) {
    for entry in group {
        let median = entry.endpoint.statistics.median_ttft_us();
        entry.score = median.map_or(f64::INFINITY, f64::from);
    }
}
