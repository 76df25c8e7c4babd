//! Which endpoints may serve a request, and in which order.
//!
//! Names ([`name`]) lead to models and these to endpoints. Hard filters ([`filter`]) drop those that may not serve, each for a
//! [`reason`]; the others are ordered ([`rank`]), and a
//! conversation is kept where it was ([`sticky`]). Within an endpoint, the provider's keys are drawn by weight.

pub(crate) mod credential;
mod filter;
pub(crate) mod name;
pub(crate) mod policy;
pub(crate) mod rank;
mod reason;
pub(crate) mod router;
pub(crate) mod sticky;
mod tier;
pub(crate) mod trace;
pub(crate) mod way;

use std::cell::RefCell;

use turnout_wire::cost::Prices;
use turnout_wire::dialect::{Op, Override};
use turnout_wire::refusal::Refusal;
use turnout_wire::request::Request;

use crate::snapshot::{Endpoint, Key, Provider, Snapshot, Wire};

use credential::Own;
use filter::Filter;
use name::Names;
pub(crate) use name::{Strategy, Wanted};
use rank::{Entries, Entry, Order};
use router::judge::Judgement;
use sticky::{Conversation, Stay};
use tier::Asked;
use trace::Trace;

/// An endpoint that may serve.
#[derive(Clone)]
pub(crate) struct Candidate<'a> {
    /// The slug that the client is told.
    pub(crate) slug: &'a str,
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) provider: &'a Provider,
    /// Which of the provider's protocols is used; index into its wires.
    pub(crate) wire_index: u8,
    /// What it is asked to do there.
    pub(crate) op: Op,
    /// What it is to the conversation that asks.
    pub(crate) stay: Stay,
    /// What it is told otherwise than others. Nearly always nothing, and a request has a candidate for each endpoint: that is why it
    /// stands apart.
    otherwise: Option<Box<Otherwise<'a>>>,
    /// The key of somebody's own that it is asked with; `None`: the provider's shared ones.
    pub(crate) own: Option<Box<Own<'a>>>,
}

/// What a candidate is told otherwise.
#[derive(Clone)]
struct Otherwise<'a> {
    /// The model's name, where it is made from what the client wrote.
    model: Option<String>,
    /// Members of the body.
    overrides: Vec<Override<'a>>,
}

impl<'a> Candidate<'a> {
    /// The protocol that is used.
    pub(crate) fn wire(&self) -> &'a Wire {
        &self.provider.wires[usize::from(self.wire_index)]
    }

    /// The provider's name of the model.
    pub(crate) fn model(&self) -> &str {
        let made = (self.otherwise.as_ref()).and_then(|otherwise| otherwise.model.as_deref());
        made.unwrap_or(&self.endpoint.model)
    }

    /// Members of the body that are said otherwise to it.
    pub(crate) fn overrides(&self) -> &[Override<'a>] {
        (self.otherwise.as_ref()).map_or(&[], |otherwise| &otherwise.overrides)
    }

    /// What serving with it costs.
    pub(crate) fn prices(&self) -> Option<&Prices> {
        match &self.own {
            Some(own) => Some(&own.prices),
            None => self.endpoint.prices.as_ref(),
        }
    }
}

/// Who asks for what.
#[derive(Clone, Copy)]
pub(crate) struct Asking<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) key: Option<&'a Key>,
    pub(crate) request: &'a Request,
    /// The conversation that it belongs to; `None`: nobody will be served.
    pub(crate) conversation: Option<&'a Conversation<'a>>,
    /// The region that its host stands for; `None`: none.
    pub(crate) region: Option<&'a str>,
    /// What the judge of the auto router says; `None`: there is none.
    pub(crate) judged: Option<&'a Judgement>,
    /// Where the reasons are written down; `None` for all requests that do not ask for them.
    pub(crate) trace: Option<&'a RefCell<Trace>>,
}

impl Asking<'_> {
    /// Writes something down for whoever asks why. `write` runs only when somebody does.
    #[inline]
    pub(crate) fn note(&self, write: impl FnOnce(&mut Trace)) {
        if let Some(trace) = self.trace {
            write(&mut trace.borrow_mut());
        }
    }
}

/// What was decided for a request.
pub(crate) struct Plan<'a> {
    /// Who may serve, in order; never empty.
    pub(crate) candidates: Vec<Candidate<'a>>,
    /// How the models were found.
    pub(crate) strategy: Strategy,
}

/// Decides who may serve, and in which order.
pub(crate) fn plan<'a>(asking: &Asking<'a>) -> Result<Plan<'a>, Refusal> {
    let mut names = Names::default();
    name::read(asking, &mut names)?;
    asking.note(|trace| trace.strategy = Some(names.strategy));
    let mut filter = Filter::new(asking);
    let mut entries = Entries::new();
    // More than fit on the stack are made room for at once.
    let most = names.wanted.iter().map(|wanted| wanted.endpoints.len());
    entries.reserve(most.sum());
    for (model, wanted) in names.wanted.iter().enumerate() {
        filter.pass(model, wanted, &mut entries);
    }
    if entries.is_empty() && filter.take_too_long() {
        for (model, wanted) in names.wanted.iter().enumerate() {
            filter.pass(model, wanted, &mut entries);
        }
    }
    if entries.is_empty() {
        return Err(filter.refusal(&names));
    }
    let mut order = Order::new();
    rank::rank(asking, &names, &mut filter, &mut entries, &mut order);
    let mut candidates = Vec::with_capacity(order.len());
    candidates.extend(order.iter().filter_map(|key| {
        let entry = entries.get(rank::index_of(*key))?;
        let wanted = names.wanted.get(usize::from(entry.model))?;
        Some(candidate(asking, filter.tier, wanted, entry))
    }));
    if candidates.len() > 1 {
        // Nearly always it is the same text in the same place.
        let is_same = |a: &str, b: &str| std::ptr::eq(a, b) || a == b;
        for of_one_model in candidates.chunk_by_mut(|a, b| is_same(a.slug, b.slug)) {
            sticky::prefer(asking, of_one_model);
        }
        if let Some(preferences) = asking.request.preferences() {
            rank::without_fallbacks(preferences, &mut candidates);
        }
    }
    if asking.snapshot.has_own_keys {
        candidates = credential::expand(asking, candidates)?;
    }
    Ok(Plan {
        candidates,
        strategy: names.strategy,
    })
}

fn candidate<'a>(
    asking: &Asking<'a>,
    tier: Asked,
    wanted: &Wanted<'a>,
    entry: &Entry<'a>,
) -> Candidate<'a> {
    let is_plain =
        wanted.is_plain() && tier.says_nothing() && entry.endpoint.service_tier.is_none();
    Candidate {
        slug: wanted.slug,
        endpoint: entry.endpoint,
        provider: entry.provider,
        wire_index: entry.wire_index,
        op: entry.op,
        stay: Stay::default(),
        otherwise: match is_plain {
            true => None,
            false => otherwise(asking, tier, wanted, entry),
        },
        own: None,
    }
}

#[inline(never)]
fn otherwise<'a>(
    asking: &Asking<'a>,
    tier: Asked,
    wanted: &Wanted<'a>,
    entry: &Entry<'a>,
) -> Option<Box<Otherwise<'a>>> {
    let mut overrides = tier::overrides(asking.request, tier, wanted, entry.endpoint);
    wanted.tell(asking, entry.provider, &mut overrides);
    let name = &entry.endpoint.model;
    let model = match wanted.matched {
        Some(rest) if name.contains('*') => Some(name.replacen('*', rest, 1)),
        _ => None,
    };
    (model.is_some() || !overrides.is_empty()).then(|| Box::new(Otherwise { model, overrides }))
}
