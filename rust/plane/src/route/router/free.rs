//! `openrouter/free`: a model that costs nothing and can do what is asked, drawn at random.
//!
//! Every such model is as likely as any other, and those that are tried when the first one fails are drawn as well: free endpoints
//! have low limits, and this is how they share the load.

use turnout_wire::refusal::Refusal;

use super::{Expanded, MODELS_MAX, Said, Strategy, Turn};

pub(super) fn choose<'a>(turn: &Turn<'_, 'a>) -> Result<Expanded<'a>, Refusal> {
    let mut able = turn.able(None, &Said::default(), true);
    able.retain(|choice| choice.is_free);
    if able.is_empty() {
        return Err(turn.nothing());
    }
    let from = able.len();
    let all = able.clone();
    // The first steps of a shuffle: no more is needed.
    for at in 0..from.min(MODELS_MAX) {
        able.swap(at, fastrand::usize(at..from));
    }
    able.truncate(MODELS_MAX);
    turn.keep(&mut able, &all);
    Ok(turn.chosen(Strategy::Free, "free-router", &able, from, || {
        (format!("Drawn from {from} free models"), String::new())
    }))
}
