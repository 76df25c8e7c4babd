//! By the weights of the configuration: an endpoint serves in proportion to its `weight`. One of weight 0 is never first while another can
//! serve.

use super::drawn;
use crate::route::rank::Entry;

/// Scores by a draw.
pub(crate) fn draw(group: &mut [Entry<'_>]) {
    let mut rng = fastrand::Rng::new();
    for entry in group {
        entry.score = drawn(&mut rng, f64::from(entry.endpoint.weight));
    }
}
