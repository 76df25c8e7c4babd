//! Which endpoints may serve at all: the hard filters, each with the [`Reason`] that it gives.
//!
//! An endpoint is dropped by the first filter that it does not pass; when nobody is left, the client is told what kept out the
//! endpoint that came furthest, and all reasons beside it. What the gateway, the key and the request wish is joined to the strictest:
//! an endpoint must be in each `only`, may be in no `ignore`, and one wish for privacy is enough.
//!
//! What is not known is taken so that no promise is broken: a price that is not known is above every `max_price`, and a data policy
//! that is not known trains and keeps. What an endpoint can do is taken the other way: parameters, media and lengths that are not known
//! are no reason to leave it out.
//!
//! Four wishes are weaker (openrouter.md section 2.3). If some endpoints of a model take tools, give the wished form of the answer, know
//! `verbosity`, or read documents, then the others are left out; if none does, the model stays, and the parameter is dropped. Only tools
//! that nobody takes are a refusal, unless `routing.require_tools` is off, because an agent without its tools does harm.
//!
//! A conversation's length is an estimate, so it drops an endpoint only where it is beyond doubt: at twice as many bytes per token as
//! usual. One that does not fit by the usual estimate stands behind those that it fits into.

use turnout_wire::api::Task;
use turnout_wire::cost::Prices;
use turnout_wire::count;
use turnout_wire::dialect::{Dialect, Op};
use turnout_wire::feature::{self, Media, Medium};
use turnout_wire::parameter::{Parameter, Parameters};
use turnout_wire::preferences::{MaxPrice, Preferences, Quantizations};
use turnout_wire::refusal::{Kind, Refusal};

use super::Asking;
use super::name::{self, Names, Wanted};
use super::rank::{Entries, Entry, UNLISTED};
use super::reason::{Reason, Reasons};
use super::tier::Asked;
use super::way;
use crate::snapshot::written::{ServiceTier, Wishes};
use crate::snapshot::{Endpoint, Provider};

/// What a request asks of the endpoints that serve it, and what was found out about that so far.
pub(crate) struct Filter<'f, 'a> {
    asking: &'f Asking<'a>,
    /// How an endpoint is asked for this.
    way: way::Asked,
    preferences: Option<&'a Preferences>,
    /// Those preferences, where they say who may serve.
    picky: Option<&'a Preferences>,
    /// Their `max_price`; `None`: they have none.
    limits: Option<Limits>,
    /// Those of the gateway and of the key, where they say who may serve.
    wishes: [Option<&'a Wishes>; 2],
    pub(crate) tier: Asked,
    /// The most tokens that the conversation and its answer could have: one has at least a byte. 0 where no answer is generated.
    tokens_max: u64,
    /// Read when an endpoint lacks something.
    needs: Option<Parameters>,
    parameters: Option<Parameters>,
    media: Option<Media>,
    tokens: Option<u64>,
    reasons: Reasons,
    /// The model of which an endpoint came furthest.
    nearest: Option<(Reason, &'a str)>,
    /// The most that a dropped endpoint generates, and reads.
    longest: Option<u64>,
    largest: Option<u64>,
    /// The endpoint with the largest context may serve, although the conversation does not fit.
    takes_too_long: bool,
    /// What a dropped endpoint cannot read.
    unread: Option<Medium>,
    /// What a dropped endpoint does not take.
    lacking: Option<Parameter>,
}

/// Media without which a conversation makes no sense; documents are left to the provider, which may turn them into text.
const WATCHED: Media = Media::ALL.without(Media::NONE.with(Medium::File));

impl<'f, 'a> Filter<'f, 'a> {
    pub(crate) fn new(asking: &'f Asking<'a>) -> Filter<'f, 'a> {
        let restricts = |wishes: &&Wishes| {
            !wishes.only.is_empty() || !wishes.ignore.is_empty() || !wishes.training || wishes.zdr
        };
        let request = asking.request;
        let preferences = request.preferences();
        let asked = request.max_tokens().unwrap_or(0);
        Filter {
            asking,
            way: way::Asked::new(request.api(), request.stream()),
            preferences,
            picky: preferences.filter(|preferences| is_picky(preferences)),
            limits: preferences.and_then(|preferences| Limits::of(&preferences.max_price)),
            wishes: [
                Some(&asking.snapshot.routing.wishes).filter(restricts),
                (asking.key.and_then(|key| key.wishes.as_ref())).filter(restricts),
            ],
            tier: Asked::of(request),
            tokens_max: match request.api().task() {
                Task::Generate => (request.body().len() as u64).saturating_add(asked),
                _ => 0,
            },
            needs: None,
            parameters: None,
            media: None,
            tokens: None,
            reasons: Reasons::default(),
            nearest: None,
            longest: None,
            largest: None,
            takes_too_long: false,
            unread: None,
            lacking: None,
        }
    }

    /// Adds those endpoints of a model to the ranking that may serve.
    pub(crate) fn pass(&mut self, model: usize, wanted: &Wanted<'a>, entries: &mut Entries<'a>) {
        let start = entries.len();
        let model = u16::try_from(model).unwrap_or(u16::MAX);
        let (mut all_read_files, mut all_take_everything) = (true, true);
        for endpoint in wanted.endpoints {
            let Some(provider) = self.asking.snapshot.providers.get(endpoint.provider) else {
                continue;
            };
            match self.judge(wanted, endpoint, provider) {
                Ok(passed) => {
                    all_read_files &= endpoint.media.has(Medium::File);
                    all_take_everything &= endpoint.parameters.is_none_or(takes_everything);
                    entries.push(Entry::new(endpoint, provider, model, passed));
                }
                Err(reason) => self.dropped(wanted.slug, provider, endpoint, reason),
            }
        }
        let passed = entries.len() - start;
        if passed > 0 && self.tier == Asked::Flex {
            self.favour(
                wanted.slug,
                entries,
                start,
                Reason::ServiceTier,
                |endpoint| endpoint.service_tier == Some(ServiceTier::Flex),
            );
        }
        if passed > 1 && !all_read_files && self.media().has(Medium::File) {
            self.favour(wanted.slug, entries, start, Reason::Modality, |endpoint| {
                endpoint.media.has(Medium::File)
            });
        }
        if passed > 0 && !all_take_everything && !self.needs().is_empty() {
            self.narrow(wanted.slug, entries, start);
        }
    }

    /// Whether this endpoint may serve by itself, for those who choose among models.
    pub(crate) fn may(&mut self, wanted: &Wanted<'_>, endpoint: &Endpoint) -> bool {
        let provider = self.asking.snapshot.providers.get(endpoint.provider);
        provider.is_some_and(|provider| self.judge(wanted, endpoint, provider).is_ok())
    }

    /// Lets the endpoint with the largest context serve in spite of a conversation that is too long, when that is what kept everybody
    /// out: its provider says so in the words that its clients know, and it may count otherwise. False: something else did.
    pub(crate) fn take_too_long(&mut self) -> bool {
        self.takes_too_long =
            matches!(self.nearest, Some((Reason::ContextLength, _))) && !self.takes_too_long;
        self.takes_too_long
    }

    #[inline(never)]
    fn dropped(&mut self, slug: &'a str, provider: &Provider, endpoint: &Endpoint, reason: Reason) {
        self.reasons.add(reason);
        if self.nearest.is_none_or(|(nearest, _)| nearest < reason) {
            self.nearest = Some((reason, slug));
        }
        self.asking.note(|trace| {
            trace.dropped(slug, provider, endpoint, reason.name(), String::new());
        });
    }

    /// How it would be asked.
    #[inline(always)]
    fn judge(
        &mut self,
        wanted: &Wanted<'_>,
        endpoint: &Endpoint,
        provider: &Provider,
    ) -> Result<Passed, Reason> {
        let (wire_index, op) = endpoint.ways.get(self.way).ok_or(Reason::Operation)?;
        if let Some(tier) = endpoint.service_tier
            && !self.admits(tier, wanted, endpoint)
        {
            return Err(Reason::ServiceTier);
        }
        if let Some(region) = self.asking.region
            && !(endpoint.region.as_deref()).is_some_and(|it| it.eq_ignore_ascii_case(region))
        {
            return Err(Reason::Region);
        }
        for wishes in self.wishes.iter().flatten() {
            may_be(endpoint, provider, &wishes.only, &wishes.ignore)?;
            keeps(endpoint, provider, !wishes.training, wishes.zdr)?;
        }
        let mut place = UNLISTED;
        if let Some(preferences) = self.picky {
            place = prefer(preferences, wanted, endpoint, provider)?;
            if let Some(limits) = &self.limits
                && !(endpoint.prices.as_ref()).is_some_and(|prices| limits.admit(prices))
            {
                return Err(Reason::MaxPrice);
            }
        }
        let doubtful = match endpoint.context_length {
            Some(context) if self.tokens_max > context => self.fits(context)?,
            _ => false,
        };
        if let Some(max) = endpoint.completion_tokens_max
            && self.asking.request.max_tokens() > Some(max)
        {
            self.longest = self.longest.max(Some(max));
            return Err(Reason::MaxTokens);
        }
        let unread = WATCHED.without(endpoint.media);
        if !unread.is_empty()
            && let Some(medium) = unread.and(self.media()).first()
        {
            self.unread = Some(medium);
            return Err(Reason::Modality);
        }
        if self.preferences.is_some_and(|p| p.require_parameters) {
            self.takes_all(endpoint, provider, wire_index)?;
        }
        if wanted.online && !name::searches(endpoint, provider, wire_index) {
            return Err(Reason::WebSearch);
        }
        Ok(Passed {
            wire_index,
            op,
            place,
            doubtful,
        })
    }

    fn admits(&self, tier: ServiceTier, wanted: &Wanted<'_>, endpoint: &Endpoint) -> bool {
        let is_ordered = self.preferences.is_some_and(|p| !p.order.is_empty());
        self.tier.admits(tier, wanted.shortcut, is_ordered)
            || self.preferences.is_some_and(|preferences| {
                let mut named = preferences.only.iter().chain(&preferences.order);
                named.any(|name| name.eq_ignore_ascii_case(&endpoint.tag))
            })
    }

    /// Whether the conversation and the answer fit, where that is not plain from their length in bytes; true inside: they may not.
    #[cold]
    fn fits(&mut self, context: u64) -> Result<bool, Reason> {
        let request = self.asking.request;
        let asked = request.max_tokens().unwrap_or(0);
        let tokens = *self.tokens.get_or_insert_with(|| count::estimate(request));
        if (tokens / 2).saturating_add(asked) > context {
            self.largest = self.largest.max(Some(context));
            return match self.takes_too_long && self.largest == Some(context) {
                true => Ok(true),
                false => Err(Reason::ContextLength),
            };
        }
        Ok(tokens.saturating_add(asked) > context)
    }

    fn takes_all(
        &mut self,
        endpoint: &Endpoint,
        provider: &Provider,
        wire_index: u8,
    ) -> Result<(), Reason> {
        let request = self.asking.request;
        if let Some(known) = endpoint.parameters {
            let wanted = *(self.parameters).get_or_insert_with(|| feature::parameters(request));
            if let Some(parameter) = wanted.first_beyond(known) {
                self.lacking = Some(parameter);
                return Err(Reason::Parameters);
            }
        }
        // Only these two protocols have marks for what is to be kept; another gateway passes them on.
        let marks = (provider.wires.get(usize::from(wire_index)))
            .is_some_and(|wire| matches!(wire.dialect, Dialect::Anthropic | Dialect::Bedrock));
        match marks || provider.routing_fields || !feature::marks_cache(request) {
            true => Ok(()),
            false => Err(Reason::CacheControl),
        }
    }

    /// The weaker wishes about parameters, among the endpoints of one model: those from `start` on.
    fn narrow(&mut self, slug: &'a str, entries: &mut Entries<'a>, start: usize) {
        let needs = self.needs();
        let takes = |parameter: Parameter| {
            move |endpoint: &Endpoint| {
                (endpoint.parameters).is_none_or(|known| known.has(parameter))
            }
        };
        if needs.has(Parameter::Tools)
            && !self.favour(slug, entries, start, Reason::Tools, takes(Parameter::Tools))
            && self.asking.snapshot.routing.require_tools
        {
            for entry in entries.drain(start..) {
                self.dropped(slug, entry.provider, entry.endpoint, Reason::Tools);
            }
            return;
        }
        // A form by a schema is a form too, for endpoints that only know the plainer one.
        for (parameter, reason) in [
            (Parameter::StructuredOutputs, Reason::ResponseFormat),
            (Parameter::ResponseFormat, Reason::ResponseFormat),
            (Parameter::Verbosity, Reason::Verbosity),
        ] {
            if needs.has(parameter) {
                self.favour(slug, entries, start, reason, takes(parameter));
            }
        }
    }

    /// Leaves out those that do not do something, if some do. Whether some do.
    fn favour(
        &mut self,
        slug: &'a str,
        entries: &mut Entries<'a>,
        start: usize,
        reason: Reason,
        does: impl Fn(&Endpoint) -> bool,
    ) -> bool {
        let group = entries.get(start..).unwrap_or_default();
        if !group.iter().any(|entry| does(entry.endpoint)) {
            return false;
        }
        let mut index = 0;
        entries.retain(|entry| {
            index += 1;
            let kept = index <= start || does(entry.endpoint);
            if !kept {
                self.dropped(slug, entry.provider, entry.endpoint, reason);
            }
            kept
        });
        true
    }

    /// What the answer would be wrong without.
    pub(crate) fn needs(&mut self) -> Parameters {
        let request = self.asking.request;
        *(self.needs).get_or_insert_with(|| feature::needs(request))
    }

    fn media(&mut self) -> Media {
        let request = self.asking.request;
        *(self.media).get_or_insert_with(|| feature::media(request))
    }

    /// What the client is told when nobody is left.
    pub(crate) fn refusal(&self, names: &Names<'_>) -> Refusal {
        let request = self.asking.request;
        let first = names.wanted.first().map_or("", |wanted| wanted.slug);
        let Some((reason, slug)) = self.nearest else {
            return Refusal::new(Kind::NoEndpoints)
                .with_message(format!("No endpoints found for {first}."))
                .with_requested_models(vec![first.to_owned()]);
        };
        let found = |what: &str| format!("No endpoints found for {first} {what}");
        let constraint = Kind::ConstraintFiltered;
        let (kind, message) = match reason {
            Reason::Operation => (
                Kind::WrongEndpoint,
                format!(
                    "{slug} cannot be used with this API ({}); GET /v1/models shows what each model gives",
                    request.api().name()
                ),
            ),
            Reason::ServiceTier => (
                constraint,
                found("in the ordinary tier of service; ask for one with \"service_tier\""),
            ),
            Reason::Region => (
                Kind::RegionRestricted,
                found(&format!(
                    "in the region {} that this host stands for; use another host, or give endpoints a \"region\"",
                    self.asking.region.unwrap_or_default()
                )),
            ),
            Reason::Providers => (
                constraint,
                "No allowed providers are available for the selected model.".to_owned(),
            ),
            Reason::Training | Reason::Retention if self.is_restricted() => (
                Kind::PrivacyRestricted,
                format!(
                    "No endpoints available matching your guardrail restrictions and data policy. Configure: {CONFIGURE}"
                ),
            ),
            Reason::Training => (
                Kind::PrivacyRestricted,
                format!(
                    "No endpoints found matching your data policy (Paid model training). Configure: {CONFIGURE}"
                ),
            ),
            Reason::Retention => (
                Kind::PrivacyRestricted,
                format!(
                    "No endpoints found matching your data policy (Zero data retention). Configure: {CONFIGURE}"
                ),
            ),
            Reason::Distillable => (
                constraint,
                found(
                    "whose author is known to permit distillation (\"provider.enforce_distillable_text\")",
                ),
            ),
            Reason::Quantization => (constraint, found("that match \"provider.quantizations\"")),
            Reason::MaxPrice => (
                constraint,
                found("whose price is known and within \"provider.max_price\""),
            ),
            Reason::ContextLength => (
                constraint,
                found(&format!(
                    "whose context is long enough: the request has about {} tokens and asks for {} more; the largest that was left out has {}",
                    self.tokens.unwrap_or_default(),
                    request.max_tokens().unwrap_or_default(),
                    self.largest.unwrap_or_default()
                )),
            ),
            Reason::MaxTokens => (
                constraint,
                found(&format!(
                    "that generate {} tokens; the longest generates {}",
                    request.max_tokens().unwrap_or_default(),
                    self.longest.unwrap_or_default()
                )),
            ),
            Reason::Modality => (
                constraint,
                format!(
                    "No endpoints found that support {} input",
                    self.unread.map_or("this", Medium::name)
                ),
            ),
            Reason::Parameters => (
                Kind::NoEndpoints,
                format!(
                    "No endpoints found that support all parameters: {} is not taken; leave it out, or do without \"provider.require_parameters\"; GET /v1/models/{first}/endpoints lists what each endpoint takes",
                    self.lacking.map_or("one", Parameter::name)
                ),
            ),
            Reason::CacheControl => (
                Kind::NoEndpoints,
                "No endpoints found that support cache control".to_owned(),
            ),
            Reason::WebSearch => (
                Kind::NoEndpoints,
                format!(
                    "No endpoints found for {slug} that can search the web (:online, or the plugin web); GET /v1/models shows which models take web_search_options"
                ),
            ),
            Reason::Tools => {
                let advice = match feature::first_tool(request) {
                    Some(tool) => format!(" Try disabling \"{tool}\"."),
                    None => String::new(),
                };
                (
                    Kind::NoEndpoints,
                    format!(
                        "No endpoints found that support tool use.{advice} To learn more about provider routing, visit: {CONFIGURE}"
                    ),
                )
            }
            // These two only drop an endpoint when another one stays.
            Reason::ResponseFormat | Reason::Verbosity => (constraint, found("")),
        };
        let mut refusal = Refusal::new(kind)
            .with_message(message)
            .with_requested_models(match kind {
                Kind::WrongEndpoint => vec![slug.to_owned()],
                _ => (names.wanted.iter())
                    .map(|wanted| wanted.slug.to_owned())
                    .collect(),
            });
        if kind != Kind::WrongEndpoint {
            let reasons = self.reasons.iter().filter(|&reason| {
                reason != Reason::Operation
                    && (reason != Reason::ServiceTier || reason == self.last())
            });
            refusal = refusal.with_excluded_by(reasons.map(Reason::name).collect());
        }
        if let Some((field, detail)) = self.constraint(reason) {
            refusal = refusal.with_constraint(field, detail);
        }
        match reason {
            Reason::Providers => refusal.with_providers(self.available(names), self.requested()),
            _ => refusal,
        }
    }

    fn last(&self) -> Reason {
        self.nearest.map_or(Reason::Operation, |(reason, _)| reason)
    }

    /// Whether it is the gateway or the key that asks for more privacy than the request does.
    fn is_restricted(&self) -> bool {
        self.wishes
            .iter()
            .flatten()
            .any(|wishes| !wishes.training || wishes.zdr)
    }

    /// The member that keeps endpoints out, and what it says.
    fn constraint(&self, reason: Reason) -> Option<(&'static str, String)> {
        let request = self.asking.request;
        let preferences = self.preferences;
        Some(match reason {
            Reason::Training => ("provider.data_collection", "deny".to_owned()),
            Reason::Retention => ("provider.zdr", "true".to_owned()),
            Reason::Distillable => ("provider.enforce_distillable_text", "true".to_owned()),
            Reason::MaxPrice => {
                let max = preferences?.max_price;
                let named = [
                    ("prompt", max.prompt),
                    ("completion", max.completion),
                    ("request", max.request),
                    ("image", max.image),
                    ("audio", max.audio),
                ];
                let said = named.iter().filter_map(|(name, nano)| {
                    let nano = (*nano)?;
                    Some(format!("{name} {}.{:09}", nano / NANO, nano % NANO))
                });
                let said: Vec<_> = said.collect();
                ("provider.max_price", said.join(", "))
            }
            Reason::ContextLength => (
                "messages",
                format!("about {} tokens", self.tokens.unwrap_or_default()),
            ),
            Reason::MaxTokens => ("max_tokens", request.max_tokens()?.to_string()),
            Reason::Modality => ("messages", self.unread?.name().to_owned()),
            Reason::Parameters => (
                "provider.require_parameters",
                self.lacking?.name().to_owned(),
            ),
            Reason::Tools => ("tools", feature::first_tool(request)?),
            Reason::Region => ("host", self.asking.region?.to_owned()),
            _ => return None,
        })
    }

    /// Slugs of the providers that have any of the models.
    fn available(&self, names: &Names<'_>) -> Vec<String> {
        let mut slugs: Vec<String> = Vec::new();
        for endpoint in names.wanted.iter().flat_map(|wanted| wanted.endpoints) {
            if let Some(provider) = self.asking.snapshot.providers.get(endpoint.provider)
                && !slugs.contains(&provider.slug)
            {
                slugs.push(provider.slug.clone());
            }
        }
        slugs
    }

    /// The names that the request gives.
    fn requested(&self) -> Vec<String> {
        let Some(preferences) = self.preferences else {
            return Vec::new();
        };
        let mut names = preferences.only.clone();
        if !preferences.allow_fallbacks {
            names.extend(preferences.order.iter().cloned());
        }
        names
    }
}

/// Where the wishes of everybody are said.
const CONFIGURE: &str = "routing in turnout.yaml (docs/routing.md)";

const NANO: u64 = 1_000_000_000;

/// Whether an endpoint takes every parameter that makes one preferable and is not necessary.
fn takes_everything(known: Parameters) -> bool {
    known.has(Parameter::Tools)
        && known.has(Parameter::ResponseFormat)
        && known.has(Parameter::StructuredOutputs)
        && known.has(Parameter::Verbosity)
}

/// How an endpoint that may serve would be asked.
pub(crate) struct Passed {
    pub(crate) wire_index: u8,
    pub(crate) op: Op,
    pub(crate) place: u8,
    pub(crate) doubtful: bool,
}

/// Whether preferences say anything about who may serve, or in which order.
fn is_picky(preferences: &Preferences) -> bool {
    !preferences.only.is_empty()
        || !preferences.ignore.is_empty()
        || !preferences.order.is_empty()
        || preferences.deny_data_collection
        || preferences.zdr
        || preferences.enforce_distillable_text
        || preferences.quantizations != Quantizations::default()
        || preferences.max_price != MaxPrice::default()
}

/// The request's own wishes, but for its price; the place in `order`. Called at one place, for each endpoint.
#[inline(always)]
fn prefer(
    preferences: &Preferences,
    wanted: &Wanted<'_>,
    endpoint: &Endpoint,
    provider: &Provider,
) -> Result<u8, Reason> {
    may_be(endpoint, provider, &preferences.only, &preferences.ignore)?;
    let place = (0..UNLISTED)
        .zip(&preferences.order)
        .find_map(|(place, name)| is_named(endpoint, provider, name).then_some(place))
        .unwrap_or(UNLISTED);
    if place == UNLISTED && !preferences.order.is_empty() && !preferences.allow_fallbacks {
        return Err(Reason::Providers);
    }
    keeps(
        endpoint,
        provider,
        preferences.deny_data_collection,
        preferences.zdr,
    )?;
    if preferences.enforce_distillable_text
        && wanted.model.and_then(|model| model.distillable) != Some(true)
    {
        return Err(Reason::Distillable);
    }
    if !preferences
        .quantizations
        .admit(endpoint.quantization.as_deref())
    {
        return Err(Reason::Quantization);
    }
    Ok(place)
}

#[inline]
fn may_be(
    endpoint: &Endpoint,
    provider: &Provider,
    only: &[String],
    ignore: &[String],
) -> Result<(), Reason> {
    let is_in = |names: &[String]| names.iter().any(|name| is_named(endpoint, provider, name));
    match (only.is_empty() || is_in(only)) && !is_in(ignore) {
        true => Ok(()),
        false => Err(Reason::Providers),
    }
}

fn keeps(
    endpoint: &Endpoint,
    provider: &Provider,
    no_training: bool,
    zdr: bool,
) -> Result<(), Reason> {
    if no_training && endpoint.data_policy.training != Some(false) {
        return Err(Reason::Training);
    }
    // With a key of such an account it may serve; `credential::expand` leaves it the other keys out.
    match zdr && !endpoint.data_policy.zdr && !provider.has_zdr_key {
        true => Err(Reason::Retention),
        false => Ok(()),
    }
}

/// [`MaxPrice`] with the largest number where there is no bound, so that each endpoint takes five comparisons.
#[derive(Debug)]
struct Limits {
    prompt: u64,
    completion: u64,
    request: u64,
    image: u64,
    audio: u64,
}

impl Limits {
    /// `None`: there is no bound at all, and a price that is not known is none either.
    fn of(max: &MaxPrice) -> Option<Limits> {
        let bound = |max: Option<u64>| max.unwrap_or(u64::MAX);
        (*max != MaxPrice::default()).then(|| Limits {
            prompt: bound(max.prompt),
            completion: bound(max.completion),
            request: bound(max.request),
            image: bound(max.image),
            audio: bound(max.audio),
        })
    }

    fn admit(&self, prices: &Prices) -> bool {
        prices.prompt <= self.prompt
            && prices.completion <= self.completion
            && prices.request <= self.request
            && prices.image <= self.image
            && prices.audio_prompt.unwrap_or(prices.prompt) <= self.audio
    }
}

/// Whether `name` means this endpoint: its tag, its provider's slug, or its provider's display name. The latter two mean all endpoints
/// of the provider; that those of another tier are not meant is decided before, by who is let in at all.
fn is_named(endpoint: &Endpoint, provider: &Provider, name: &str) -> bool {
    name.eq_ignore_ascii_case(&endpoint.tag)
        || name.eq_ignore_ascii_case(&provider.slug)
        || name.eq_ignore_ascii_case(&provider.name)
}
