//! What the names of a request mean: which models are asked for, in which order, and what their names say beside.
//!
//! Names are taken in the order in which the client gave them: `model`, then `models`. Each is an exact slug, an alias, or something
//! that a wildcard of the configuration matches. A name that nothing stands behind is refused at once, wherever in the list it
//! stands, because it is a mistake that another model's answer would only hide.

use std::sync::Arc;

use smallvec::SmallVec;
use turnout_wire::dialect::Override;
use turnout_wire::refusal::{Kind, Refusal};

use super::{Asking, router};
use crate::snapshot::{Endpoint, Found, Model};

/// A longer name is nobody's, and is not repeated in an error or a record.
const NAME_BYTES_MAX: usize = 256;

/// One model that is asked for.
pub(crate) struct Wanted<'a> {
    /// The slug that the client is told.
    pub(crate) slug: &'a str,
    pub(crate) endpoints: &'a [Endpoint],
    /// `None`: a wildcard serves it.
    pub(crate) model: Option<&'a Arc<Model>>,
    /// What the wildcard's `*` stands for.
    pub(crate) matched: Option<&'a str>,
    /// The policy that its name asks for.
    pub(crate) shortcut: Option<Shortcut>,
    /// What its name says about the body; each of its candidates gets it.
    pub(crate) overrides: Vec<Override<'a>>,
}

impl<'a> Wanted<'a> {
    /// A model that a router chose.
    pub(super) fn of_model(model: &'a Arc<Model>) -> Wanted<'a> {
        Wanted {
            slug: &model.slug,
            endpoints: &model.endpoints,
            model: Some(model),
            matched: None,
            shortcut: None,
            overrides: Vec::new(),
        }
    }
}

/// A suffix that stands for a way of choosing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shortcut {
    /// `:nitro`: by throughput.
    Nitro,
    /// `:floor`: by price.
    Floor,
    /// `:exacto`: by quality of tool calls.
    Exacto,
}

/// How the models were found, in the words of OpenRouter's metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strategy {
    /// The model's own slug.
    Direct,
    /// Another name of it.
    Alias,
    /// The newest of a family.
    Latest,
    /// Several models.
    Fallback,
    /// The router of the same name.
    Auto,
    /// The router of the same name.
    Free,
    /// The router of the same name.
    Pareto,
}

/// All that is asked for.
pub(crate) struct Names<'a> {
    /// In order; never empty. Nearly always there is one.
    pub(crate) wanted: SmallVec<[Wanted<'a>; 1]>,
    pub(crate) strategy: Strategy,
}

/// Reads the names of a request.
pub(crate) fn wanted<'a>(asking: &Asking<'a>) -> Result<Names<'a>, Refusal> {
    let request = asking.request;
    let names = request
        .model()
        .into_iter()
        .chain(request.models().iter().map(String::as_str));
    let mut found = Names {
        wanted: SmallVec::new(),
        strategy: Strategy::Direct,
    };
    for name in names {
        let one = look_up(asking, name)?;
        if let Some((model, router)) = one.model.and_then(|m| Some((m, m.router.as_deref()?))) {
            let expanded = router::expand(asking, &model.slug, router)?;
            found.strategy = match found.wanted.len() {
                0 => expanded.strategy,
                _ => Strategy::Fallback,
            };
            found
                .wanted
                .extend(expanded.models.into_iter().map(Wanted::of_model));
            continue;
        }
        found.strategy = match found.wanted.len() {
            0 if one.slug == name => Strategy::Direct,
            0 if name.starts_with('~') => Strategy::Latest,
            0 => Strategy::Alias,
            _ => Strategy::Fallback,
        };
        found.wanted.push(one);
    }
    if found.wanted.is_empty() {
        return Err(Refusal::new(Kind::InvalidRequest)
            .with_message("The body names no model: expected \"model\" (a string) or \"models\" (a list of strings)"));
    }
    Ok(found)
}

fn look_up<'a>(asking: &Asking<'a>, name: &'a str) -> Result<Wanted<'a>, Refusal> {
    let snapshot = asking.snapshot;
    if name.len() > NAME_BYTES_MAX {
        return Err(Refusal::new(Kind::InvalidRequest).with_message(format!(
            "A model's name has {} bytes; at most {NAME_BYTES_MAX} are looked up",
            name.len()
        )));
    }
    let Some(found) = snapshot.find(name) else {
        return Err(Refusal::model_not_found(name, snapshot.near(name)));
    };
    let (slug, endpoints, model, matched) = match found {
        Found::Model(model) => (
            model.slug.as_str(),
            model.endpoints.as_slice(),
            Some(model),
            None,
        ),
        Found::Wildcard(wildcard, rest) => (name, wildcard.endpoints.as_slice(), None, Some(rest)),
    };
    // A router chooses among what the key may use.
    if let Some(key) = asking.key
        && !snapshot.allows(key, slug)
        && model.is_none_or(|model| model.router.is_none())
    {
        return Err(Refusal::new(Kind::PermissionDenied).with_message(format!(
            "The key {:?} may not use {slug} (see its \"models\" in the configuration)",
            key.name
        )));
    }
    Ok(Wanted {
        slug,
        endpoints,
        model,
        matched,
        shortcut: None,
        overrides: Vec::new(),
    })
}
