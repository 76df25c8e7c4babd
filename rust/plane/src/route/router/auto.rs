//! `openrouter/auto`: a model for the task.
//!
//! 1. The request is classified ([`turnout_wire::classify`]): its task, and how much thought it takes. Where there is a judge
//!    ([`super::judge`]) it has been asked already, and its opinion takes the place of the guess.
//! 2. Of the models of the task's pool (by default all) those are left that the key, the request and the configuration allow and that
//!    can do what is asked.
//! 3. Those are laid out by price, and the fifth that `cost_tier` names is taken. Models of equal price are in one fifth. An empty
//!    fifth gives way to the next cheaper one, or else to the next dearer.
//! 4. In it they are ordered by the score that counts for the task. Where little thought is needed, any score above the median is good
//!    enough, and the cheapest comes first; where much is, models that reason get [`REASONING_BONUS`].
//! 5. The first is used, the next are there for when it fails. A fifth with fewer than [`MODELS_MAX`] is filled up from the cheaper
//!    ones, and where there is no cheaper one, from the dearer: somebody who asked for an answer should get one.
//!
//! A conversation stays with its model while that is in the fifth that is asked for ([`super::sticky`]): its prompt is in a cache there.
//!
//! A model without a score comes after those that have one, the dearer first: a price is a weak sign, and the only one left.

use std::cmp::Reverse;

use turnout_wire::classify::{Demand, Field, Guess, classify};
use turnout_wire::plugin::{AutoRouter, COST_TIERS};
use turnout_wire::refusal::Refusal;

use super::{Choice, Expanded, MODELS_MAX, Patterns, Said, Strategy, Turn, to_front};

/// What a model that reasons is worth more where much thought is needed: five points.
const REASONING_BONUS: u16 = 50;

/// What part of the models by price is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// A fifth, counted from the cheapest.
    Fifth(u8),
    /// So many percent from below: the older words of `cost_quality_tradeoff`.
    Below(u8),
}

pub(super) fn choose<'a>(turn: &Turn<'_, 'a>) -> Result<Expanded<'a>, Refusal> {
    let beta = turn.asked_as("auto-beta");
    let plugin = if beta {
        "auto-beta-router"
    } else {
        "auto-router"
    };
    let AutoRouter {
        allowed,
        excluded,
        cost_tier,
        tradeoff,
        pin_model,
    } = AutoRouter::read(turn.asking.request.asked(), plugin)?;
    let allowed = allowed.map(Patterns::new);
    let excluded = Patterns::new(excluded);
    let local = classify(turn.seen);
    let judged = turn.asking.judged;
    let guess = judged.map_or(local, |judged| judged.refine(local, turn.seen));
    let router = turn.router;
    // The request's own list is more than a default pool.
    let pool = match allowed {
        Some(_) => None,
        None => pool_of(router, &guess),
    };
    let said = Said {
        allowed: allowed.as_ref(),
        excluded: Some(&excluded),
    };
    let able = turn.able(pool, &said, false);
    if able.is_empty() {
        return Err(turn.nothing());
    }
    let part = match (cost_tier, tradeoff) {
        (Some(tier), _) => Part::Fifth(tier),
        (None, Some(tradeoff)) => Part::Below(90 - 8 * tradeoff.min(10)),
        (None, None) => Part::Fifth(router.cost_tier as u8),
    };
    let band = band(&able, part);
    let field = guess.task.map_or(Field::Intelligence, |task| task.field());
    let mut chosen = ranked(
        able.get(band.clone()).unwrap_or_default(),
        field,
        guess.demand,
    );
    chosen.truncate(MODELS_MAX);
    let cheaper = able.get(..band.start).unwrap_or_default();
    let dearer = able.get(band.end..).unwrap_or_default();
    let rest = if cheaper.is_empty() && chosen.len() == 1 {
        ranked(dearer, field, guess.demand)
    } else {
        ranked(cheaper, field, guess.demand)
    };
    chosen.extend(rest.into_iter().take(MODELS_MAX - chosen.len()));
    turn.keep(&mut chosen, able.get(band.clone()).unwrap_or_default());
    if pin_model && let Some(author) = turn.seen.author.as_deref() {
        to_front(&mut chosen, &able, turn.slug_of(author));
    }
    Ok(
        turn.chosen(Strategy::Auto, plugin, &chosen, able.len(), || {
            explanation(turn, &local, &guess, part)
        }),
    )
}

/// The configured models for a task: by its name, by its field, or those for all others.
fn pool_of<'a>(router: &'a super::Router, guess: &Guess) -> Option<&'a Patterns> {
    let pools = &router.pools;
    if pools.is_empty() {
        return None;
    }
    let name = guess.task.map_or("default", |task| task.name());
    let field = name.split(':').next().unwrap_or(name);
    (pools.get(name))
        .or_else(|| pools.get(field))
        .or_else(|| pools.get("default"))
}

/// Where the part lies among the models, which are in the order of their prices.
fn band(able: &[&Choice], part: Part) -> std::ops::Range<usize> {
    let count = able.len();
    // The first model of which at least so many percent are cheaper. Those of one price stand or fall together.
    let from = |percent: usize| {
        let mut at = 0;
        while at < count {
            let price = able[at].price;
            if at * 100 >= percent * count {
                break;
            }
            at += able[at..]
                .iter()
                .take_while(|one| one.price == price)
                .count();
        }
        at
    };
    match part {
        Part::Below(percent) => 0..from(usize::from(percent)).max(1),
        Part::Fifth(fifth) => {
            let fifth = usize::from(fifth.min(4));
            let of = |fifth: usize| match fifth {
                4 => from(80)..count,
                fifth => from(fifth * 20)..from(fifth * 20 + 20),
            };
            (0..=fifth)
                .rev()
                .chain(fifth + 1..5)
                .map(of)
                .find(|range| !range.is_empty())
                .unwrap_or(0..count)
        }
    }
}

/// The models in the order in which they are tried.
fn ranked<'a>(able: &[&'a Choice], field: Field, demand: Demand) -> Vec<&'a Choice> {
    let score = |choice: &Choice| {
        let score = choice.score(field)?;
        let bonus = demand == Demand::High && choice.reasons();
        Some(score + if bonus { REASONING_BONUS } else { 0 })
    };
    let mut scores: Vec<u16> = able.iter().filter_map(|choice| score(choice)).collect();
    scores.sort_unstable();
    let enough = match demand {
        Demand::Low => (scores.get(scores.len().saturating_sub(1) / 2))
            .copied()
            .unwrap_or(u16::MAX),
        Demand::Medium | Demand::High => u16::MAX,
    };
    let mut ranked = able.to_vec();
    ranked.sort_by_key(|choice| match score(choice) {
        Some(score) => (0, Reverse(score.min(enough)), choice.price),
        None => (1, Reverse(0), u64::MAX - choice.price),
    });
    ranked
}

/// A sentence and the members of an object that say how it came about.
fn explanation(turn: &Turn<'_, '_>, local: &Guess, guess: &Guess, part: Part) -> (String, String) {
    let task = guess.task.map(|task| task.name());
    let price = match part {
        Part::Fifth(fifth) => {
            let tier = COST_TIERS.get(usize::from(fifth)).copied().unwrap_or("max");
            format!("\"cost_tier\":\"{tier}\"")
        }
        Part::Below(percent) => format!("\"cost_percentile_max\":{percent}"),
    };
    let mut summary = match task {
        Some(task) => format!("Taken for {task}, {} % sure", guess.confidence),
        None => "No task was told; the default set was used".to_owned(),
    };
    let mut judge = String::new();
    if let Some(judged) = turn.asking.judged {
        let (model, ms) = (&judged.model, judged.took.as_millis());
        let outcome = judged.outcome.name();
        summary.push_str(&format!("; judge {model}: {outcome}, {ms} ms"));
        let local = local.task.map(|task| task.name());
        judge = format!(
            "\"judge\":{{\"model\":{},\"outcome\":\"{outcome}\",\"milliseconds\":{ms},\"guess\":{}}},",
            serde_json::Value::from(model.as_str()),
            local.map_or("null".to_owned(), |task| format!("\"{task}\"")),
        );
    }
    let members = format!(
        "\"task_type\":{},\"confidence\":{},\"demand\":\"{}\",\"script\":\"{}\",{judge}{price},",
        task.map_or("null".to_owned(), |task| format!("\"{task}\"")),
        guess.confidence,
        guess.demand.name(),
        turn.seen.script.name(),
    );
    (summary, members)
}
