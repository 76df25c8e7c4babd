//! `GET /models` and `GET /models/{author}/{slug}`: what this key may ask for.
//!
//! The objects were written when the configuration was compiled; here they are only put together. Lists that are filtered,
//! sorted or of another API's shape are the control side's, see [`of_another_api`].

use turnout_wire::refusal::{Kind, Refusal};

use crate::authenticate::authenticate;
use crate::caller::{Caller, ReplyHead};
use crate::cors;
use crate::edge::head::{Head, Known};
use crate::snapshot::{self, Snapshot};
use crate::thread::Thread;
use crate::upstream::origin::percent_decode;

/// Whether a list or a model is wanted in Anthropic's or Google's shape: their libraries send these headers with everything.
/// `python/turnout/control/client_api.py` decides between the two.
pub(crate) fn of_another_api(head: &Head) -> bool {
    head.get(Known::AnthropicVersion).is_some() || head.get(Known::GoogApiKey).is_some()
}

/// The list, for the caller's key. Under `/api/v1` it has the models that write text, as OpenRouter's has when nothing else is
/// asked for; under `/v1` all, as OpenAI's.
pub(crate) fn list<C: Caller>(
    thread: &Thread,
    snapshot: &Snapshot,
    caller: &mut C,
) -> Result<ReplyHead, Refusal> {
    let key = authenticate(thread, snapshot, caller.head())?;
    let head = ReplyHead {
        cors_origin: cors::origin(snapshot, caller.head()),
        ..ReplyHead::json(200)
    };
    let text_only = caller.head().path_bytes().starts_with(b"/api/");
    match key {
        Some(key) if !key.allows_all() => {
            let allowed = snapshot::list(snapshot.slugs.iter().filter(|model| {
                // A router chooses among what the key may use.
                (key.allows(&model.slug) || model.router.is_some())
                    && (!text_only || model.writes_text())
            }));
            caller.out().extend_from_slice(&allowed);
        }
        _ if text_only => caller.out().extend_from_slice(&snapshot.listing_text),
        _ => caller.out().extend_from_slice(&snapshot.listing),
    }
    Ok(head)
}

/// One model, by its slug or an alias, percent-encoded or not.
pub(crate) fn one<C: Caller>(
    thread: &Thread,
    snapshot: &Snapshot,
    caller: &mut C,
) -> Result<ReplyHead, Refusal> {
    let key = authenticate(thread, snapshot, caller.head())?;
    let path = caller.head().path();
    let name = path.split_once("/models/").map_or("", |(_, name)| name);
    let name = String::from_utf8(percent_decode(name)).unwrap_or_default();
    let missing = || {
        let near = snapshot.near(&name);
        let hint = if near.is_empty() {
            String::new()
        } else {
            format!("; near names: {}", near.join(", "))
        };
        Err(Refusal::new(Kind::NotFound).with_message(format!(
            "There is no model {name:?}{hint}; GET /v1/models lists all"
        )))
    };
    let Some(model) = snapshot.model(&name) else {
        return missing();
    };
    // A model that the key may not use does not exist for it.
    if model.router.is_none() && key.is_some_and(|key| !key.allows(&model.slug)) {
        return missing();
    }
    let head = ReplyHead {
        cors_origin: cors::origin(snapshot, caller.head()),
        ..ReplyHead::json(200)
    };
    caller.out().extend_from_slice(model.card.as_bytes());
    Ok(head)
}
