//! What a generation costs: exact integers of nano-dollars, rounded once.
//!
//! A price is nano-dollars per million tokens, so 1 USD per million tokens is 1,000,000,000. The parts are multiplied and
//! added in 128 bits, divided by a million at the very end, and rounded half up there, once; no float ever touches money.

use serde::Deserialize;

use crate::usage::Usage;

/// Tokens that a price is for.
const TOKENS_PER_PRICE: u128 = 1_000_000;

/// The price of one endpoint. Twin of `Prices` in the snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// Short hash of the row; booked with each generation, so that a cost can be explained later.
    pub version: String,
    /// Nano-dollars per million prompt tokens that were not served from a cache.
    pub prompt: u64,
    /// Nano-dollars per million completion tokens, reasoning included.
    pub completion: u64,
    /// Nano-dollars per million prompt tokens read from a cache.
    pub cache_read: u64,
    /// Nano-dollars per million prompt tokens written to a cache.
    pub cache_write: u64,
    /// Nano-dollars per request.
    pub request: u64,
}

/// A cost in nano-dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// All of it: the parts below and the price of the request itself.
    pub total_nano: u64,
    /// For what was read, from caches or not.
    pub prompt_nano: u64,
    /// For what was generated. The rounding of the total falls on this part, so that the parts add up.
    pub completion_nano: u64,
}

impl Cost {
    /// The cost of `usage` at `prices`; zero without prices. A sum beyond `u64` (18 billion dollars) stays there.
    ///
    /// In this dialect cached tokens are part of the prompt tokens, so they are taken out of the part that costs the full price.
    pub fn of(usage: &Usage, prices: Option<&Prices>) -> Cost {
        let Some(prices) = prices else {
            return Cost::default();
        };
        let cached = usage.cached.min(usage.prompt);
        let written = usage.cache_write.min(usage.prompt - cached);
        let fresh = usage.prompt - cached - written;
        let prompt = times(fresh, prices.prompt)
            .saturating_add(times(cached, prices.cache_read))
            .saturating_add(times(written, prices.cache_write));
        let completion = times(usage.billed_completion(), prices.completion);
        let prompt_nano = per_million(prompt);
        let tokens_nano = per_million(prompt.saturating_add(completion));
        Cost {
            total_nano: tokens_nano.saturating_add(prices.request),
            prompt_nano,
            completion_nano: tokens_nano - prompt_nano,
        }
    }
}

fn times(tokens: u64, price: u64) -> u128 {
    u128::from(tokens) * u128::from(price)
}

/// Divides by a million and rounds half up.
fn per_million(amount: u128) -> u64 {
    let nano = if let Ok(small) = u64::try_from(amount.saturating_add(TOKENS_PER_PRICE / 2)) {
        // Almost always: 64-bit division by a constant is a multiplication.
        return small / TOKENS_PER_PRICE as u64;
    } else {
        amount.saturating_add(TOKENS_PER_PRICE / 2) / TOKENS_PER_PRICE
    };
    u64::try_from(nano).unwrap_or(u64::MAX)
}

/// Appends nano-dollars as decimal dollars: `140000` is `0.00014`. Exact, without an exponent or trailing zeros.
#[inline]
pub fn write_dollars(nano: u64, out: &mut Vec<u8>) {
    const NANO_PER_DOLLAR: u64 = 1_000_000_000;
    if nano == 0 {
        out.push(b'0');
        return;
    }
    let dollars = nano / NANO_PER_DOLLAR;
    match dollars {
        0 => out.push(b'0'),
        _ => crate::json::write_number(dollars, out),
    }
    // Below a billion, so that the digits are divided off in 32 bits.
    let mut fraction = (nano % NANO_PER_DOLLAR) as u32;
    if fraction == 0 {
        return;
    }
    // The point, nine digits, and nothing of interest: an array is copied whole without a call, and then cut.
    let mut text = *b".000000000______";
    let mut len = 10;
    while fraction.is_multiple_of(10) {
        fraction /= 10;
        len -= 1;
    }
    for digit in text.get_mut(1..len).unwrap_or_default().iter_mut().rev() {
        if fraction == 0 {
            break;
        }
        *digit = b'0' + (fraction % 10) as u8;
        fraction /= 10;
    }
    let end = out.len() + len;
    out.extend_from_slice(&text);
    out.truncate(end);
}

/// [`write_dollars`] as a `String`.
pub fn dollars(nano: u64) -> String {
    let mut out = Vec::with_capacity(20);
    write_dollars(nano, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prices() -> Prices {
        Prices {
            version: "v".into(),
            prompt: 10_000_000_000,
            completion: 10_000_000_000,
            cache_read: 1_000_000_000,
            cache_write: 12_500_000_000,
            request: 0,
        }
    }

    #[test]
    fn dollars_are_exact_decimals() {
        for (nano, text) in [
            (0, "0"),
            (1, "0.000000001"),
            (140_000, "0.00014"),
            (1_000_000_000, "1"),
            (1_500_000_000, "1.5"),
            (12_000_000_010, "12.00000001"),
            (u64::MAX, "18446744073.709551615"),
        ] {
            assert_eq!(dollars(nano), text);
        }
    }

    #[test]
    fn cached_tokens_are_taken_out_of_the_prompt() {
        let usage = Usage {
            prompt: 100,
            completion: 10,
            total: 110,
            cached: 60,
            cache_write: 20,
            ..Usage::default()
        };
        let cost = Cost::of(&usage, Some(&prices()));
        assert_eq!(cost.prompt_nano, 20 * 10_000 + 60 * 1_000 + 20 * 12_500);
        assert_eq!(cost.completion_nano, 100_000);
        assert_eq!(cost.total_nano, cost.prompt_nano + cost.completion_nano);
    }

    #[test]
    fn more_cached_than_prompt_tokens_do_not_underflow() {
        let usage = Usage {
            prompt: 5,
            cached: 50,
            cache_write: 50,
            ..Usage::default()
        };
        assert_eq!(Cost::of(&usage, Some(&prices())).total_nano, 5_000);
    }

    #[test]
    fn the_total_is_rounded_half_up_once_and_the_parts_add_up() {
        let third = Prices {
            prompt: 500_000,
            completion: 400_000,
            request: 7,
            ..prices()
        };
        let usage = Usage {
            prompt: 1,
            completion: 1,
            total: 2,
            ..Usage::default()
        };
        // 0.5 + 0.4 nano-dollars are 0.9, which is 1; the parts alone would be 1 and 0.
        let cost = Cost::of(&usage, Some(&third));
        assert_eq!(
            (cost.total_nano, cost.prompt_nano, cost.completion_nano),
            (8, 1, 0)
        );
        let only_completion = Usage { prompt: 0, ..usage };
        assert_eq!(Cost::of(&only_completion, Some(&third)).total_nano, 7);
    }

    #[test]
    fn an_absurd_amount_saturates() {
        let usage = Usage {
            prompt: u64::MAX,
            completion: u64::MAX,
            ..Usage::default()
        };
        let all = Prices {
            prompt: u64::MAX,
            completion: u64::MAX,
            request: u64::MAX,
            ..prices()
        };
        assert_eq!(Cost::of(&usage, Some(&all)).total_nano, u64::MAX);
    }

    #[test]
    fn without_prices_it_costs_nothing() {
        let usage = Usage {
            prompt: 5,
            ..Usage::default()
        };
        assert_eq!(Cost::of(&usage, None), Cost::default());
    }

    #[test]
    fn prices_refuse_a_field_they_do_not_know() {
        let text = r#"{"version":"v","prompt":1,"completion":1,"cache_read":1,"cache_write":1,"request":1,"image":1}"#;
        assert!(serde_json::from_str::<Prices>(text).is_err());
    }
}
