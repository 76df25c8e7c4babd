//! How endpoints that are equally good otherwise are ordered. One file each; a policy gives every endpoint of a group a score, and
//! less is better.
//!
//! Who chooses, from the strongest: the request's `provider.sort`; the suffix of the model's name (`:nitro`, `:floor`, `:exacto`); the
//! tier `flex`, which is asked for to save money; the key; the gateway; and else [`price`].
//!
//! The policies that draw do so without replacement: the score of an endpoint of weight w is a draw from the exponential distribution
//! of rate w, and the ascending order of such scores is the order of draws, one after the other, among those that are left (Efraimidis
//! and Spirakis, "Weighted random sampling with a reservoir", 2006).

pub(crate) mod adaptive;
pub(crate) mod exacto;
pub(crate) mod latency;
pub(crate) mod least_busy;
pub(crate) mod price;
pub(crate) mod throughput;
pub(crate) mod weighted;

use std::f64::consts::{LN_2, SQRT_2};

use turnout_wire::preferences::Sort;

use super::Asking;
use super::name::Shortcut;
use super::rank::Entry;
use super::tier::Asked;
use crate::snapshot::written;

/// A rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    /// Drawn by one over the square of the price.
    Price,
    /// Cheapest first, without a draw.
    Cheapest,
    Throughput,
    Latency,
    Exacto,
    Weighted,
    LeastBusy,
    Adaptive,
    /// As the configuration lists them.
    Order,
}

impl Policy {
    /// Its name where the decision is explained.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Policy::Price => "price",
            Policy::Cheapest => "cheapest",
            Policy::Throughput => "throughput",
            Policy::Latency => "latency",
            Policy::Exacto => "exacto",
            Policy::Weighted => "weighted",
            Policy::LeastBusy => "least_busy",
            Policy::Adaptive => "adaptive",
            Policy::Order => "order",
        }
    }

    /// What a request means; there is no draw in what it can ask of prices.
    const fn sorted(sort: Sort) -> Policy {
        match sort {
            Sort::Price => Policy::Cheapest,
            Sort::Throughput => Policy::Throughput,
            Sort::Latency => Policy::Latency,
            Sort::Exacto => Policy::Exacto,
            Sort::Weighted => Policy::Weighted,
            Sort::LeastBusy => Policy::LeastBusy,
            Sort::Adaptive => Policy::Adaptive,
            Sort::Order => Policy::Order,
        }
    }

    const fn configured(policy: written::Policy) -> Policy {
        match policy {
            written::Policy::Price => Policy::Price,
            written::Policy::Throughput => Policy::Throughput,
            written::Policy::Latency => Policy::Latency,
            written::Policy::Exacto => Policy::Exacto,
            written::Policy::Weighted => Policy::Weighted,
            written::Policy::LeastBusy => Policy::LeastBusy,
            written::Policy::Adaptive => Policy::Adaptive,
            written::Policy::Order => Policy::Order,
        }
    }
}

/// The rule for the endpoints of a model.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chosen {
    pub(crate) policy: Policy,
    /// Who chose it: `request`, `shortcut`, `tier`, `key`, `gateway`, `default`.
    pub(crate) from: &'static str,
    /// Somebody said how to order, so that tools change nothing.
    pub(crate) is_explicit: bool,
}

impl Chosen {
    pub(crate) fn of(asking: &Asking<'_>, shortcut: Option<Shortcut>, tier: Asked) -> Chosen {
        let explicit = |policy, from| Chosen {
            policy,
            from,
            is_explicit: true,
        };
        let preferences = asking.request.preferences();
        if let Some(sort) = preferences.and_then(|preferences| preferences.sort) {
            return explicit(Policy::sorted(sort), "request");
        }
        match shortcut {
            Some(Shortcut::Nitro) => return explicit(Policy::Throughput, "shortcut"),
            Some(Shortcut::Floor) => return explicit(Policy::Cheapest, "shortcut"),
            Some(Shortcut::Exacto) => return explicit(Policy::Exacto, "shortcut"),
            None => {}
        }
        if tier == Asked::Flex {
            return explicit(Policy::Cheapest, "tier");
        }
        let of_key = (asking.key.and_then(|key| key.wishes.as_ref())).and_then(|it| it.policy);
        if let Some(policy) = of_key {
            return explicit(Policy::configured(policy), "key");
        }
        if let Some(policy) = asking.snapshot.routing.wishes.policy {
            return explicit(Policy::configured(policy), "gateway");
        }
        Chosen {
            policy: Policy::Price,
            from: "default",
            // The rest behind an `order` is a list of fallbacks, not a choice.
            is_explicit: preferences.is_some_and(|preferences| !preferences.order.is_empty()),
        }
    }
}

/// Gives each endpoint of a group its score.
pub(crate) fn score(policy: Policy, group: &mut [Entry<'_>], rates: &written::Adaptive) {
    match policy {
        Policy::Price => price::draw(group),
        Policy::Adaptive => adaptive::draw(group, rates),
        Policy::Cheapest => price::score(group),
        Policy::Throughput => throughput::score(group.iter_mut()),
        Policy::Latency => latency::score(group),
        Policy::Exacto => exacto::score(group),
        Policy::Weighted => weighted::draw(group),
        Policy::LeastBusy => least_busy::draw(group),
        Policy::Order => {}
    }
}

/// A draw from the exponential distribution of this rate: the less, the earlier. A weight of zero never comes first. `rng`: one for the
/// whole group, because the thread's own is found anew at each draw.
fn drawn(rng: &mut fastrand::Rng, weight: f64) -> f64 {
    exponential(rng.u64(..)) / weight
}

/// The draw from the exponential distribution of rate 1 that 64 even bits mean: minus the logarithm of the number between 0 and 1 that
/// they are the fraction of. Every endpoint of every request is drawn for, and nobody needs the last digits, so this is exact to nine
/// of them and takes a third of the time of the exact logarithm.
fn exponential(bits: u64) -> f64 {
    // Zero has no logarithm.
    let bits = bits | 1;
    // The number is m / 2^(zeros + 1), m being at least 1 and less than 2; its bits are the mantissa's without the leading one.
    let zeros = bits.leading_zeros();
    let fraction = (bits << zeros << 1) >> 12;
    let m = f64::from_bits(1.0f64.to_bits() | fraction);
    // ln m = ln √2 + 2 artanh t, of whose series these terms are all that matter: t is less than 0.172.
    let t = (m - SQRT_2) / (m + SQRT_2);
    let square = t * t;
    let series =
        1.0 + square * (1.0 / 3.0 + square * (1.0 / 5.0 + square * (1.0 / 7.0 + square / 9.0)));
    // Of numbers next to 1 the error could be more than what is left.
    ((f64::from(zeros) + 0.5) * LN_2 - 2.0 * t * series).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_is_the_logarithm_of_an_even_number() {
        let mut rng = fastrand::Rng::with_seed(20);
        let drawn = (0..100_000).map(|_| rng.u64(..));
        for bits in [0, 1, 2, 3, 1 << 62, (1 << 63) - 1, 1 << 63, u64::MAX]
            .into_iter()
            .chain(drawn)
        {
            let exact = -((bits | 1) as f64 / 2f64.powi(64)).ln();
            let found = exponential(bits);
            assert!((found - exact).abs() < 2e-9, "{bits}: {found}, {exact}");
            assert!(found >= 0.0 && found.is_finite());
        }
    }

    #[test]
    fn draws_are_exponential() {
        // Ten parts in which a tenth of the draws should be each: chi-square with nine degrees of freedom, 27.88 at a thousandth.
        let mut rng = fastrand::Rng::with_seed(21);
        let mut parts = [0u32; 10];
        for _ in 0..100_000 {
            let below = 1.0 - (-drawn(&mut rng, 3.0) * 3.0).exp();
            parts[(below * 10.0) as usize % 10] += 1;
        }
        let deviation = |found: &u32| (f64::from(*found) - 10_000.0).powi(2) / 10_000.0;
        let chi_square: f64 = parts.iter().map(deviation).sum();
        assert!(chi_square < 27.88, "{chi_square}: {parts:?}");
    }
}
