//! `openrouter/pareto-code`: the cheapest model that programs well enough.
//!
//! The models with a score for programming above the median of all that can do what is asked are parted into thirds. A
//! `min_coding_score` of 0.66 and more means the best third, of 0.33 and more the next, anything below the last. In its third the
//! cheapest is used, and the two next cheapest are there for when it fails. An empty third gives way to its neighbour, the better one
//! first.
//!
//! With `max_price` the thirds do not matter: of the models at or below it the best of the frontier is used (those than which no
//! cheaper one is as good), then the cheaper ones of the frontier, then the others, the best first.

use std::cmp::Reverse;

use turnout_wire::classify::Field;
use turnout_wire::plugin::ParetoRouter;
use turnout_wire::refusal::Refusal;

use super::{Choice, Expanded, Said, Strategy, Turn};

/// The first and two more.
const TRIED: usize = 3;

pub(super) fn choose<'a>(turn: &Turn<'_, 'a>) -> Result<Expanded<'a>, Refusal> {
    let said = ParetoRouter::read(turn.asking.request.asked(), "pareto-router")?;
    let coders: Vec<Coder<'a>> = turn
        .able(None, &Said::default(), false)
        .into_iter()
        .filter_map(|choice| {
            Some(Coder {
                score: choice.score(Field::Coding)?,
                price: choice.prompt_price,
                choice,
            })
        })
        .collect();
    let from = coders.len();
    let wanted = said
        .coding_score_min
        .unwrap_or(turn.router.coding_score_min);
    let chosen = match said.max_price {
        Some(cap) => below(coders, cap),
        None => third(coders, wanted),
    };
    if chosen.is_empty() {
        return Err(turn.nothing());
    }
    let may: Vec<&'a Choice> = chosen.into_iter().map(|coder| coder.choice).collect();
    let mut chosen = may.clone();
    chosen.truncate(TRIED);
    turn.keep(&mut chosen, &may);
    chosen.truncate(TRIED);
    Ok(turn.chosen(
        Strategy::Pareto,
        "pareto-router",
        &chosen,
        from,
        || match said.max_price {
            Some(cap) => (
                "The best below the price".to_owned(),
                format!("\"max_price_nano\":{cap},"),
            ),
            None => (
                "The cheapest of its third".to_owned(),
                format!("\"min_coding_score_permille\":{wanted},"),
            ),
        },
    ))
}

/// A model with a score for programming.
#[derive(Clone, Copy)]
struct Coder<'a> {
    score: u16,
    /// Of tokens that are read.
    price: u64,
    choice: &'a Choice,
}

/// The models of the third that the score means, the cheapest first.
fn third(mut coders: Vec<Coder<'_>>, wanted: u16) -> Vec<Coder<'_>> {
    coders.sort_by_key(|coder| (Reverse(coder.score), coder.price));
    // The upper half; of one model that one.
    coders.truncate(coders.len().div_ceil(2));
    let count = coders.len();
    let of = |third: usize| count * third / 3..count * (third + 1) / 3;
    let order = match wanted {
        660.. => [0, 1, 2],
        330.. => [1, 0, 2],
        _ => [2, 1, 0],
    };
    let range = order.into_iter().map(of).find(|range| !range.is_empty());
    let mut chosen = (range.and_then(|range| coders.get(range)))
        .unwrap_or_default()
        .to_vec();
    chosen.sort_by_key(|coder| (coder.price, Reverse(coder.score)));
    chosen
}

/// The models at or below a price: the frontier from its best down, then the others.
fn below(mut coders: Vec<Coder<'_>>, cap: u64) -> Vec<Coder<'_>> {
    coders.sort_by_key(|coder| (coder.price, Reverse(coder.score)));
    let mut best = None;
    let (mut frontier, mut others) = (Vec::new(), Vec::new());
    for coder in coders.into_iter().filter(|coder| coder.price <= cap) {
        if best.is_none_or(|best| coder.score > best) {
            best = Some(coder.score);
            frontier.push(coder);
        } else {
            others.push(coder);
        }
    }
    frontier.reverse();
    others.sort_by_key(|coder| (Reverse(coder.score), coder.price));
    frontier.extend(others);
    frontier
}
