//! By price (openrouter.md section 3.2): an endpoint is drawn with a weight of one over the square of its price, so that the cheapest
//! serves most and the others some. Under `provider.sort: "price"`, and `:floor`, the cheapest is first without a draw.
//!
//! The price is a blend of three tokens that are read and one that is written, the usual mix of chats; what has no price per token
//! is compared by what it has ([`Prices::blended`](turnout_wire::cost::Prices::blended)). What is free comes first, drawn evenly. An
//! endpoint whose price is not known is taken for as dear as the dearest, so that it serves without being favoured.

use super::drawn;
use crate::route::rank::Entry;

/// Scores by a draw.
pub(crate) fn draw(group: &mut [Entry<'_>]) {
    let prices = group.iter().map(|entry| entry.endpoint.price);
    let dearest = prices.max().flatten().unwrap_or(1);
    let mut rng = fastrand::Rng::new();
    for entry in group {
        let draw = drawn(&mut rng, 1.0);
        entry.score = match entry.endpoint.price.unwrap_or(dearest) {
            // Below every score that a price can give, and still drawn.
            0 => -1.0 / (1.0 + draw),
            price => draw * (price as f64) * (price as f64),
        };
    }
}

/// Scores by the price alone; what has none is last.
pub(crate) fn score(group: &mut [Entry<'_>]) {
    for entry in group {
        let price = entry.endpoint.price;
        entry.score = price.map_or(f64::INFINITY, |price| price as f64);
    }
}
