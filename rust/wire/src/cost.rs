//! What a generation costs: exact integers of nano-dollars, rounded once.
//!
//! A price is nano-dollars per million tokens, so 1 USD per million tokens is 1,000,000,000. The parts are multiplied and
//! added in 128 bits, divided by a million at the very end, and rounded half up there, once; no float ever touches money.
//!
//! Most prices are the five of [`Prices`] that every model has. What makes a price depend on the request, and in which order:
//!
//! 1. **Length.** A [`Tier`] that the prompt exceeds replaces the prices that it names, for the whole request and not only for the
//!    tokens above: so bill the providers that have such tiers (OpenAI, Google, Anthropic; price pages, 2026-11). A price of its own for
//!    reasoning follows the completion price in proportion; those of audio and images stay, because tiers are about text.
//! 2. **Service tier.** The tier that *served*, as the provider's answer names it, sets the prices of its [`Service`]. Above a
//!    length it is a discount or surcharge in the same proportion as on the base price, and so it is for every kind that a
//!    service names no price for.
//! 3. **Kind.** Tokens of a prompt are counted as read from a cache first, then as written to one, then as audio, as images, as text;
//!    of a completion as audio, images, reasoning, text. Each token has one kind, also when a provider's counts overlap.

use std::fmt;

use serde::Deserialize;

use crate::finish::Finish;
use crate::usage::Usage;

/// Tokens that a price is for, and millionths of a nano-dollar in one.
const TOKENS_PER_PRICE: u128 = 1_000_000;

/// The price of one endpoint. Twin of `Prices` in the snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
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
    /// Nano-dollars per million prompt tokens written to a cache that keeps them for an hour.
    pub cache_write_1h: u64,
    /// Nano-dollars per million tokens of thought; `None`: as `completion`.
    pub reasoning: Option<u64>,
    /// Nano-dollars per million prompt tokens that are audio; `None`: as `prompt`.
    pub audio_prompt: Option<u64>,
    /// Nano-dollars per million completion tokens that are audio; `None`: as `completion`.
    pub audio_completion: Option<u64>,
    /// Nano-dollars per million prompt tokens that are images; `None`: as `prompt`.
    pub image_prompt: Option<u64>,
    /// Nano-dollars per million completion tokens that are images; `None`: as `completion`.
    pub image_completion: Option<u64>,
    /// Nano-dollars per image where images are charged by the piece.
    pub image: u64,
    /// Nano-dollars per request.
    pub request: u64,
    /// Nano-dollars per web search that the provider ran.
    pub web_search: u64,
    /// Nano-dollars per search unit of a rerank.
    pub search_unit: u64,
    /// Nano-dollars per second of audio.
    pub second: u64,
    /// Nano-dollars per million characters of speech.
    pub character: u64,
    /// Prices of long prompts, ascending by length. Nearly always empty.
    pub tiers: Vec<Tier>,
    /// Prices of other service tiers than the ordinary one. Nearly always empty.
    pub service: Vec<Service>,
    /// Set where the provider is paid with a key of the client's own: the percentage of these prices that the gateway charges. It is
    /// no property of a row, so no snapshot has it.
    #[serde(skip)]
    pub byok_fee_percent: Option<u32>,
}

/// Prices of a request whose prompt is longer than a number of tokens. A price that is `None` is the base price.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// A prompt of exactly so many tokens, cached ones included, is not yet in the tier.
    pub above_tokens: u64,
    /// In place of [`Prices::prompt`].
    pub prompt: Option<u64>,
    /// In place of [`Prices::completion`].
    pub completion: Option<u64>,
    /// In place of [`Prices::cache_read`].
    pub cache_read: Option<u64>,
    /// In place of [`Prices::cache_write`].
    pub cache_write: Option<u64>,
    /// In place of [`Prices::cache_write_1h`].
    pub cache_write_1h: Option<u64>,
}

/// Prices of a service tier. A price that is `None` is that of the ordinary tier.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Which one.
    pub tier: ServiceTier,
    /// In place of [`Prices::prompt`].
    pub prompt: Option<u64>,
    /// In place of [`Prices::completion`].
    pub completion: Option<u64>,
    /// In place of [`Prices::cache_read`].
    pub cache_read: Option<u64>,
    /// In place of [`Prices::cache_write`]; what is kept for an hour follows it in proportion.
    pub cache_write: Option<u64>,
}

/// A service tier that may have prices of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServiceTier {
    /// The ordinary one, whose prices an endpoint of another tier names for when it is served so all the same.
    Default,
    /// Cheaper and slower.
    Flex,
    /// Faster and dearer.
    Priority,
    /// Answered within a day.
    Batch,
}

impl ServiceTier {
    /// The name in requests and answers.
    pub const fn name(self) -> &'static str {
        match self {
            ServiceTier::Default => "default",
            ServiceTier::Flex => "flex",
            ServiceTier::Priority => "priority",
            ServiceTier::Batch => "batch",
        }
    }

    /// The tier that a provider's word means; `None` for a word that is none.
    pub fn named(word: &str) -> Option<ServiceTier> {
        match word {
            "default" | "standard" => Some(ServiceTier::Default),
            "flex" => Some(ServiceTier::Flex),
            // What Anthropic's API calls speed, and OpenRouter's takes as another word for it.
            "priority" | "fast" => Some(ServiceTier::Priority),
            "batch" => Some(ServiceTier::Batch),
            _ => None,
        }
    }
}

/// A cost in nano-dollars.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// All of it: the parts below, and what belongs to neither: the price of the request itself, of images by the piece, web
    /// searches, search units, seconds of audio and characters of speech.
    pub total_nano: u64,
    /// For the tokens that were read, from caches or not, of any kind.
    pub prompt_nano: u64,
    /// For the tokens that were generated, of any kind. The rounding of the two together falls on this part, so that they add up.
    pub completion_nano: u64,
    /// What the provider charges the owner of the key, with a key of the client's own; the total is the gateway's fee then. `None`: the
    /// gateway's key was used.
    pub upstream_nano: Option<u64>,
}

/// Whose key it was is shown only where it was the client's own.
impl fmt::Debug for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Cost");
        shown
            .field("total_nano", &self.total_nano)
            .field("prompt_nano", &self.prompt_nano)
            .field("completion_nano", &self.completion_nano);
        if let Some(theirs) = &self.upstream_nano {
            shown.field("upstream_nano", theirs);
        }
        shown.finish()
    }
}

impl Cost {
    /// The cost of `usage` at `prices`; zero without prices. A sum beyond `u64` (18 billion dollars) stays there.
    ///
    /// `service_tier` is the provider's word for the tier that served, when it gave one. In [`Usage`] cached tokens are part of the
    /// prompt tokens, so they are taken out of the part that costs the full price.
    pub fn of(usage: &Usage, prices: Option<&Prices>, service_tier: Option<&str>) -> Cost {
        let Some(prices) = prices else {
            return Cost::default();
        };
        if let Some(percent) = prices.byok_fee_percent {
            return Cost::with_own_key(usage, prices, service_tier, percent);
        }
        if !usage.is_plain() || !prices.are_plain() {
            return of_any(usage, prices, service_tier.and_then(ServiceTier::named));
        }
        // Text alone at the five prices: nearly every generation.
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
            upstream_nano: None,
        }
    }

    #[inline(never)]
    fn with_own_key(
        usage: &Usage,
        prices: &Prices,
        service_tier: Option<&str>,
        percent: u32,
    ) -> Cost {
        let theirs = of_any(usage, prices, service_tier.and_then(ServiceTier::named));
        let fee = u128::from(theirs.total_nano) * u128::from(percent) / 100;
        Cost {
            total_nano: u64::try_from(fee).unwrap_or(u64::MAX),
            upstream_nano: Some(theirs.total_nano),
            ..theirs
        }
    }
}

impl Cost {
    /// What is charged of it, once it is known how the generation ended: tokens are free when nothing was written and the provider gave
    /// no reason, and when it failed (openrouter.md section 3.10; checklist Z01). Requests, searches and the like are
    /// charged all the same (Z02), and so is what a client that left had read.
    pub fn charged(mut self, finish: Option<Finish>, completion: u64) -> Cost {
        match finish {
            Some(Finish::Error) => {}
            None if completion == 0 => {}
            _ => return self,
        }
        let tokens = self.prompt_nano.saturating_add(self.completion_nano);
        self.total_nano = self.total_nano.saturating_sub(tokens);
        self.prompt_nano = 0;
        self.completion_nano = 0;
        self.upstream_nano = self.upstream_nano.map(|nano| nano.saturating_sub(tokens));
        self
    }
}

/// [`Cost::of`] for prices and a usage that are JSON, as the command line has them.
pub fn of_json(
    prices: &[u8],
    usage: &[u8],
    service_tier: Option<&str>,
) -> Result<Cost, serde_json::Error> {
    let prices: Prices = serde_json::from_slice(prices)?;
    let usage: Usage = serde_json::from_slice(usage)?;
    Ok(Cost::of(&usage, Some(&prices), service_tier))
}

impl Prices {
    /// Whether text alone costs the five prices that every model has, whatever the length and the service tier.
    fn are_plain(&self) -> bool {
        self.tiers.is_empty() && self.service.is_empty() && self.reasoning.is_none()
    }

    /// The same with tokens of every kind for free.
    pub(crate) fn without_tokens(&self) -> Prices {
        Prices {
            version: self.version.clone(),
            image: self.image,
            request: self.request,
            web_search: self.web_search,
            search_unit: self.search_unit,
            second: self.second,
            character: self.character,
            ..Prices::default()
        }
    }

    /// One number to compare endpoints of a model by, in nano-dollars: for a million tokens of the usual mix of a chat, three that are
    /// read to one that is written; where tokens cost nothing, the price that there is instead.
    pub fn blended(&self) -> u64 {
        let tokens = u128::from(self.prompt) * 3 + u128::from(self.completion);
        match u64::try_from(tokens / 4).unwrap_or(u64::MAX) {
            0 => [
                self.request,
                self.image,
                self.second,
                self.character,
                self.search_unit,
            ]
            .into_iter()
            .find(|price| *price > 0)
            .unwrap_or(0),
            tokens => tokens,
        }
    }

    /// Whether the cost depends on the service tier that served, so that the answer has to be searched for its name.
    pub fn depend_on_service(&self) -> bool {
        !self.service.is_empty()
    }
}

/// What a token of each kind costs in one request.
struct Rates {
    prompt: u64,
    cache_read: u64,
    cache_write: u64,
    cache_write_1h: u64,
    audio_prompt: u64,
    image_prompt: u64,
    completion: u64,
    reasoning: u64,
    audio_completion: u64,
    image_completion: u64,
}

/// [`Cost::of`] with everything that a price can depend on.
#[inline(never)]
fn of_any(usage: &Usage, prices: &Prices, service_tier: Option<ServiceTier>) -> Cost {
    let rates = Rates::of(prices, usage.prompt, service_tier);

    let mut left = usage.prompt;
    let cached = take(&mut left, usage.cached);
    let mut written = take(&mut left, usage.cache_write);
    let written_1h = take(&mut written, usage.cache_write_1h);
    let audio = take(&mut left, usage.prompt_audio);
    let image = take(&mut left, usage.prompt_image);
    let prompt = sum([
        times(cached, rates.cache_read),
        times(written, rates.cache_write),
        times(written_1h, rates.cache_write_1h),
        times(audio, rates.audio_prompt),
        times(image, rates.image_prompt),
        times(left, rates.prompt),
    ]);

    let mut left = usage.billed_completion();
    let audio = take(&mut left, usage.completion_audio);
    let image = take(&mut left, usage.completion_image);
    let reasoning = take(&mut left, usage.reasoning);
    let completion = sum([
        times(audio, rates.audio_completion),
        times(image, rates.image_completion),
        times(reasoning, rates.reasoning),
        times(left, rates.completion),
    ]);

    let whole = |nano: u128| nano.saturating_mul(TOKENS_PER_PRICE);
    let other = sum([
        whole(u128::from(prices.request)),
        whole(times(usage.images, prices.image)),
        whole(times(usage.web_searches, prices.web_search)),
        whole(times(usage.search_units, prices.search_unit)),
        // Thousandths of a second, so a thousand of the millionths that all of this is counted in.
        times(usage.seconds_milli, prices.second).saturating_mul(1_000),
        times(usage.characters, prices.character),
    ]);

    let prompt_nano = per_million(prompt);
    let tokens = prompt.saturating_add(completion);
    Cost {
        total_nano: per_million(tokens.saturating_add(other)),
        prompt_nano,
        completion_nano: per_million(tokens) - prompt_nano,
        upstream_nano: None,
    }
}

impl Rates {
    fn of(prices: &Prices, prompt_tokens: u64, service_tier: Option<ServiceTier>) -> Rates {
        let base = Tier::default();
        let tier = prices
            .tiers
            .iter()
            .rfind(|tier| prompt_tokens > tier.above_tokens)
            .unwrap_or(&base);
        let prompt = tier.prompt.unwrap_or(prices.prompt);
        let completion = tier.completion.unwrap_or(prices.completion);
        let rates = Rates {
            prompt,
            cache_read: tier.cache_read.unwrap_or(prices.cache_read),
            cache_write: tier.cache_write.unwrap_or(prices.cache_write),
            cache_write_1h: tier.cache_write_1h.unwrap_or(prices.cache_write_1h),
            audio_prompt: prices.audio_prompt.unwrap_or(prompt),
            image_prompt: prices.image_prompt.unwrap_or(prompt),
            completion,
            reasoning: prices.reasoning.map_or(completion, |reasoning| {
                in_proportion(reasoning, completion, prices.completion)
            }),
            audio_completion: prices.audio_completion.unwrap_or(completion),
            image_completion: prices.image_completion.unwrap_or(completion),
        };
        let service = service_tier
            .and_then(|tier| prices.service.iter().find(|service| service.tier == tier));
        match service {
            Some(service) => rates.served(service, prices),
            None => rates,
        }
    }

    /// The rates where `service` served.
    fn served(self, service: &Service, prices: &Prices) -> Rates {
        // Each price moves as the price that it stands under: (its rate, the service's price, the base price).
        let of_prompt = |rate| moved(rate, service.prompt, prices.prompt);
        let of_completion = |rate| moved(rate, service.completion, prices.completion);
        let of_write = |rate| moved(rate, service.cache_write, prices.cache_write);
        Rates {
            prompt: of_prompt(self.prompt),
            cache_read: moved(self.cache_read, service.cache_read, prices.cache_read),
            cache_write: of_write(self.cache_write),
            cache_write_1h: of_write(self.cache_write_1h),
            audio_prompt: of_prompt(self.audio_prompt),
            image_prompt: of_prompt(self.image_prompt),
            completion: of_completion(self.completion),
            reasoning: of_completion(self.reasoning),
            audio_completion: of_completion(self.audio_completion),
            image_completion: of_completion(self.image_completion),
        }
    }
}

/// `rate` in the proportion in which a service's price stands to the base price. What is free in the ordinary tier has no
/// proportion; there the service's price is the price.
fn moved(rate: u64, service: Option<u64>, base: u64) -> u64 {
    match service {
        Some(price) if base == 0 && rate == 0 => price,
        Some(price) => in_proportion(rate, price, base),
        None => rate,
    }
}

/// `rate × now / base`, rounded half up; `rate` where the base is free.
fn in_proportion(rate: u64, now: u64, base: u64) -> u64 {
    if base == 0 || now == base {
        return rate;
    }
    if rate == base {
        return now;
    }
    let base = u128::from(base);
    let exact = times(rate, now).saturating_add(base / 2) / base;
    u64::try_from(exact).unwrap_or(u64::MAX)
}

/// Takes up to `wanted` tokens out of those that are `left`; how many there were.
fn take(left: &mut u64, wanted: u64) -> u64 {
    let taken = wanted.min(*left);
    *left -= taken;
    taken
}

fn sum<const N: usize>(parts: [u128; N]) -> u128 {
    parts.into_iter().fold(0, u128::saturating_add)
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
mod insured {
    use super::*;

    /// A prompt of 60, an answer of 40, and 7 for the request.
    fn cost(total_nano: u64, prompt_nano: u64, completion_nano: u64) -> Cost {
        #[allow(clippy::needless_update, reason = "whatever else a cost has")]
        Cost {
            total_nano,
            prompt_nano,
            completion_nano,
            ..Cost::default()
        }
    }

    #[test]
    fn z01_nothing_written_without_a_reason_costs_no_tokens_and_neither_does_a_failure() {
        let (whole, free) = (cost(107, 60, 40), cost(7, 0, 0));
        assert_eq!(whole.charged(None, 0), free);
        assert_eq!(whole.charged(Some(Finish::Error), 0), free);
        assert_eq!(whole.charged(Some(Finish::Error), 50), free);
    }

    #[test]
    fn z01_everything_else_is_charged() {
        let whole = cost(107, 60, 40);
        assert_eq!(whole.charged(None, 1), whole);
        for finish in Finish::ALL {
            if finish != Finish::Error {
                assert_eq!(whole.charged(Some(finish), 0), whole);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn prices() -> Prices {
        Prices {
            version: "v".into(),
            prompt: 10_000_000_000,
            completion: 10_000_000_000,
            cache_read: 1_000_000_000,
            cache_write: 12_500_000_000,
            ..Prices::default()
        }
    }

    #[test]
    fn y06_with_a_key_of_the_clients_own_the_fee_is_charged() {
        let usage = Usage {
            prompt: 1000,
            completion: 100,
            total: 1100,
            ..Usage::default()
        };
        let theirs = Cost::of(&usage, Some(&prices()), None);
        let own = Prices {
            byok_fee_percent: Some(5),
            ..prices()
        };
        let cost = Cost::of(&usage, Some(&own), None);
        assert_eq!(cost.total_nano, theirs.total_nano / 20);
        assert_eq!(cost.upstream_nano, Some(theirs.total_nano));
        assert_eq!(cost.prompt_nano, theirs.prompt_nano);
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
        let cost = Cost::of(&usage, Some(&prices()), None);
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
        assert_eq!(Cost::of(&usage, Some(&prices()), None).total_nano, 5_000);
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
        let cost = Cost::of(&usage, Some(&third), None);
        assert_eq!(
            (cost.total_nano, cost.prompt_nano, cost.completion_nano),
            (8, 1, 0)
        );
        let only_completion = Usage { prompt: 0, ..usage };
        assert_eq!(Cost::of(&only_completion, Some(&third), None).total_nano, 7);
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
        assert_eq!(Cost::of(&usage, Some(&all), None).total_nano, u64::MAX);
    }

    #[test]
    fn without_prices_it_costs_nothing() {
        let usage = Usage {
            prompt: 5,
            ..Usage::default()
        };
        assert_eq!(Cost::of(&usage, None, None), Cost::default());
    }

    /// 1 dollar per million prompt tokens and 10 for completions, so that costs can be read: a token costs 1,000 and 10,000.
    fn round_prices() -> Prices {
        Prices {
            prompt: 1_000_000_000,
            completion: 10_000_000_000,
            cache_read: 100_000_000,
            cache_write: 1_250_000_000,
            cache_write_1h: 2_000_000_000,
            ..Prices::default()
        }
    }

    fn total(usage: Usage, prices: &Prices, service_tier: Option<&str>) -> u64 {
        Cost::of(&usage, Some(prices), service_tier).total_nano
    }

    #[test]
    fn what_a_cache_keeps_for_an_hour_has_its_own_price() {
        let usage = Usage {
            prompt: 100,
            cache_write: 30,
            cache_write_1h: 10,
            ..Usage::default()
        };
        let expected = 70 * 1_000 + 20 * 1_250 + 10 * 2_000;
        assert_eq!(total(usage, &round_prices(), None), expected);
    }

    #[test]
    fn each_kind_of_token_has_its_price_or_that_of_text() {
        let usage = Usage {
            prompt: 100,
            completion: 50,
            total: 150,
            prompt_audio: 10,
            prompt_image: 20,
            completion_audio: 5,
            completion_image: 6,
            reasoning: 7,
            ..Usage::default()
        };
        assert_eq!(
            total(usage, &round_prices(), None),
            100 * 1_000 + 50 * 10_000
        );
        let prices = Prices {
            audio_prompt: Some(3_000_000_000),
            image_prompt: Some(2_000_000_000),
            audio_completion: Some(20_000_000_000),
            image_completion: Some(30_000_000_000),
            reasoning: Some(4_000_000_000),
            ..round_prices()
        };
        let cost = Cost::of(&usage, Some(&prices), None);
        assert_eq!(cost.prompt_nano, 70 * 1_000 + 10 * 3_000 + 20 * 2_000);
        assert_eq!(
            cost.completion_nano,
            32 * 10_000 + 5 * 20_000 + 6 * 30_000 + 7 * 4_000
        );
        assert_eq!(cost.total_nano, cost.prompt_nano + cost.completion_nano);
    }

    #[test]
    fn what_is_charged_by_the_piece_belongs_to_the_total_alone() {
        let usage = Usage {
            prompt: 1,
            images: 2,
            web_searches: 3,
            search_units: 4,
            seconds_milli: 1_500,
            characters: 2_000_000,
            ..Usage::default()
        };
        let prices = Prices {
            image: 10,
            request: 1,
            web_search: 100,
            search_unit: 1_000,
            second: 10_000,
            character: 50_000,
            ..round_prices()
        };
        let cost = Cost::of(&usage, Some(&prices), None);
        assert_eq!(
            cost,
            Cost {
                prompt_nano: 1_000,
                completion_nano: 0,
                upstream_nano: None,
                total_nano: 1_000 + 20 + 1 + 300 + 4_000 + 15_000 + 100_000,
            }
        );
    }

    #[test]
    fn a_long_prompt_costs_the_tier_s_price_from_its_first_token() {
        let tier = |above_tokens, prompt, completion| Tier {
            above_tokens,
            prompt,
            completion,
            ..Tier::default()
        };
        let prices = Prices {
            reasoning: Some(20_000_000_000),
            tiers: vec![
                tier(100, Some(2_000_000_000), Some(15_000_000_000)),
                tier(1_000, Some(4_000_000_000), None),
            ],
            ..round_prices()
        };
        let usage = |prompt| Usage {
            prompt,
            completion: 2,
            total: prompt + 2,
            cached: 50,
            ..Usage::default()
        };
        for (prompt, expected) in [
            (100, 50 * 1_000 + 50 * 100 + 2 * 10_000),
            (101, 51 * 2_000 + 50 * 100 + 2 * 15_000),
            (1_000, 950 * 2_000 + 50 * 100 + 2 * 15_000),
            (1_001, 951 * 4_000 + 50 * 100 + 2 * 10_000),
        ] {
            assert_eq!(total(usage(prompt), &prices, None), expected, "{prompt}");
        }
        let thinking = Usage {
            reasoning: 1,
            ..usage(101)
        };
        let expected = 51 * 2_000 + 50 * 100 + 15_000 + 30_000;
        assert_eq!(total(thinking, &prices, None), expected);
    }

    #[test]
    fn the_tier_that_served_sets_the_price() {
        let prices = Prices {
            audio_prompt: Some(3_000_000_000),
            service: vec![
                Service {
                    tier: ServiceTier::Flex,
                    prompt: Some(500_000_000),
                    completion: Some(5_000_000_000),
                    cache_read: None,
                    cache_write: Some(625_000_000),
                },
                Service {
                    tier: ServiceTier::Priority,
                    prompt: Some(2_000_000_000),
                    completion: None,
                    cache_read: Some(200_000_000),
                    cache_write: None,
                },
            ],
            tiers: vec![Tier {
                above_tokens: 1_000,
                prompt: Some(2_000_000_000),
                completion: Some(15_000_000_000),
                ..Tier::default()
            }],
            ..round_prices()
        };
        let usage = Usage {
            prompt: 100,
            completion: 10,
            total: 110,
            cached: 10,
            cache_write: 20,
            cache_write_1h: 20,
            prompt_audio: 10,
            ..Usage::default()
        };
        let ordinary = 60 * 1_000 + 10 * 100 + 20 * 2_000 + 10 * 3_000 + 10 * 10_000;
        for (tier, expected) in [
            (None, ordinary),
            (Some("default"), ordinary),
            (Some("batch"), ordinary),
            // Half of everything, save what is read from the cache.
            (
                Some("flex"),
                60 * 500 + 10 * 100 + 20 * 1_000 + 10 * 1_500 + 10 * 5_000,
            ),
            (
                Some("priority"),
                60 * 2_000 + 10 * 200 + 20 * 2_000 + 10 * 6_000 + 10 * 10_000,
            ),
        ] {
            assert_eq!(total(usage, &prices, tier), expected, "{tier:?}");
        }
        let long = Usage {
            prompt: 2_000,
            completion: 1,
            total: 2_001,
            ..Usage::default()
        };
        // Half of the tier's price, because flex is half of the base price.
        assert_eq!(
            total(long, &prices, Some("flex")),
            2_000 * 1_000 + 15_000 / 2
        );
    }

    #[test]
    fn a_price_of_a_tier_whose_base_is_free_is_the_price() {
        let prices = Prices {
            service: vec![Service {
                tier: ServiceTier::Priority,
                prompt: Some(1_000_000_000),
                completion: Some(0),
                cache_read: None,
                cache_write: None,
            }],
            ..Prices::default()
        };
        let usage = Usage {
            prompt: 5,
            completion: 5,
            total: 10,
            ..Usage::default()
        };
        assert_eq!(total(usage, &prices, Some("priority")), 5_000);
        assert_eq!(total(usage, &prices, None), 0);
    }

    #[test]
    fn the_names_of_tiers_are_those_of_requests_and_of_the_snapshot() {
        for tier in [
            ServiceTier::Default,
            ServiceTier::Flex,
            ServiceTier::Priority,
            ServiceTier::Batch,
        ] {
            assert_eq!(ServiceTier::named(tier.name()), Some(tier));
            let text = format!("\"{}\"", tier.name());
            assert_eq!(serde_json::from_str::<ServiceTier>(&text).unwrap(), tier);
        }
        assert_eq!(ServiceTier::named("standard"), Some(ServiceTier::Default));
        assert_eq!(ServiceTier::named("auto"), None);
    }

    #[test]
    fn prices_and_usage_may_be_json() {
        let prices = json!({
            "version": "v", "prompt": 1_000_000_000, "completion": 0, "cache_read": 0, "cache_write": 0,
            "cache_write_1h": 0, "reasoning": null, "audio_prompt": null, "audio_completion": null,
            "image_prompt": null, "image_completion": null, "image": 0, "request": 7, "web_search": 0,
            "search_unit": 0, "second": 0, "character": 0, "tiers": [], "service": [],
        });
        let text = prices.to_string();
        let prices = text.as_bytes();
        let cost = of_json(prices, br#"{"prompt":5}"#, None).unwrap();
        assert_eq!((cost.total_nano, cost.prompt_nano), (5_007, 5_000));
        assert!(of_json(prices, br#"{"prompts":5}"#, None).is_err());
        // A snapshot is complete: nothing here fills in what it lacks, and nothing is lost that is not known here.
        let incomplete = text.replace("\"second\":0,", "");
        let unknown = text.replace("\"second\":0,", "\"second\":0,\"minute\":0,");
        for wrong in [incomplete, unknown] {
            assert_ne!(wrong, text);
            assert!(of_json(wrong.as_bytes(), b"{}", None).is_err(), "{wrong}");
        }
    }
}
