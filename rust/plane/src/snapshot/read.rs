//! From the bytes that Python wrote to tables that a request can use without another thought.

use std::sync::Arc;

use hashbrown::HashMap as FastMap;

use super::model::list;
use super::{Cache, Endpoint, Key, Model, Provider, SCHEMA, Server, Snapshot, Wildcard, written};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::preset::Preset;
use crate::route::router::{Choices, Router};
use crate::statistics::Registry;
use crate::upstream::origin::Origins;

/// Why bytes are no snapshot. Python made them, so each of these is a bug or a version mismatch.
#[derive(Debug)]
pub struct BadSnapshot(pub String);

impl std::fmt::Display for BadSnapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "not a snapshot that this build can use: {}", self.0)
    }
}

impl std::error::Error for BadSnapshot {}

impl Snapshot {
    /// Reads and completes a snapshot. `origins`, `metrics` and `limits` outlive it, so that pools and counters survive a swap.
    pub(crate) fn read(
        bytes: &[u8],
        generation: u64,
        origins: &Origins,
        metrics: &Metrics,
        statistics: &Registry,
        limits: &Limits,
    ) -> Result<(Snapshot, written::Server), BadSnapshot> {
        let written: written::Snapshot =
            serde_json::from_slice(bytes).map_err(|error| BadSnapshot(error.to_string()))?;
        if written.schema != SCHEMA {
            return Err(BadSnapshot(format!(
                "schema {} where {SCHEMA} was expected",
                written.schema
            )));
        }
        statistics.tune(&written.routing);
        let mut keys = FastMap::with_capacity_and_hasher(
            written.keys.len(),
            foldhash::fast::RandomState::default(),
        );
        for key in written.keys {
            let (digest, key) = Key::complete(key, limits)?;
            keys.insert(digest, key);
        }
        let providers: Vec<Provider> = written
            .providers
            .into_iter()
            .map(|p| Provider::complete(p, origins, statistics))
            .collect::<Result<_, _>>()?;
        let endpoints = |written: Vec<written::Endpoint>, slug: &str| {
            let complete = |e| Endpoint::complete(e, slug, &providers, metrics, statistics);
            (written.into_iter().map(complete)).collect::<Result<Vec<_>, BadSnapshot>>()
        };
        let mut models = FastMap::with_capacity_and_hasher(
            written.models.len() + written.aliases.len(),
            foldhash::fast::RandomState::default(),
        );
        let mut slugs = Vec::with_capacity(written.models.len());
        for mut model in written.models {
            let endpoints = endpoints(std::mem::take(&mut model.endpoints), &model.slug)?;
            let model = Arc::new(Model::complete(model, endpoints));
            models.insert(model.slug.clone(), Arc::clone(&model));
            slugs.push(model);
        }
        let choices = Choices::new(&slugs);
        for mut router in written.routers {
            let names = std::mem::take(&mut router.names);
            let Some(slug) = names.first() else { continue };
            let model = Arc::new(Model::of_router(slug, router));
            for name in names {
                models.insert(name, Arc::clone(&model));
            }
            slugs.push(model);
        }
        for (alias, slug) in &written.aliases {
            let model = models.get(slug).cloned().ok_or_else(|| {
                BadSnapshot(format!(
                    "alias {alias:?} leads to {slug:?}, which is no model"
                ))
            })?;
            models.insert(alias.clone(), model);
        }
        let mut wildcards = Vec::with_capacity(written.wildcards.len());
        for wildcard in written.wildcards {
            let name = format!("{}*", wildcard.prefix);
            wildcards.push(Wildcard {
                endpoints: endpoints(wildcard.endpoints, &name)?,
                prefix: wildcard.prefix,
            });
        }
        let mut regions: Vec<String> = (slugs.iter().flat_map(|model| &model.endpoints))
            .chain(
                wildcards
                    .iter()
                    .flat_map(|wildcard: &Wildcard| &wildcard.endpoints),
            )
            .filter_map(|endpoint| Some(endpoint.region.as_ref()?.to_ascii_lowercase()))
            .collect();
        regions.sort_unstable();
        regions.dedup();
        let listing = list(slugs.iter());
        let listing_text = list(slugs.iter().filter(|model| model.writes_text()));
        let server = Server::complete(written.server.clone())?;
        let cache = Cache::complete(&written.cache, generation)?;
        let snapshot = Snapshot {
            generation,
            digest: written.digest,
            server,
            auth: written.auth,
            routing: written.routing,
            cache,
            billing: written.billing,
            keys,
            has_own_keys: providers.iter().any(Provider::has_own_keys),
            has_judge: (slugs.iter())
                .any(|model| model.router.as_deref().is_some_and(Router::is_judged)),
            has_probes: providers.iter().any(|provider| provider.probe.is_some()),
            providers,
            models,
            slugs,
            choices,
            wildcards,
            regions,
            presets: (written.presets.into_iter())
                .map(|preset| (preset.slug.clone(), Preset::new(preset)))
                .collect(),
            listing,
            listing_text,
        };
        Ok((snapshot, written.server))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The twin's golden bytes: what Python writes for a configuration that uses everything is read here, whole.
    #[test]
    fn the_golden_snapshot_is_read() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/config/snapshot.golden.json"
        );
        let bytes = std::fs::read(path).expect("tests/config/snapshot.golden.json exists");
        let written: written::Snapshot =
            serde_json::from_slice(&bytes).expect("it has this schema");
        assert!(
            !written.keys.is_empty() && !written.models.is_empty() && !written.wildcards.is_empty()
        );
        // Its certificate and roots are files of another machine: without them everything completes.
        let mut value: serde_json::Value = serde_json::from_slice(&bytes).expect("it is JSON");
        for provider in value["providers"].as_array_mut().expect("a list") {
            provider["ca_path"] = serde_json::Value::Null;
        }
        let metrics = Metrics::new(1, &[]);
        let (snapshot, _) = Snapshot::read(
            value.to_string().as_bytes(),
            7,
            &Origins::default(),
            &metrics,
            &Registry::default(),
            &Limits::new(0),
        )
        .expect("it completes");
        assert_eq!(snapshot.generation, 7);
        for (alias, slug) in &written.aliases {
            assert!(
                snapshot
                    .model(alias)
                    .is_some_and(|model| model.slug == *slug)
            );
        }
        for wildcard in &written.wildcards {
            let name = format!("{}anything-else", wildcard.prefix);
            assert!(
                snapshot.model(&name).is_none() && snapshot.wildcard(&name).is_some(),
                "{name}"
            );
        }
    }
}
