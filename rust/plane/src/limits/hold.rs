//! What a request could cost at most is held back before it is sent.
//!
//! The weight of a request is the price of the dearest endpoint that may serve it: for the estimated prompt, and for as many tokens as
//! it may write. A request that does not say how many (`max_tokens`) is taken to write what the model can, but no more than
//! `billing.reserve_tokens`, because refusing everything that *could* be long is what people complain about most. Such a
//! request may therefore cost more than was held; the next one is then refused.
//!
//! Refusals are 402 with OpenRouter's sentences and `limit_source` (openrouter.md sections 3.11 and 4.6).

use turnout_wire::api::Task;
use turnout_wire::cost::{Cost, Prices};
use turnout_wire::count;
use turnout_wire::refusal::{Kind, Refusal};
use turnout_wire::request::Request;
use turnout_wire::usage::Usage;

use std::sync::atomic::Ordering;

use super::Limits;
use super::spending::{Reset, Spending};
use crate::clock::unix_ms;
use crate::route::{Asking, Candidate, Plan};
use crate::snapshot::written;
use crate::thread::Thread;

/// What is told as `Retry-After` when only requests that still run stand in the way. How long they will is not known.
const IN_FLIGHT_RETRY_SECS: u64 = 2;

/// The ending of a slug whose use costs nothing.
const FREE: &str = ":free";

/// Money that is held back for one request; given back when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Hold<'a> {
    /// Of the key and of the gateway, as far as they are limited.
    from: [Option<Held<'a>>; 2],
}

/// Of one limit.
#[derive(Debug, Clone, Copy)]
struct Held<'a> {
    spending: &'a Spending,
    nano: i64,
    /// What it may be together with all else that is held and used in the period.
    max: i64,
    reset: Option<Reset>,
}

impl<'a> Hold<'a> {
    /// From the same limits, and nothing so far.
    pub(crate) fn beside(&self) -> Hold<'a> {
        Hold {
            from: (self.from).map(|held| held.map(|held| Held { nano: 0, ..held })),
        }
    }

    /// Holds back so much more from each of its limits; or nothing, when one has no room for it.
    pub(crate) fn more(&mut self, nano: i64, now_ms: u64) -> bool {
        let mut more = self.beside();
        for held in more.from.iter_mut().flatten() {
            if !held.spending.hold(nano, held.max, held.reset, now_ms) {
                return false;
            }
            held.nano = nano;
        }
        self.join(more);
        true
    }

    /// Keeps what another holds of the same limits.
    pub(crate) fn join(&mut self, mut other: Hold<'a>) {
        for (held, others) in self.from.iter_mut().zip(&mut other.from) {
            if let (Some(held), Some(others)) = (held, others) {
                held.nano = held.nano.saturating_add(std::mem::take(&mut others.nano));
            }
        }
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        for held in self.from.into_iter().flatten() {
            held.spending.release(held.nano);
        }
    }
}

/// Holds back what the request could cost, and counts it when its model is free; or refuses it.
pub(crate) fn hold<'a>(
    thread: &'a Thread,
    asking: &Asking<'a>,
    plan: &Plan<'_>,
) -> Result<Hold<'a>, Refusal> {
    let billing = &asking.snapshot.billing;
    let limited = asking.key.filter(|key| key.limit.is_some());
    if limited.is_none() && !billing.credits && billing.free.is_none() {
        return Ok(Hold::default());
    }
    let limits = &thread.shared.limits;
    let now_ms = unix_ms();
    let key_purse = limited.and_then(|key| {
        Some(Purse {
            owner: Owner::Key(&key.name),
            spending: &key.meter.spending,
            own: (key.limit.as_ref()?.include_byok).then_some(&key.meter.own),
            limit: key.limit.as_ref()?.nano,
            reset: key.limit.as_ref()?.reset,
        })
    });
    let purses = [key_purse, credits(limits, billing)];
    let mut hold = Hold::default();
    for (purse, from) in purses.into_iter().zip(&mut hold.from) {
        let Some(purse) = purse else { continue };
        let with_own = purse.own.is_some();
        let weight = Weight::of(asking.request, plan, billing.reserve_tokens, with_own);
        *from = purse.take(&weight, now_ms)?;
    }
    if let Some(free) = &billing.free
        && plan
            .candidates
            .first()
            .is_some_and(|candidate| candidate.slug.ends_with(FREE))
    {
        let bought = limits.credits.load(Ordering::Relaxed);
        limits
            .free
            .take(free, billing.credits.then_some(bought), now_ms)?;
    }
    Ok(hold)
}

/// The gateway's credits, where there are some and the ledger has been asked for them.
fn credits<'a>(limits: &'a Limits, billing: &written::Billing) -> Option<Purse<'a>> {
    (billing.credits && limits.credits_known.load(Ordering::Acquire)).then(|| Purse {
        owner: Owner::Gateway,
        spending: &limits.gateway,
        own: None,
        limit: limits.credits.load(Ordering::Relaxed),
        reset: None,
    })
}

/// Where money is taken from.
struct Purse<'a> {
    owner: Owner<'a>,
    spending: &'a Spending,
    /// What providers charged the owners of keys of the client's own, where that counts too.
    own: Option<&'a Spending>,
    /// Nano-dollars in a period.
    limit: i64,
    reset: Option<Reset>,
}

#[derive(Clone, Copy)]
enum Owner<'a> {
    Key(&'a str),
    Gateway,
}

impl<'a> Purse<'a> {
    /// What was held; what costs nothing needs nothing.
    fn take(&self, weight: &Weight, now_ms: u64) -> Result<Option<Held<'a>>, Refusal> {
        let own = (self.own).map_or(0, |own| own.used(self.reset, now_ms));
        let used = self.spending.used(self.reset, now_ms).saturating_add(own);
        let left = self.limit.saturating_sub(used);
        // Debts stop everything (checklist G06), but a key's limit is no debt.
        if matches!(self.owner, Owner::Gateway) && left < 0 {
            return Err(self.refusal(self.exhausted(used), used, "credits_exhausted", now_ms));
        }
        if weight.nano() == 0 {
            return Ok(None);
        }
        if left <= 0 {
            let reason = match self.owner {
                Owner::Key(_) => "key_limit_exceeded",
                Owner::Gateway => "credits_exhausted",
            };
            return Err(self.refusal(self.exhausted(used), used, reason, now_ms));
        }
        if weight.nano() > left {
            let message = format!("{}. {}", weight.too_much(left), self.remedy());
            return Err(self.refusal(message, used, "weight_exceeds_budget", now_ms));
        }
        let held = Held {
            spending: self.spending,
            nano: weight.nano(),
            max: self.limit.saturating_sub(own),
            reset: self.reset,
        };
        if (self.spending).hold(held.nano, held.max, held.reset, now_ms) {
            return Ok(Some(held));
        }
        let message = format!(
            "Insufficient credits while other requests are running: this one may cost up to ${}, and of the ${} that are left the others hold too much. Try again when they have ended",
            dollars(weight.nano()),
            dollars(left)
        );
        Err(self
            .refusal(message, used, "in_flight_budget_exhausted", now_ms)
            .with_retry_after_secs(IN_FLIGHT_RETRY_SECS))
    }

    fn exhausted(&self, used: i64) -> String {
        match self.owner {
            Owner::Key(name) => {
                let period = self.reset.map_or("", Reset::name);
                let space = if period.is_empty() { "" } else { " " };
                format!(
                    "Insufficient credits: the key {name:?} has used ${} of its {period}{space}limit of ${}. {}",
                    dollars(used),
                    dollars(self.limit),
                    self.remedy()
                )
            }
            Owner::Gateway => format!(
                "Insufficient credits: ${} were added to this gateway's credits, and ${} were used. {}",
                dollars(self.limit),
                dollars(used),
                self.remedy()
            ),
        }
    }

    fn remedy(&self) -> &'static str {
        match self.owner {
            Owner::Key(_) => {
                "To increase, raise the key's \"limit\" in the configuration of this gateway"
            }
            Owner::Gateway => "To increase, add credits: POST /api/admin/credits",
        }
    }

    fn refusal(&self, message: String, used: i64, reason: &'static str, now_ms: u64) -> Refusal {
        let (source, hint) = match (reason, self.owner) {
            ("in_flight_budget_exhausted", _) => (
                "openrouter_in_flight_budget",
                "Send fewer requests at the same time, or with a smaller max_tokens",
            ),
            (_, Owner::Key(_)) => ("openrouter_key_limit", self.remedy()),
            (_, Owner::Gateway) => ("openrouter_credits", self.remedy()),
        };
        let mut refusal = Refusal::new(Kind::PaymentRequired)
            .with_message(message)
            .with_text("limit_source", source)
            .with_text("reason", reason)
            .with_text("remedy_hint", hint)
            .with_json("limit_usd", dollars(self.limit))
            .with_json("spend_usd", dollars(used));
        if let Some(reset) = self.reset {
            refusal = refusal.with_text("resets_at", &reset.next(now_ms));
        }
        refusal
    }
}

/// What a request could cost at the dearest endpoint that may serve it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Weight {
    prompt_tokens: u64,
    /// As many as it may write, of all its answers together.
    completion_tokens: u64,
    /// For the prompt and whatever else costs, without what is written.
    prompt_nano: i64,
    completion_nano: i64,
}

impl Weight {
    /// `with_own`: what a key of the client's own costs its owner counts like any other cost.
    fn of(request: &Request, plan: &Plan<'_>, reserve_tokens: u64, with_own: bool) -> Weight {
        let priced = |candidate: &Candidate<'_>| is_priced(candidate, with_own);
        // Most plans have one model, and a free one needs no look at the body.
        if !plan.candidates.iter().any(priced) {
            return Weight::default();
        }
        let task = request.api().task();
        let prompt_tokens = match task {
            Task::CountTokens => return Weight::default(),
            // Forms and media: what they will cost is known when they are answered.
            task if task.is_opaque() => 0,
            _ => count::estimate(request),
        };
        let answers = match task {
            Task::Generate => count::answers(request),
            _ => 0,
        };
        let mut dearest = Weight::default();
        for candidate in plan.candidates.iter().filter(|candidate| priced(candidate)) {
            let endpoint = candidate.endpoint;
            let Some(prices) = prices(candidate, with_own) else {
                continue;
            };
            let most = request.max_tokens().unwrap_or_else(|| {
                endpoint
                    .completion_tokens_max
                    .or(endpoint.context_length)
                    .unwrap_or(reserve_tokens)
                    .min(reserve_tokens)
            });
            let weight = Weight::at(prices, prompt_tokens, most.saturating_mul(answers));
            if weight.nano() > dearest.nano() {
                dearest = weight;
            }
        }
        dearest
    }

    fn at(prices: &Prices, prompt: u64, completion: u64) -> Weight {
        let cost = |completion| {
            let usage = Usage {
                prompt,
                completion,
                total: prompt.saturating_add(completion),
                ..Usage::default()
            };
            i64::try_from(Cost::of(&usage, Some(prices), None).total_nano).unwrap_or(i64::MAX)
        };
        let prompt_nano = cost(0);
        Weight {
            prompt_tokens: prompt,
            completion_tokens: completion,
            prompt_nano,
            completion_nano: cost(completion).saturating_sub(prompt_nano),
        }
    }

    fn nano(&self) -> i64 {
        self.prompt_nano.saturating_add(self.completion_nano)
    }

    /// The sentence for a request that costs more than what is left (checklist G05).
    fn too_much(&self, left: i64) -> String {
        let share = |tokens: u64, nano: i64, money: i64| {
            let tokens = u128::from(tokens) * u128::from(money.max(0).unsigned_abs());
            tokens / u128::from(nano.max(1).unsigned_abs())
        };
        if self.prompt_nano >= left {
            let affordable = share(self.prompt_tokens, self.prompt_nano, left);
            return format!(
                "Prompt tokens limit exceeded: {} > {affordable}",
                self.prompt_tokens
            );
        }
        let affordable = share(
            self.completion_tokens,
            self.completion_nano,
            left - self.prompt_nano,
        );
        format!(
            "This request requires more credits, or fewer max_tokens. You requested up to {} tokens, but can only afford {affordable}",
            self.completion_tokens
        )
    }
}

/// What counts of a candidate's prices: with a key of the client's own the gateway's fee, or all, if that is to count too.
fn prices<'c>(candidate: &'c Candidate<'_>, with_own: bool) -> Option<&'c Prices> {
    match &candidate.own {
        Some(own) if !with_own => Some(&own.prices),
        _ => candidate.endpoint.prices.as_ref(),
    }
}

fn is_priced(candidate: &Candidate<'_>, with_own: bool) -> bool {
    prices(candidate, with_own)
        .is_some_and(|prices| prices.byok_fee_percent != Some(0) && costs_anything(prices))
}

/// Whether any use has a price.
fn costs_anything(prices: &Prices) -> bool {
    let Prices {
        version: _,
        prompt,
        completion,
        cache_read,
        cache_write,
        cache_write_1h,
        reasoning,
        audio_prompt,
        audio_completion,
        image_prompt,
        image_completion,
        image,
        request,
        web_search,
        search_unit,
        second,
        character,
        tiers,
        service,
        byok_fee_percent: _,
    } = prices;
    let numbers = [
        prompt,
        completion,
        cache_read,
        cache_write,
        cache_write_1h,
        image,
        request,
        web_search,
        search_unit,
        second,
        character,
    ];
    let kinds = [
        reasoning,
        audio_prompt,
        audio_completion,
        image_prompt,
        image_completion,
    ];
    numbers.into_iter().any(|price| *price > 0)
        || kinds
            .into_iter()
            .any(|price| price.is_some_and(|price| price > 0))
        || !tiers.is_empty()
        || !service.is_empty()
}

/// Nano-dollars as a decimal number of dollars, exact.
fn dollars(nano: i64) -> String {
    const NANO: u64 = 1_000_000_000;
    let (whole, rest) = (nano.unsigned_abs() / NANO, nano.unsigned_abs() % NANO);
    let sign = if nano < 0 { "-" } else { "" };
    match rest {
        0 => format!("{sign}{whole}"),
        rest => {
            let places = format!("{rest:09}");
            format!("{sign}{whole}.{}", places.trim_end_matches('0'))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prices() -> Prices {
        Prices {
            prompt: 1_000_000_000,
            completion: 10_000_000_000,
            ..Prices::default()
        }
    }

    #[test]
    fn dollars_are_exact() {
        assert_eq!(dollars(0), "0");
        assert_eq!(dollars(1), "0.000000001");
        assert_eq!(dollars(1_500_000_000), "1.5");
        assert_eq!(dollars(-20_000_000_000), "-20");
        assert_eq!(dollars(i64::MIN), "-9223372036.854775808");
    }

    #[test]
    fn g05_the_sentence_says_how_many_tokens_can_be_afforded() {
        // 1,000 tokens of prompt cost 1,000,000 nano-dollars; one that is written 10,000.
        let weight = Weight::at(&prices(), 1_000, 500);
        assert_eq!(
            (weight.prompt_nano, weight.completion_nano),
            (1_000_000, 5_000_000)
        );
        assert_eq!(
            weight.too_much(2_005_000),
            "This request requires more credits, or fewer max_tokens. You requested up to 500 tokens, but can only afford 100"
        );
        assert_eq!(
            weight.too_much(250_000),
            "Prompt tokens limit exceeded: 1000 > 250"
        );
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let weight = Weight::at(&prices(), u64::MAX, u64::MAX);
        assert_eq!(weight.nano(), i64::MAX);
        assert!(weight.too_much(1).contains("> "));
    }

    fn purse<'a>(spending: &'a Spending, owner: Owner<'a>, limit: i64) -> Purse<'a> {
        Purse {
            owner,
            spending,
            own: None,
            limit,
            reset: None,
        }
    }

    #[test]
    fn g06_debts_stop_free_models_and_nothing_left_does_not() {
        let spending = Spending::new(0);
        spending.add(100, 0);
        let free = Weight::default();
        assert!(matches!(
            purse(&spending, Owner::Gateway, 100).take(&free, 0),
            Ok(None)
        ));
        let refusal = purse(&spending, Owner::Gateway, 99)
            .take(&free, 0)
            .expect_err("a debt");
        assert_eq!(refusal.status(), 402);
        assert!(refusal.message.starts_with("Insufficient credits"));
        // A key that spent a little more than its limit may still use what is free.
        assert!(matches!(
            purse(&spending, Owner::Key("k"), 99).take(&free, 0),
            Ok(None)
        ));
    }

    #[test]
    fn what_is_held_is_given_back() {
        let spending = Spending::new(0);
        let weight = Weight::at(&prices(), 1, 1);
        let held = purse(&spending, Owner::Key("k"), 1_000_000).take(&weight, 0);
        assert_eq!(spending.held(), weight.nano());
        drop(Hold {
            from: [held.ok().flatten(), None],
        });
        assert_eq!(spending.held(), 0);
    }

    #[test]
    fn more_is_held_of_all_limits_or_of_none() {
        let (key, gateway) = (Spending::new(0), Spending::new(0));
        let weight = Weight::at(&prices(), 0, 1);
        let of = |spending, owner, limit| {
            let held = purse(spending, owner, limit).take(&weight, 0);
            held.ok().flatten()
        };
        let hold = Hold {
            from: [
                of(&key, Owner::Key("k"), 15_000),
                of(&gateway, Owner::Gateway, 13_000),
            ],
        };
        let held = || (key.held(), gateway.held());
        assert_eq!(held(), (10_000, 10_000));
        let mut beside = hold.beside();
        assert!(!beside.more(4_000, 0));
        assert_eq!(held(), (10_000, 10_000));
        assert!(beside.more(3_000, 0));
        assert_eq!(held(), (13_000, 13_000));
        // Who claims the request keeps both until it is booked.
        beside.join(hold);
        assert_eq!(held(), (13_000, 13_000));
        drop(beside);
        assert_eq!(held(), (0, 0));
    }
}
