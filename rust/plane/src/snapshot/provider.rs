//! Providers: the protocols that each speaks, and the keys that it is paid with.

use std::sync::Arc;
use std::time::Duration;

use turnout_wire::api::Api;
use turnout_wire::dialect::{Dialect, Op, Quirks};

use super::head::HeadTemplate;
use super::written::CredentialKind;
use super::{BadSnapshot, written};
use crate::statistics::{CredentialState, Registry};
use crate::upstream::origin::{Origin, Origins};
use crate::upstream::sigv4::Signer;

/// A place to send requests to.
pub(crate) struct Provider {
    pub(crate) slug: String,
    pub(crate) name: String,
    /// The protocols that it speaks, in order of preference; at least one.
    pub(crate) wires: Vec<Wire>,
    pub(crate) credentials: Vec<Credential>,
    /// Whether there is a key whose account keeps nothing, whatever the provider does by default.
    pub(crate) has_zdr_key: bool,
    pub(crate) first_byte_time: Duration,
    pub(crate) idle_time: Duration,
    pub(crate) routing_fields: bool,
    /// How its endpoints are probed; `None`: not.
    pub(crate) probe: Option<written::Probe>,
}

impl Provider {
    pub(super) fn complete(
        written: written::Provider,
        origins: &Origins,
        statistics: &Registry,
    ) -> Result<Provider, BadSnapshot> {
        let wires: Vec<Wire> = written
            .wires
            .iter()
            .map(|wire| Wire::complete(wire, &written, origins))
            .collect::<Result<_, _>>()?;
        let bare = [written::Credential {
            label: String::new(),
            scheme: written::Scheme::Header,
            name: String::new(),
            value: crate::secret::Secret::default(),
            weight: 1,
            sigv4: None,
            kind: CredentialKind::Shared,
            required: false,
            exclusive: false,
            zdr: None,
            rules: None,
        }];
        let given: &[written::Credential] = if written.credentials.is_empty() {
            &bare
        } else {
            &written.credentials
        };
        let credentials = given
            .iter()
            .map(|credential| Credential {
                label: credential.label.clone(),
                weight: credential.weight,
                kind: credential.kind,
                required: credential.required,
                exclusive: credential.exclusive,
                zdr: credential.zdr,
                rules: credential.rules.clone(),
                state: statistics.credential(&written.slug, &credential.label),
                heads: wires
                    .iter()
                    .map(|wire| {
                        let head = |op: &Op| {
                            let path = wire.paths[*op as usize].as_deref()?;
                            Some(HeadTemplate::new(&written, credential, wire, *op, path))
                        };
                        Op::ALL.iter().map(head).collect()
                    })
                    .collect(),
                signer: credential.sigv4.as_ref().map(Signer::new),
            })
            .collect::<Vec<_>>();
        Ok(Provider {
            has_zdr_key: (credentials.iter()).any(|credential| credential.zdr == Some(true)),
            first_byte_time: Duration::from_millis(written.timeouts.first_byte_ms),
            idle_time: Duration::from_millis(written.timeouts.idle_ms),
            slug: written.slug,
            name: written.name,
            wires,
            credentials,
            routing_fields: written.routing_fields,
            probe: written.probe,
        })
    }

    /// Whether it has a key that is not for everybody alike.
    pub(super) fn has_own_keys(&self) -> bool {
        self.credentials.iter().any(|credential| {
            credential.kind != CredentialKind::Shared
                || credential.required
                || credential.exclusive
                || credential.zdr.is_some()
                || credential.rules.is_some()
        })
    }

    /// How a request of this kind is put to the provider: in the client's own protocol where it is spoken, else in the first that can
    /// express it. `pinned`: the endpoint is only there in one.
    pub(crate) fn way(
        &self,
        api: Api,
        stream: bool,
        pinned: Option<Dialect>,
    ) -> Option<(usize, Op)> {
        let offered = |wire: &Wire| {
            if pinned.is_some_and(|pinned| pinned != wire.dialect) {
                return None;
            }
            let op = wire.dialect.operation(api, stream)?;
            wire.offers(op).then_some(op)
        };
        let home = api.home();
        let mut second = None;
        for (index, wire) in self.wires.iter().enumerate() {
            let Some(op) = offered(wire) else { continue };
            if wire.dialect == home {
                return Some((index, op));
            }
            second = second.or(Some((index, op)));
        }
        second
    }
}

/// One protocol that a provider speaks, and where.
pub(crate) struct Wire {
    pub(crate) dialect: Dialect,
    pub(crate) origin: Arc<Origin>,
    pub(crate) quirks: Quirks,
    /// Whether the operations that generate name the model in their path.
    pub(crate) model_in_path: bool,
    /// Path prefix of the base URL, and below it the path of each operation by the order of [`Op::ALL`]; `None`: not offered.
    pub(super) prefix: String,
    paths: Vec<Option<String>>,
}

impl Wire {
    fn complete(
        written: &written::Wire,
        provider: &written::Provider,
        origins: &Origins,
    ) -> Result<Wire, BadSnapshot> {
        let (origin, prefix) = origins
            .take(&written.base_url, provider)
            .map_err(|problem| BadSnapshot(format!("provider {:?}: {problem}", provider.slug)))?;
        let mut paths = vec![None; Op::ALL.len()];
        for (name, path) in &written.paths {
            let op = Op::of(name).ok_or_else(|| {
                BadSnapshot(format!(
                    "provider {:?}: no operation is called {name:?}",
                    provider.slug
                ))
            })?;
            if path.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
                return Err(BadSnapshot(format!(
                    "provider {:?}: the path of {name:?} holds white space or control characters",
                    provider.slug
                )));
            }
            paths[op as usize] = Some(path.clone());
        }
        if paths[Op::MessagesStream as usize].is_none() {
            paths[Op::MessagesStream as usize] = paths[Op::Messages as usize].clone();
        }
        Ok(Wire {
            dialect: read_dialect(&written.dialect)?,
            origin,
            quirks: written.quirks.clone(),
            model_in_path: (paths[Op::Messages as usize].as_ref())
                .is_some_and(|path: &String| path.contains("{model}")),
            prefix,
            paths,
        })
    }

    /// Whether this operation is offered.
    pub(crate) fn offers(&self, op: Op) -> bool {
        self.paths[op as usize].is_some()
    }
}

pub(super) fn read_dialect(name: &str) -> Result<Dialect, BadSnapshot> {
    Dialect::of(name).ok_or_else(|| {
        let known: Vec<_> = Dialect::ALL.iter().map(|dialect| dialect.name()).collect();
        BadSnapshot(format!(
            "no dialect is called {name:?}; this build knows: {}",
            known.join(", ")
        ))
    })
}

/// An upstream key, with the heads of the requests that it makes.
pub(crate) struct Credential {
    pub(crate) label: String,
    pub(crate) weight: u32,
    /// Whether it is shared, or somebody's own.
    pub(crate) kind: CredentialKind,
    /// Whether it takes the place of the provider's shared keys wherever it may be used.
    pub(crate) required: bool,
    /// The same for all models, also those that it may not be used for.
    pub(crate) exclusive: bool,
    /// Whether its account keeps nothing of what it is sent; `None`: as the endpoint says.
    pub(crate) zdr: Option<bool>,
    /// Whom it may be used for; `None`: for all.
    pub(crate) rules: Option<written::CredentialRules>,
    /// What the provider said about it; the same across swaps.
    pub(crate) state: Arc<CredentialState>,
    /// For each wire, for each operation that it offers.
    heads: Vec<Vec<Option<HeadTemplate>>>,
    /// For providers that want each request signed.
    pub(crate) signer: Option<Signer>,
}

impl Credential {
    pub(crate) fn head(&self, wire: usize, op: Op) -> Option<&HeadTemplate> {
        self.heads.get(wire)?.get(op as usize)?.as_ref()
    }
}
