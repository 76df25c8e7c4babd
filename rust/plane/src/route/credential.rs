//! Which of a provider's keys a request is sent with.
//!
//! A key is *shared*, or it is somebody's own ("bring your own key", openrouter.md section 3.9): *prioritized*, tried before everything
//! else, or *fallback*, tried after everything else. Each key of its own makes a copy of each endpoint of its provider ([`expand`]), after
//! all filters, so that a rule about data holds for every key alike. Each key may be limited to some models, client keys and users; all
//! of these must fit. A key that is *required* takes the place of its provider's shared keys wherever it fits; one that is *exclusive* does
//! so for all models, also those that it is not for.
//!
//! Where a request wants zero data retention, what a key says about its account counts instead of what the endpoint says.
//!
//! Shared keys are drawn by weight ([`Draw`]): those that the provider has told to wait come last, and the less is left of a key's rate
//! limit, the less often it is drawn.

use turnout_wire::cost::Prices;
use turnout_wire::refusal::{Kind, Refusal};
use turnout_wire::request::Request;

use super::{Asking, Candidate};
use crate::clock::Moment;
use crate::snapshot::{Credential, CredentialKind, Key, Snapshot};

/// Who asks, as far as keys care.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asker<'a> {
    pub(crate) key: Option<&'a Key>,
    pub(crate) user: Option<&'a str>,
    /// Whether nothing may be kept. Never, where no key has a rule: then the endpoints alone have been asked.
    zdr: bool,
}

impl<'a> Asker<'a> {
    pub(crate) fn new(
        snapshot: &Snapshot,
        key: Option<&'a Key>,
        request: &'a Request,
    ) -> Asker<'a> {
        Asker {
            key,
            user: request.user(),
            zdr: snapshot.has_own_keys && wants_zdr(snapshot, key, request),
        }
    }
}

#[cold]
fn wants_zdr(snapshot: &Snapshot, key: Option<&Key>, request: &Request) -> bool {
    let of_key = key.and_then(|key| key.wishes.as_ref());
    snapshot.routing.wishes.zdr
        || of_key.is_some_and(|wishes| wishes.zdr)
        || (request.preferences()).is_some_and(|preferences| preferences.zdr)
}

/// A key of somebody's own that a candidate is bound to.
#[derive(Clone)]
pub(crate) struct Own<'a> {
    pub(crate) credential: &'a Credential,
    /// What the endpoint costs with it: the provider is paid by whose key it is, and the gateway takes its fee.
    pub(crate) prices: Prices,
}

/// Makes the copies: own keys that come first, what the plan says, own keys that come last, model by model. Called only where some
/// provider has keys with a rule.
pub(crate) fn expand<'a>(
    asking: &Asking<'a>,
    planned: Vec<Candidate<'a>>,
) -> Result<Vec<Candidate<'a>>, Refusal> {
    let asker = Asker::new(asking.snapshot, asking.key, asking.request);
    let together = (asking.request.preferences()).is_some_and(|wishes| wishes.across_models);
    let fee_percent = asking.snapshot.billing.byok_fee_percent;
    let mut all = Vec::with_capacity(planned.len() + 4);
    let mut rest = planned.as_slice();
    while let Some(first) = rest.first() {
        let of_model = |candidate: &Candidate<'_>| together || candidate.slug == first.slug;
        let length = rest
            .iter()
            .take_while(|candidate| of_model(candidate))
            .count();
        let (group, behind) = rest.split_at(length);
        rest = behind;
        let copies = |kind: CredentialKind, all: &mut Vec<Candidate<'a>>| {
            for candidate in group {
                let own = candidate.provider.credentials.iter().filter(|credential| {
                    credential.kind == kind && credential.fits(candidate, asker)
                });
                all.extend(own.map(|credential| copy(candidate, credential, fee_percent)));
            }
        };
        copies(CredentialKind::Prioritized, &mut all);
        all.extend(
            group
                .iter()
                .filter(|candidate| has_shared(candidate, asker))
                .cloned(),
        );
        copies(CredentialKind::Fallback, &mut all);
    }
    if all.is_empty() {
        let slug = planned.first().map_or("", |candidate| candidate.slug);
        return Err(Refusal::new(Kind::NoEndpoints)
            .with_message(format!(
                "No endpoints found for {slug} with a key that this request may use: every key of its providers is kept for other \
                 models, client keys or users"
            ))
            .with_requested_models(vec![slug.to_owned()]));
    }
    Ok(all)
}

fn copy<'a>(
    candidate: &Candidate<'a>,
    credential: &'a Credential,
    fee_percent: u32,
) -> Candidate<'a> {
    let prices = candidate.endpoint.prices.clone().unwrap_or_default();
    Candidate {
        own: Some(Box::new(Own {
            credential,
            prices: Prices {
                byok_fee_percent: Some(fee_percent),
                ..prices
            },
        })),
        ..candidate.clone()
    }
}

/// Whether shared keys of the provider may be used.
fn has_shared(candidate: &Candidate<'_>, asker: Asker<'_>) -> bool {
    let mut any = false;
    candidate.provider.credentials.iter().all(|credential| {
        let fits = credential.fits(candidate, asker);
        any |= fits && credential.kind == CredentialKind::Shared;
        !(credential.required && fits || credential.exclusive && credential.is_for(asker))
    }) && any
}

impl Credential {
    /// Whether it may be used at this endpoint, for this model and this client.
    fn fits(&self, candidate: &Candidate<'_>, asker: Asker<'_>) -> bool {
        if asker.zdr && !self.zdr.unwrap_or(candidate.endpoint.data_policy.zdr) {
            return false;
        }
        let models = self.rules.as_ref().and_then(|rules| rules.models.as_ref());
        models.is_none_or(|patterns| {
            patterns
                .iter()
                .any(|pattern| match pattern.strip_suffix('*') {
                    Some(prefix) => candidate.slug.starts_with(prefix),
                    None => pattern == candidate.slug,
                })
        }) && self.is_for(asker)
    }

    /// Whether this client may use it, for whatever model.
    fn is_for(&self, asker: Asker<'_>) -> bool {
        let Some(rules) = &self.rules else {
            return true;
        };
        let among = |list: &Option<Vec<String>>, name: Option<&str>| {
            (list.as_ref()).is_none_or(|list| list.iter().any(|one| Some(one.as_str()) == name))
        };
        among(&rules.keys, asker.key.map(|key| key.name.as_str()))
            && among(&rules.users, asker.user)
    }
}

/// The keys for a candidate: its own, or the shared ones of its provider in the order of a draw.
pub(crate) fn keys<'a>(candidate: &'a Candidate<'a>, asker: Asker<'a>) -> Draw<'a> {
    Draw {
        candidate,
        asker,
        own: candidate.own.as_deref().map(|own| own.credential),
        drawn: [0; DRAWN_MAX],
        count: 0,
    }
}

/// The provider's keys in the order of one weighted draw without replacement, each drawn when it is asked for: nearly
/// always the first one serves.
pub(crate) struct Draw<'a> {
    candidate: &'a Candidate<'a>,
    asker: Asker<'a>,
    /// The only key, for a candidate that is bound to one.
    own: Option<&'a Credential>,
    /// Indices that have been drawn.
    drawn: [u16; DRAWN_MAX],
    count: usize,
}

/// Keys of one provider that are tried for a request; as many as a request may have attempts.
const DRAWN_MAX: usize = 20;

/// Thousandths of its weight that a key with no headroom left keeps: what the provider says may be old.
const HEADROOM_MIN: u64 = 10;

impl<'a> Iterator for Draw<'a> {
    type Item = &'a Credential;

    fn next(&mut self) -> Option<&'a Credential> {
        let credentials = &self.candidate.provider.credentials;
        if let Some(own) = self.own {
            self.count += 1;
            return (self.count == 1).then_some(own);
        }
        if self.count >= credentials.len().min(DRAWN_MAX) {
            return None;
        }
        let index = match credentials.len() {
            1 => 0,
            _ => self.draw(Moment::now())?,
        };
        self.drawn[self.count] = index;
        self.count += 1;
        credentials.get(usize::from(index))
    }
}

impl Draw<'_> {
    /// One of those that have not been drawn, or `None` when there are none.
    fn draw(&self, now: Moment) -> Option<u16> {
        let awake = self.weight(true, now);
        let is_awake = awake > 0;
        let total = match is_awake {
            true => awake,
            false => self.weight(false, now),
        };
        if total == 0 {
            return None;
        }
        let mut ticket = fastrand::u64(..total);
        let mut last = None;
        for (index, weight) in self.left(is_awake, now) {
            last = Some(index);
            if ticket < weight {
                break;
            }
            ticket -= weight;
        }
        last
    }

    fn weight(&self, awake: bool, now: Moment) -> u64 {
        self.left(awake, now).map(|(_, weight)| weight).sum()
    }

    /// Shared keys that have not been drawn, with their weights, all above zero. `awake`: only those that need not wait.
    fn left(&self, awake: bool, now: Moment) -> impl Iterator<Item = (u16, u64)> {
        (0..)
            .zip(&self.candidate.provider.credentials)
            .filter(|(index, credential)| {
                !self.drawn[..self.count].contains(index)
                    && credential.kind == CredentialKind::Shared
                    && credential.fits(self.candidate, self.asker)
            })
            .filter_map(move |(index, credential)| {
                let look = credential.state.look(now);
                if awake && look.is_cooling() {
                    return None;
                }
                let headroom = look.headroom_permille.map_or(1000, u64::from);
                let weight = u64::from(credential.weight.max(1)) * headroom.max(HEADROOM_MIN);
                Some((index, weight))
            })
    }
}
