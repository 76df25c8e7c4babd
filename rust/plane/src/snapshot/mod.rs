//! The configuration as the machine reads it: complete, immutable, swapped whole.
//!
//! Twin of `python/turnout/config/snapshot.py`: the types in [`written`] have its names and its order of ideas, and the
//! golden file `tests/config/snapshot.golden.json` is read by the tests of both. [`Snapshot::read`] turns the bytes
//! into tables that a request can use without another thought: key digests in a hash map, slugs in another,
//! request heads towards each provider already written up to the content length.

mod cache;
mod head;
mod key;
mod model;
mod near;
mod network;
mod provider;
mod read;
mod server;
pub mod written;

use std::sync::Arc;

use hashbrown::HashMap as FastMap;

pub(crate) use cache::Cache;
pub(crate) use head::{HeadTemplate, types};
pub(crate) use key::Key;
pub(crate) use model::{Endpoint, Model, VARIANTS, Wildcard, list};
pub(crate) use near::nearest;
pub(crate) use provider::{Credential, Provider, Wire};
pub use read::BadSnapshot;
pub(crate) use server::Server;
pub(crate) use written::CredentialKind;

use crate::preset::Preset;
use crate::route::router::Choices;

/// The schema of [`written::Snapshot`] that this build understands.
pub const SCHEMA: u32 = 3;

/// The running configuration.
pub struct Snapshot {
    /// Counts swaps in this process, from 1.
    pub(crate) generation: u64,
    pub(crate) digest: String,
    pub(crate) server: Server,
    pub(crate) auth: bool,
    pub(crate) routing: written::Routing,
    pub(crate) cache: Cache,
    pub(crate) billing: written::Billing,
    keys: FastMap<[u8; 32], Key, foldhash::fast::RandomState>,
    pub(crate) providers: Vec<Provider>,
    /// Whether any provider has a key that is not for everybody alike.
    pub(crate) has_own_keys: bool,
    /// Whether any router has a judge.
    pub(crate) has_judge: bool,
    /// Whether any provider's endpoints are probed.
    pub(crate) has_probes: bool,
    models: FastMap<String, Arc<Model>, foldhash::fast::RandomState>,
    /// Slugs in the order of the configuration, for listings.
    pub(crate) slugs: Vec<Arc<Model>>,
    /// What the routers choose from.
    pub(crate) choices: Choices,
    wildcards: Vec<Wildcard>,
    /// Regions that any endpoint is in; nearly always there is none.
    regions: Vec<String>,
    /// By name.
    pub(crate) presets: FastMap<String, Preset, foldhash::fast::RandomState>,
    /// The body of `GET /models` for a key that may use all of them.
    pub(crate) listing: Vec<u8>,
    /// The same with those models only that write text.
    pub(crate) listing_text: Vec<u8>,
}

impl Snapshot {
    pub(crate) fn key(&self, sha256: &[u8; 32]) -> Option<&Key> {
        self.keys.get(sha256)
    }

    /// The region that a host stands for by its first label: `eu.gateway.example` is only served by endpoints in `eu`. It stands for
    /// none unless some endpoint is known to be there, so that a host that happens to be called so is just a host.
    pub(crate) fn region(&self, host: &str) -> Option<&str> {
        let (label, _) = host.split_once('.')?;
        let mut regions = self.regions.iter().map(String::as_str);
        regions.find(|region| region.eq_ignore_ascii_case(label))
    }

    /// Whether any endpoint says where it computes.
    pub(crate) fn has_regions(&self) -> bool {
        !self.regions.is_empty()
    }

    /// The key of this name. Walks all of them: for what a person asks, not for requests.
    pub(crate) fn key_named(&self, name: &str) -> Option<&Key> {
        self.keys.values().find(|key| key.name == name)
    }

    /// The model with this slug or alias.
    pub(crate) fn model(&self, name: &str) -> Option<&Arc<Model>> {
        self.models.get(name)
    }

    /// The longest wildcard that matches. `openai/*` does not mean a model without a name.
    pub(crate) fn wildcard(&self, name: &str) -> Option<&Wildcard> {
        self.wildcards.iter().find(|wildcard| {
            let rest = name.strip_prefix(wildcard.prefix.as_str());
            rest.is_some_and(|rest| !rest.is_empty())
        })
    }

    /// A model's slug, and those of its static variants.
    pub(crate) fn variants(&self, slug: &str) -> Vec<String> {
        let variants = VARIANTS.iter().map(|variant| format!("{slug}:{variant}"));
        std::iter::once(slug.to_owned())
            .chain(variants)
            .filter(|slug| self.models.contains_key(slug))
            .collect()
    }
}
