//! What a generation costs, over more cases than a person writes: properties for any prices and counts, and an independent oracle.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use turnout_wire::cost::{Cost, Prices, Service, ServiceTier, Tier};
use turnout_wire::usage::Usage;

/// Ordinary numbers and the largest, where sums and products overflow first.
fn any_count() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0..2_000_000u64,
        1 => any::<u64>(),
        1 => Just(u64::MAX),
    ]
}

/// Up to 100 dollars per million tokens, or anything.
fn any_price() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0..100_000_000_000u64,
        1 => any::<u64>(),
        1 => Just(u64::MAX),
    ]
}

fn any_usage() -> impl Strategy<Value = Usage> {
    prop::collection::vec(any_count(), 16).prop_map(|counts| {
        let mut counts = counts.into_iter();
        let mut next = || counts.next().unwrap();
        Usage {
            prompt: next(),
            completion: next(),
            total: next(),
            reasoning: next(),
            cached: next(),
            cache_write: next(),
            cache_write_1h: next(),
            prompt_audio: next(),
            completion_audio: next(),
            prompt_image: next(),
            completion_image: next(),
            images: next(),
            web_searches: next(),
            search_units: next(),
            seconds_milli: next(),
            characters: next(),
        }
    })
}

fn any_prices() -> impl Strategy<Value = Prices> {
    let optional = prop::collection::vec(prop::option::of(any_price()), 5);
    (
        prop::collection::vec(any_price(), 11),
        optional,
        prop::collection::vec(any_tier(), 0..3),
        prop::collection::vec(any_service(), 0..3),
    )
        .prop_map(|(prices, optional, mut tiers, service)| {
            let mut prices = prices.into_iter();
            let mut next = || prices.next().unwrap();
            let mut optional = optional.into_iter();
            let mut perhaps = || optional.next().unwrap();
            tiers.sort_by_key(|tier| tier.above_tokens);
            Prices {
                version: String::new(),
                prompt: next(),
                completion: next(),
                cache_read: next(),
                cache_write: next(),
                cache_write_1h: next(),
                reasoning: perhaps(),
                audio_prompt: perhaps(),
                audio_completion: perhaps(),
                image_prompt: perhaps(),
                image_completion: perhaps(),
                image: next(),
                request: next(),
                web_search: next(),
                search_unit: next(),
                second: next(),
                character: next(),
                tiers,
                service,
                byok_fee_percent: None,
            }
        })
}

fn any_tier() -> impl Strategy<Value = Tier> {
    let optional = prop::collection::vec(prop::option::of(any_price()), 5);
    (any_count(), optional).prop_map(|(above_tokens, prices)| {
        let mut prices = prices.into_iter();
        let mut next = || prices.next().unwrap();
        Tier {
            above_tokens,
            prompt: next(),
            completion: next(),
            cache_read: next(),
            cache_write: next(),
            cache_write_1h: next(),
        }
    })
}

fn any_service() -> impl Strategy<Value = Service> {
    let tier = prop::sample::select(vec![
        ServiceTier::Flex,
        ServiceTier::Priority,
        ServiceTier::Batch,
    ]);
    let optional = prop::collection::vec(prop::option::of(any_price()), 4);
    (tier, optional).prop_map(|(tier, prices)| {
        let mut prices = prices.into_iter();
        let mut next = || prices.next().unwrap();
        Service {
            tier,
            prompt: next(),
            completion: next(),
            cache_read: next(),
            cache_write: next(),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_parts_never_exceed_the_total(
        usage in any_usage(),
        prices in any_prices(),
        tier in prop::sample::select(vec![None, Some("flex"), Some("priority"), Some("batch"), Some("default")]),
    ) {
        let cost = Cost::of(&usage, Some(&prices), tier);
        let parts = u128::from(cost.prompt_nano) + u128::from(cost.completion_nano);
        prop_assert!(parts <= u128::from(cost.total_nano), "{cost:?}");
    }

    #[test]
    fn tokens_alone_add_up_to_the_total(usage in any_usage(), prices in any_prices()) {
        let tokens = Usage {
            images: 0, web_searches: 0, search_units: 0, seconds_milli: 0, characters: 0, ..usage
        };
        let prices = Prices { request: 0, ..prices };
        let cost = Cost::of(&tokens, Some(&prices), None);
        prop_assert_eq!(u128::from(cost.total_nano), u128::from(cost.prompt_nano) + u128::from(cost.completion_nano));
    }

    #[test]
    fn more_of_anything_never_costs_less(
        usage in any_usage(),
        prices in any_prices(),
        more in 0..1_000_000u64,
        which in 0..7usize,
    ) {
        // With tiers and with overlapping kinds "more" can mean "cheaper"; without them it cannot.
        let prices = Prices { tiers: Vec::new(), ..prices };
        let usage = Usage { reasoning: 0, ..usage };
        let mut larger = usage;
        let field = match which {
            0 => &mut larger.prompt,
            1 => &mut larger.completion,
            2 => &mut larger.images,
            3 => &mut larger.web_searches,
            4 => &mut larger.search_units,
            5 => &mut larger.seconds_milli,
            _ => &mut larger.characters,
        };
        *field = field.saturating_add(more);
        let before = Cost::of(&usage, Some(&prices), None);
        let after = Cost::of(&larger, Some(&prices), None);
        prop_assert!(after.total_nano >= before.total_nano, "{before:?} {after:?}");
    }

    #[test]
    fn the_short_way_and_the_long_way_agree(usage in any_usage(), prices in any_prices()) {
        // A tier that no prompt reaches takes the long way to the same price.
        let plain = Prices { tiers: Vec::new(), service: Vec::new(), reasoning: None, ..prices };
        let unreachable = Prices {
            tiers: vec![Tier { above_tokens: u64::MAX, prompt: Some(1), ..Tier::default() }],
            ..plain.clone()
        };
        let text = Usage {
            prompt: usage.prompt,
            completion: usage.completion,
            total: usage.total,
            reasoning: usage.reasoning,
            cached: usage.cached,
            cache_write: usage.cache_write,
            ..Usage::default()
        };
        prop_assert_eq!(Cost::of(&text, Some(&plain), None), Cost::of(&text, Some(&unreachable), None));
    }
}

/// A case of `tests/wire/costs/oracle.json`: what genai-prices, somebody else's arithmetic over somebody else's reading of the price
/// pages, says that a usage costs. `python -m turnout.catalogue.oracle` writes the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// Where they have the price.
    model: String,
    /// What is absent is 0, `null` or empty.
    prices: serde_json::Map<String, Value>,
    /// What is absent is 0.
    usage: Usage,
    service_tier: Option<String>,
    nano: u64,
}

#[test]
fn an_independent_calculator_agrees_to_the_nano_dollar() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/wire/costs/oracle.json");
    let cases: Vec<Case> = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert!(cases.len() >= 300, "only {} cases", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let usage = Usage {
            total: case.usage.prompt + case.usage.completion,
            ..case.usage
        };
        let prices = complete(&case.prices);
        let cost = Cost::of(&usage, Some(&prices), case.service_tier.as_deref());
        if cost.total_nano != case.nano {
            wrong.push(format!(
                "{} {:?} {:?}: ours {}, theirs {}",
                case.model, case.usage, case.service_tier, cost.total_nano, case.nano
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

/// The prices as a snapshot has them, with nothing left out.
fn complete(said: &serde_json::Map<String, Value>) -> Prices {
    let mut whole = json!({
        "image": 0, "web_search": 0, "search_unit": 0, "second": 0, "character": 0, "tiers": [], "service": [],
    });
    whole.as_object_mut().unwrap().extend(said.clone());
    serde_json::from_value(whole).unwrap()
}
