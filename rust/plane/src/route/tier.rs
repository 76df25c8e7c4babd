//! Tiers of service: where a provider sells a model at several, each is an endpoint of its own, and a request says which may serve
//! (openrouter.md section 2.12).
//!
//! | asked | who may serve | who is first |
//! | --- | --- | --- |
//! | nothing, `default`, `auto` | the ordinary endpoints | as usual |
//! | `priority`, `fast` | those and the priority ones | priority, the fastest of them first |
//! | `flex` | the flex ones only; where there are none, the ordinary ones | the cheapest |
//! | a tier's full slug in `only` or `order` | that one too | as listed |
//! | `:nitro`, `:floor` | the priority ones too, the flex ones too; not with `order` or `service_tier: "default"` | the fastest, the cheapest |

use turnout_wire::api::Api;
use turnout_wire::dialect::Override;
use turnout_wire::request::Request;

use super::name::{Shortcut, Wanted};
use crate::snapshot::{Endpoint, written::ServiceTier};

/// What a request says about the tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Nothing, or a word that the provider may know.
    Any,
    /// The ordinary one, and no other.
    Default,
    Flex,
    Priority,
}

impl Asked {
    pub(crate) fn of(request: &Request) -> Asked {
        match request.service_tier() {
            None => Asked::Any,
            Some("default" | "standard" | "standard_only") => Asked::Default,
            Some("flex") => Asked::Flex,
            Some("priority" | "fast") => Asked::Priority,
            Some(_) => Asked::Any,
        }
    }

    /// Whether an endpoint without a tier is told nothing about it ([`overrides`]).
    pub(super) fn says_nothing(self) -> bool {
        !matches!(self, Asked::Flex | Asked::Priority)
    }

    /// Whether it asks for this tier.
    pub(crate) fn is(self, tier: ServiceTier) -> bool {
        match tier {
            ServiceTier::Flex => self == Asked::Flex,
            ServiceTier::Priority => self == Asked::Priority,
        }
    }

    /// Whether the tier is let in by the request's field or, where nothing else is said, by the model's name.
    pub(crate) fn admits(
        self,
        tier: ServiceTier,
        shortcut: Option<Shortcut>,
        is_ordered: bool,
    ) -> bool {
        let by_name = match shortcut {
            Some(Shortcut::Nitro) => tier == ServiceTier::Priority,
            Some(Shortcut::Floor) => tier == ServiceTier::Flex,
            _ => false,
        };
        self.is(tier) || (by_name && self == Asked::Any && !is_ordered)
    }
}

/// What an endpoint has to be told about the tier, in the words of the client's API, so that it is the one that the endpoint stands
/// for. Nothing where the client has said the same already, or where the provider alone knows what its word means.
pub(crate) fn overrides(
    request: &Request,
    asked: Asked,
    wanted: &Wanted<'_>,
    endpoint: &Endpoint,
) -> Vec<Override<'static>> {
    let word = match endpoint.service_tier {
        Some(ServiceTier::Flex) => "flex",
        Some(ServiceTier::Priority) => "priority",
        // The ordinary endpoint of a provider whose other tier stands beside it. Where there is none beside it, the client's
        // word goes on: the provider may have a tier of which the configuration does not know.
        None if matches!(asked, Asked::Flex | Asked::Priority) && has_sibling(wanted, endpoint) => {
            "default"
        }
        None => return Vec::new(),
    };
    if request.service_tier() == Some(word) {
        return Vec::new();
    }
    let said = |name, value: Option<&'static str>| Override {
        name,
        value: value.map(Into::into),
    };
    match (request.api(), word) {
        // Anthropic's API has its own words, and another member for what is fast.
        (Api::Messages, "priority") => {
            vec![said("speed", Some("\"fast\"")), said("service_tier", None)]
        }
        (Api::Messages, "flex") => {
            vec![said("speed", None), said("service_tier", Some("\"flex\""))]
        }
        (Api::Messages, _) => vec![said("speed", None), said("service_tier", None)],
        (Api::Gemini, _) => vec![
            said("service_tier", None),
            said("serviceTier", Some(quoted(word))),
        ],
        _ => vec![said("service_tier", Some(quoted(word)))],
    }
}

/// Whether the same provider sells the same model at another tier.
fn has_sibling(wanted: &Wanted<'_>, endpoint: &Endpoint) -> bool {
    (wanted.endpoints.iter()).any(|other| {
        other.service_tier.is_some()
            && other.provider == endpoint.provider
            && other.model == endpoint.model
    })
}

fn quoted(word: &str) -> &'static str {
    match word {
        "flex" => "\"flex\"",
        "priority" => "\"priority\"",
        _ => "\"default\"",
    }
}
