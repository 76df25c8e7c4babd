//! Presets: a request that names one gets its members where it has none of its own, before anything else is decided about it.
//!
//! There are three forms: `"model": "@preset/name"`, `"model": "author/name@preset/name"`, and `"preset": "name"` beside a model or
//! without one. A request that names none costs one look at its model's name and at the few members that are the gateway's own.
//! The merge itself is [`turnout_wire::preset`]; it makes a new body, which is read like any other.

use std::sync::OnceLock;

use turnout_wire::api::Api;
use turnout_wire::preset::{self, Words};
use turnout_wire::refusal::{Kind, Refusal};
use turnout_wire::request::Request;

use crate::cache;
use crate::snapshot::{Snapshot, nearest, written};

/// What stands between a model and a preset in a name.
const MARK: &str = "@preset/";

/// A preset, in its newest version.
#[derive(Debug)]
pub(crate) struct Preset {
    written: written::Preset,
    /// Its members in the words of each API, by the order of [`Api::ALL`], made when the first request needs them.
    words: Vec<OnceLock<Result<Words, Refusal>>>,
}

impl Preset {
    pub(crate) fn new(written: written::Preset) -> Preset {
        Preset {
            written,
            words: Api::ALL.iter().map(|_| OnceLock::new()).collect(),
        }
    }

    /// What it says about the keeping of answers.
    pub(crate) fn cache_wish(&self) -> cache::Wish {
        cache::Wish {
            enabled: self.written.cache_enabled,
            ttl_seconds: self.written.cache_ttl_seconds,
        }
    }

    fn words(&self, api: Api) -> Result<&Words, Refusal> {
        let make = || preset::words(&self.written.config, api);
        match self.words.get(api as usize) {
            Some(made) => made.get_or_init(make).as_ref().map_err(Refusal::clone),
            // Cannot happen: there is one for each API.
            None => Err(Refusal::new(Kind::Server)),
        }
    }
}

/// Lays the preset that a request names under it. `None`: it names none.
pub(crate) fn applied<'a>(
    snapshot: &'a Snapshot,
    request: &Request,
) -> Result<Option<(Box<Request>, &'a Preset)>, Refusal> {
    // Hardly any name has one, and looking for a byte is cheaper than for a word.
    let in_name = match request.model_holds(b'@') {
        true => request.model().and_then(|name| name.split_once(MARK)),
        false => None,
    };
    let in_body = request.routing_member("preset");
    if in_name.is_none() && in_body.is_none() {
        return Ok(None);
    }
    let in_body = match in_body {
        Some(raw) if raw.starts_with('"') => Some(turnout_wire::json::unescape(raw)),
        Some(_) => {
            return Err(wrong("`preset` must be a string, the name of a preset"));
        }
        None => None,
    };
    let (model, name) = match (in_name, &in_body) {
        (Some((_, name)), Some(other)) if name != other => {
            return Err(wrong(
                "`model` and `preset` name two presets; send one of them",
            ));
        }
        (Some((model, name)), _) => (Some(model), name),
        (None, Some(name)) => (request.model(), &**name),
        (None, None) => return Ok(None),
    };
    let preset = snapshot
        .presets
        .get(name)
        .ok_or_else(|| unknown(snapshot, name))?;
    if preset.written.disabled {
        return Err(Refusal::new(Kind::PermissionDenied)
            .with_message(format!("The preset {name} is disabled")));
    }
    let written = &preset.written;
    let model = model
        .filter(|model| !model.is_empty())
        .or(written.model.as_deref());
    let merged = preset::applied(
        request,
        preset.words(request.api())?,
        written.system.as_deref(),
        model,
    )?;
    if merged.model().is_none_or(str::is_empty) && merged.models().is_empty() {
        return Err(wrong(format!(
            "Neither the request nor the preset {name} names a model; give one as author/name@preset/{name}"
        )));
    }
    Ok(Some((Box::new(merged), preset)))
}

fn wrong(message: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(Kind::InvalidRequest).with_message(message)
}

fn unknown(snapshot: &Snapshot, name: &str) -> Refusal {
    let shown: String = name.chars().take(64).collect();
    let near = nearest(name, snapshot.presets.keys());
    let mut message = format!("There is no preset {shown}");
    if !near.is_empty() {
        message.push_str("; near names: ");
        message.push_str(&near.join(", "));
    }
    Refusal::new(Kind::NotFound)
        .with_message(message)
        .with_near(near)
}
