//! What the names of a request mean: which models are asked for, in which order, and what their names say beside.
//!
//! Names are taken in the order in which the client gave them: `model`, then `models`. Each is an exact slug, an alias, or something
//! that a wildcard of the configuration matches. A name that nothing stands behind is refused at once, wherever in the list it
//! stands, because it is a mistake that another model's answer would only hide.
//!
//! A name may end in suffixes (openrouter.md section 2.4), in any order:
//!
//! - **Dynamic** ones go with every model. `:nitro`, `:floor` and `:exacto` say how its endpoints are chosen, `:online` that the
//!   provider searches the web. They are taken off before the name is looked up.
//! - **Static** ones (`:free`, `:extended`, `:thinking`, `:batch`) are part of a slug: `author/name:free` is there when the configuration
//!   or the catalogue has it. A known model without the variant that is asked for is refused, with those that it has; behind a
//!   wildcard only the provider knows.
//!
//! What a name says about the body becomes [`Override`]s, which each endpoint of the model is told.

use std::borrow::Cow;
use std::sync::Arc;

use smallvec::SmallVec;
use turnout_wire::dialect::{Dialect, Override};
use turnout_wire::parameter::Parameter;
use turnout_wire::refusal::{Kind, Refusal};
use turnout_wire::request::Request;
use turnout_wire::suffix;

use super::Asking;
use super::router::{self, Router};
use crate::snapshot::{Endpoint, Model, Provider, Snapshot, VARIANTS};

/// A longer name is nobody's, and is not repeated in an error or a record.
const NAME_BYTES_MAX: usize = 256;

/// One model that is asked for.
#[derive(Clone)]
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
    /// The web is to be searched.
    pub(crate) online: bool,
    /// What its name says about the body.
    overrides: Vec<Override<'a>>,
}

impl<'a> Wanted<'a> {
    /// A model as it is asked for by its slug.
    pub(super) fn of_model(model: &'a Arc<Model>) -> Wanted<'a> {
        Wanted {
            slug: &model.slug,
            endpoints: &model.endpoints,
            model: Some(model),
            matched: None,
            shortcut: None,
            online: false,
            overrides: Vec::new(),
        }
    }

    /// Whether no endpoint is told anything by its name.
    pub(super) fn is_plain(&self) -> bool {
        self.matched.is_none() && !self.online && self.overrides.is_empty()
    }

    /// Adds what an endpoint at this provider is told otherwise than the body says.
    pub(crate) fn tell(
        &self,
        asking: &Asking<'a>,
        provider: &Provider,
        overrides: &mut Vec<Override<'a>>,
    ) {
        if !self.overrides.is_empty() {
            overrides.extend_from_slice(&self.overrides);
        }
        if self.online {
            overrides.extend(suffix::online(asking.request, provider.routing_fields));
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

impl Strategy {
    /// OpenRouter's word.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Strategy::Direct => "direct",
            Strategy::Alias => "alias",
            Strategy::Latest => "latest",
            Strategy::Fallback => "fallback",
            Strategy::Auto => "auto",
            Strategy::Free => "free",
            Strategy::Pareto => "pareto",
        }
    }
}

/// All that is asked for.
pub(crate) struct Names<'a> {
    /// In order; not empty once they are read. Nearly always there is one, and a list has a few.
    pub(crate) wanted: SmallVec<[Wanted<'a>; 6]>,
    pub(crate) strategy: Strategy,
}

impl Default for Names<'_> {
    fn default() -> Self {
        Names {
            wanted: SmallVec::new(),
            strategy: Strategy::Direct,
        }
    }
}

/// Reads the names of a request. Into what the caller has, which is too large to be handed around.
pub(crate) fn read<'a>(asking: &Asking<'a>, found: &mut Names<'a>) -> Result<(), Refusal> {
    let request = asking.request;
    let names = request
        .model()
        .into_iter()
        .chain(request.models().iter().map(String::as_str));
    for name in names {
        let one = look_up(asking, name)?;
        if let Some((model, router)) = one.model.and_then(|m| Some((m, m.router.as_deref()?))) {
            let expanded = router::expand(asking, &model.slug, router)?;
            found.strategy = match found.wanted.len() {
                0 => expanded.strategy,
                _ => Strategy::Fallback,
            };
            // What the router's name says is said to each of them.
            found
                .wanted
                .extend(expanded.models.into_iter().map(|model| Wanted {
                    shortcut: one.shortcut,
                    online: one.online,
                    ..Wanted::of_model(model)
                }));
            continue;
        }
        let rest = name.strip_prefix(one.slug);
        found.strategy = match found.wanted.len() {
            0 if name.starts_with('~') => Strategy::Latest,
            0 if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':')) => {
                Strategy::Direct
            }
            0 => Strategy::Alias,
            _ => Strategy::Fallback,
        };
        found.wanted.push(one);
    }
    if found.wanted.is_empty() {
        return Err(Refusal::new(Kind::InvalidRequest)
            .with_message("The body names no model: expected \"model\" (a string) or \"models\" (a list of strings)"));
    }
    // What one of several models cannot do is no mistake of the request; neither is it where the client does not know the model.
    let lenient = !matches!(found.strategy, Strategy::Direct | Strategy::Alias);
    let online = match request.routing_member("plugins") {
        None => false,
        Some(plugins) => suffix::wants_web(plugins)?,
    };
    for one in &mut found.wanted {
        one.online |= online;
        let Some(model) = one.model else { continue };
        if let Some(efforts) = &model.efforts {
            one.overrides = suffix::fitted(request, efforts, lenient)?;
        }
        if model.slug.ends_with(":thinking") {
            one.overrides.extend(suffix::thinking(request));
        }
    }
    Ok(())
}

/// The router that a name means, with its slug.
pub(super) fn router<'a>(asking: &Asking<'a>, name: &'a str) -> Option<(&'a str, &'a Router)> {
    let model = look_up(asking, name).ok()?.model?;
    Some((&model.slug, model.router.as_deref()?))
}

/// The router that found the model which serves; `None`: the request names it itself, in one way or another. Asked when a request is booked,
/// so that nothing need be carried through it.
#[cold]
pub(crate) fn router_of<'a>(
    snapshot: &'a Snapshot,
    request: &Request,
    served: &str,
) -> Option<&'a str> {
    let names = request.model().into_iter();
    for name in names.chain(request.models().iter().map(String::as_str)) {
        let without_suffixes = || {
            let base = Suffixes::default().take_off(name).ok()?;
            snapshot.model(&base)
        };
        match snapshot.model(name).or_else(without_suffixes) {
            Some(model) if model.router.is_some() => return Some(&model.slug),
            Some(model) if model.slug == served => return None,
            _ => {}
        }
    }
    None
}

fn look_up<'a>(asking: &Asking<'a>, name: &'a str) -> Result<Wanted<'a>, Refusal> {
    let snapshot = asking.snapshot;
    if name.len() > NAME_BYTES_MAX {
        return Err(Refusal::new(Kind::InvalidRequest).with_message(format!(
            "A model's name has {} bytes; at most {NAME_BYTES_MAX} are looked up",
            name.len()
        )));
    }
    let wanted = match snapshot.model(name) {
        Some(model) => Wanted::of_model(model),
        None => with_suffixes(snapshot, name)?,
    };
    // A router chooses among what the key may use.
    if let Some(key) = asking.key
        && !key.allows(wanted.slug)
        && wanted.model.is_none_or(|model| model.router.is_none())
    {
        return Err(Refusal::new(Kind::PermissionDenied).with_message(format!(
            "The key {:?} may not use {} (see its \"models\" in the configuration)",
            key.name, wanted.slug
        )));
    }
    Ok(wanted)
}

/// Looks up a name that is no slug and no alias as it stands.
fn with_suffixes<'a>(snapshot: &'a Snapshot, name: &'a str) -> Result<Wanted<'a>, Refusal> {
    let mut said = Suffixes::default();
    let base = said.take_off(name)?;
    let mut wanted = match (snapshot.model(&base), snapshot.wildcard(&base)) {
        (Some(model), _) => Wanted::of_model(model),
        (None, Some(wildcard)) => {
            // Only another gateway has variants of models that nothing is known of here.
            let routed = wildcard.endpoints.iter().any(|endpoint| {
                let provider = snapshot.providers.get(endpoint.provider);
                provider.is_some_and(|provider| provider.routing_fields)
            });
            if !routed && let Some(refusal) = missing_variant(snapshot, &base) {
                return Err(refusal);
            }
            let Cow::Borrowed(slug) = base else {
                return Err(Refusal::new(Kind::InvalidRequest).with_message(format!(
                    "{name}: what belongs to the name comes before :nitro, :floor, :exacto and :online, as in {base}:…"
                )));
            };
            Wanted {
                slug,
                endpoints: &wildcard.endpoints,
                model: None,
                matched: slug.get(wildcard.prefix.len()..),
                shortcut: None,
                online: false,
                overrides: Vec::new(),
            }
        }
        (None, None) => {
            return Err(missing_variant(snapshot, &base)
                .unwrap_or_else(|| Refusal::model_not_found(name, snapshot.near(&base))));
        }
    };
    wanted.shortcut = said.shortcut;
    wanted.online = said.online;
    Ok(wanted)
}

/// What the dynamic suffixes of a name say.
#[derive(Debug, Default, PartialEq, Eq)]
struct Suffixes {
    shortcut: Option<Shortcut>,
    online: bool,
}

impl Suffixes {
    /// Takes the dynamic suffixes off, wherever they stand among the others.
    fn take_off<'n>(&mut self, name: &'n str) -> Result<Cow<'n, str>, Refusal> {
        let author = name.rfind('/').map_or(0, |slash| slash + 1);
        let Some(colon) = name.get(author..).and_then(|last| last.find(':')) else {
            return Ok(Cow::Borrowed(name));
        };
        let (_, suffixes) = name.split_at(author + colon);
        // Up to here the name is kept as it stands; a piece that is kept behind one that is not makes another text.
        let mut end = author + colon;
        let mut moved: Option<String> = None;
        let mut at = end;
        for suffix in suffixes.split(':').skip(1) {
            let follows = at == end;
            at += 1 + suffix.len();
            let shortcut = match suffix {
                "nitro" => Shortcut::Nitro,
                "floor" => Shortcut::Floor,
                "exacto" => Shortcut::Exacto,
                "online" => {
                    self.online = true;
                    continue;
                }
                _ if follows => {
                    end = at;
                    continue;
                }
                kept => {
                    let text = moved.get_or_insert_with(|| name[..end].to_owned());
                    text.push(':');
                    text.push_str(kept);
                    continue;
                }
            };
            if self.shortcut.is_some_and(|other| other != shortcut) {
                return Err(Refusal::new(Kind::InvalidRequest).with_message(format!(
                    "{name}: of :nitro, :floor and :exacto a name can have one, because each orders the endpoints in another way"
                )));
            }
            self.shortcut = Some(shortcut);
        }
        Ok(moved.map_or_else(|| Cow::Borrowed(&name[..end]), Cow::Owned))
    }
}

/// The refusal for a variant that a known model does not have. `None`: it is no variant, or the model is not known.
fn missing_variant(snapshot: &Snapshot, name: &str) -> Option<Refusal> {
    let (base, suffix) = name.rsplit_once(':')?;
    if !VARIANTS.contains(&suffix) {
        return None;
    }
    // The variants of the model under its own name, also when it was asked for by another.
    let model = snapshot.model(base)?;
    let near = snapshot.variants(&model.slug);
    Some(
        Refusal::new(Kind::ModelNotFound)
            .with_message(format!(
                "{base} has no variant :{suffix}; there is {}, and :nitro, :floor, :exacto and :online go with each",
                near.join(", ")
            ))
            .with_requested_models(vec![name.to_owned()])
            .with_near(near),
    )
}

/// Whether an endpoint can search the web by itself: where it lists its parameters it says so, and otherwise its protocol has to have
/// a search of its own.
pub(crate) fn searches(endpoint: &Endpoint, provider: &Provider, wire_index: u8) -> bool {
    let Some(wire) = provider.wires.get(usize::from(wire_index)) else {
        return false;
    };
    if provider.routing_fields {
        return true;
    }
    let native = matches!(
        wire.dialect,
        Dialect::Responses | Dialect::Anthropic | Dialect::Gemini
    );
    match endpoint.parameters {
        Some(parameters) => {
            parameters.has(Parameter::WebSearchOptions)
                && (native || wire.dialect == Dialect::OpenAi)
        }
        None => native,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n06_suffixes_stand_in_any_order() {
        for (name, base, shortcut, online) in [
            ("a/b", "a/b", None, false),
            ("a/b:nitro", "a/b", Some(Shortcut::Nitro), false),
            ("a/b:online:floor", "a/b", Some(Shortcut::Floor), true),
            ("a/b:free:online", "a/b:free", None, true),
            ("a/b:online:free", "a/b:free", None, true),
            (
                "a/b:8b:exacto:free:exacto",
                "a/b:8b:free",
                Some(Shortcut::Exacto),
                false,
            ),
            ("a:b/c", "a:b/c", None, false),
            ("b:nitro", "b", Some(Shortcut::Nitro), false),
            ("a/b:", "a/b:", None, false),
            (":online", "", None, true),
        ] {
            let mut said = Suffixes::default();
            assert_eq!(said.take_off(name).expect("a name"), base, "{name}");
            assert_eq!((said.shortcut, said.online), (shortcut, online), "{name}");
        }
        let refused = Suffixes::default().take_off("a/b:nitro:floor").err();
        assert_eq!(refused.map(|refusal| refusal.status()), Some(400));
    }
}
