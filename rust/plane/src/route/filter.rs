//! Which endpoints may serve at all: the hard filters, each with the [`Reason`] that it gives.
//!
//! They are asked in the order of openrouter.md section 3.1. An endpoint is dropped by the first that it does not pass; when nobody
//! is left, the client is told what kept out the endpoint that came furthest.

use turnout_wire::dialect::Op;
use turnout_wire::preferences::Preferences;
use turnout_wire::refusal::{Kind, Refusal};

use super::Asking;
use super::name::{self, Names, Wanted};
use super::rank::{Entry, UNLISTED};
use super::reason::Reason;
use crate::snapshot::{Endpoint, Provider};

/// What a request asks of the endpoints that serve it.
pub(crate) struct Filter<'f, 'a> {
    asking: &'f Asking<'a>,
    preferences: Option<&'a Preferences>,
    /// The reason of the endpoint that came furthest, and the model that it is an endpoint of.
    nearest: Option<(Reason, &'a str)>,
    /// The longest answer that a dropped endpoint generates.
    longest: Option<u64>,
}

impl<'f, 'a> Filter<'f, 'a> {
    pub(crate) fn new(asking: &'f Asking<'a>) -> Filter<'f, 'a> {
        Filter {
            asking,
            preferences: asking.request.preferences(),
            nearest: None,
            longest: None,
        }
    }

    /// The endpoint as an entry of the ranking, or `None` when it may not serve.
    pub(crate) fn pass(
        &mut self,
        model: usize,
        wanted: &Wanted<'a>,
        endpoint: &'a Endpoint,
    ) -> Option<Entry<'a>> {
        let provider = self.asking.snapshot.providers.get(endpoint.provider)?;
        let judged = match self.judge(endpoint, provider) {
            Ok((wire_index, ..))
                if wanted.online && !name::searches(endpoint, provider, wire_index) =>
            {
                Err(Reason::WebSearch)
            }
            judged => judged,
        };
        match judged {
            Ok((wire_index, op, place)) => Some(Entry {
                endpoint,
                provider,
                model,
                wire_index,
                op,
                place,
            }),
            Err(reason) => {
                self.nearest = self.nearest.max(Some((reason, wanted.slug)));
                self.asking.note(|trace| {
                    trace.dropped(
                        wanted.slug,
                        provider,
                        endpoint,
                        reason.name(),
                        String::new(),
                    );
                });
                None
            }
        }
    }

    /// How it would be asked, and its place in `order`.
    fn judge(
        &mut self,
        endpoint: &Endpoint,
        provider: &Provider,
    ) -> Result<(usize, Op, usize), Reason> {
        let request = self.asking.request;
        let api = request.api();
        if !endpoint.outputs.serve(api.task()) {
            return Err(Reason::Operation);
        }
        let (wire_index, op) = provider
            .way(api, request.stream(), endpoint.dialect)
            .ok_or(Reason::Operation)?;
        // Another tier of service is only used when it is asked for.
        if endpoint.service_tier.is_some() {
            return Err(Reason::ServiceTier);
        }
        let mut place = UNLISTED;
        if let Some(preferences) = self.preferences {
            let named = |names: &[String]| {
                (names.iter()).position(|name| is_named(endpoint, provider, name))
            };
            if (!preferences.only.is_empty() && named(&preferences.only).is_none())
                || named(&preferences.ignore).is_some()
            {
                return Err(Reason::Providers);
            }
            place = named(&preferences.order).unwrap_or(UNLISTED);
            if place == UNLISTED && !preferences.order.is_empty() && !preferences.allow_fallbacks {
                return Err(Reason::Providers);
            }
        }
        if let (Some(asked), Some(max)) = (request.max_tokens(), endpoint.completion_tokens_max)
            && asked > max
        {
            self.longest = self.longest.max(Some(max));
            return Err(Reason::MaxTokens);
        }
        Ok((wire_index, op, place))
    }

    /// What the client is told when nobody is left.
    pub(crate) fn refusal(&self, names: &Names<'_>) -> Refusal {
        let request = self.asking.request;
        let first = names.wanted.first().map_or("", |wanted| wanted.slug);
        let (kind, name, message) = match self.nearest {
            Some((Reason::MaxTokens, _)) => (
                Kind::ConstraintFiltered,
                first,
                format!(
                    "No endpoints found for {first} that generate {} tokens; the longest generates {}",
                    request.max_tokens().unwrap_or_default(),
                    self.longest.unwrap_or_default()
                ),
            ),
            Some((Reason::Operation, slug)) => (
                Kind::WrongEndpoint,
                slug,
                format!(
                    "{slug} cannot be used with this API ({}); GET /v1/models shows what each model gives",
                    request.api().name()
                ),
            ),
            Some((Reason::WebSearch, slug)) => (
                Kind::NoEndpoints,
                slug,
                format!(
                    "No endpoints found for {slug} that can search the web (:online, or the plugin web); GET /v1/models shows which models take web_search_options"
                ),
            ),
            _ => (
                Kind::NoEndpoints,
                first,
                format!("No endpoints found for {first} that match \"provider\" in the request"),
            ),
        };
        Refusal::new(kind)
            .with_message(message)
            .with_requested_models(vec![name.to_owned()])
    }
}

/// Whether `name` means this endpoint: its tag, its provider's slug, or its provider's display name.
fn is_named(endpoint: &Endpoint, provider: &Provider, name: &str) -> bool {
    name.eq_ignore_ascii_case(&endpoint.tag)
        || name.eq_ignore_ascii_case(&provider.slug)
        || name.eq_ignore_ascii_case(&provider.name)
}
