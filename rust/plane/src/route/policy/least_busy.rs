//! The less busy of two drawn: two endpoints are drawn evenly, and the one with fewer requests in flight is first; the other one
//! meets the next that is drawn, and so on. That spreads load nearly as well as asking all of them, without sending everybody to the
//! same one at the same moment (Mitzenmacher, "The power of two choices in randomized load balancing", 2001).

use super::drawn;
use crate::route::rank::Entry;

/// Scores by an even draw; who of two neighbours is busier is looked at when they are in order.
pub(crate) fn draw(group: &mut [Entry<'_>]) {
    let mut rng = fastrand::Rng::new();
    for entry in group {
        entry.score = drawn(&mut rng, 1.0);
    }
}

/// Lets neighbours change places. `keys` are in the order of the draw; they may meet where all above the lowest `shift` bits is equal.
pub(crate) fn choose(keys: &mut [u128], shift: u32, in_flight: impl Fn(u128) -> u32) {
    for at in 1..keys.len() {
        let (Some(&first), Some(&second)) = (keys.get(at - 1), keys.get(at)) else {
            return;
        };
        if first >> shift == second >> shift && in_flight(second) < in_flight(first) {
            keys.swap(at - 1, at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busier_of_two_waits_and_classes_do_not_mix() {
        let busy = [9, 1, 5, 0];
        let in_flight = |key: u128| busy[(key & 3) as usize];
        // Three of one class and one of a lower, which is the least busy of all.
        let mut keys = [0, 1, 2, 0x10 | 3];
        choose(&mut keys, 4, in_flight);
        assert_eq!(keys, [1, 2, 0, 0x13]);
    }
}
