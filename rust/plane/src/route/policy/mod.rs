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
        // Drawn evenly; who of two neighbours is busier is looked at when they are in order.
        Policy::LeastBusy => group.iter_mut().for_each(|entry| entry.score = drawn(1.0)),
        Policy::Order => {}
    }
}

/// A draw from the exponential distribution of this rate: the less, the earlier. A weight of zero never comes first.
pub(crate) fn drawn(weight: f64) -> f64 {
    // `1 - f64()` is never zero, so its logarithm is finite.
    -(1.0 - fastrand::f64()).ln() / weight
}
