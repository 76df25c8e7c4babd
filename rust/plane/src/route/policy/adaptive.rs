//! By what a request really costs: price, time and failures together, each turned into money at a documented rate (openrouter.md
//! section 3.3; the rates are `routing.adaptive`).
//!
//! - **Price** of the mean request of the last half hour at the endpoint's own prices, with its own share of cached prompts. A mean over the
//!   group's endpoints, so that all are asked for the same; before there is any, a thousand tokens in and three hundred out.
//! - **Time**: to the first token, and to write the answer, at `second` a second.
//! - **Failures**: a failed request costs `failure` times a served one, and a 429 `limited` times, so that the expected cost is
//!   (price + time) × (1 + failure × share of failures + limited × share of 429s).
//!
//! An endpoint is drawn with a weight of one over the fourth power of that cost: what is a fifth dearer gets half the requests, and what is
//! twice as dear a sixteenth. A share of `exploration` goes to all alike, so that none is ever forgotten (checklist R35). What is not known
//! of an endpoint is taken to be as it is with the others, and a price that nobody knows to be the dearest.
//!
//! Endpoints whose breaker is open, and those over the cap that was learnt from their 429s, stand behind the others whatever the policy
//! (checklist R36; `statistics`).

use smallvec::SmallVec;
use turnout_wire::cost::Prices;

use super::drawn;
use crate::route::rank::Entry;
use crate::snapshot::written::Adaptive;
use crate::statistics::Look;

/// Endpoints that are compared without an allocation.
const INLINE: usize = 24;
/// The request that is asked for while none has been seen.
const USUAL_PROMPT: f64 = 1000.0;
const USUAL_COMPLETION: f64 = 300.0;
/// How fast the share of an endpoint falls with its cost.
const POWER: i32 = 4;
/// Nothing costs less than a nano-dollar, so that what is free can be compared.
const COST_MIN: f64 = 1.0;

/// Scores by a draw.
pub(crate) fn draw(group: &mut [Entry<'_>], rates: &Adaptive) {
    let looks = group.iter().map(|entry| entry.endpoint.statistics.learnt());
    let looks: SmallVec<[Look; INLINE]> = looks.collect();
    let prices = group.iter().map(|entry| entry.endpoint.prices.as_ref());
    let market = Market::of(prices.zip(&looks));
    let mut sum = 0.0;
    for (entry, look) in group.iter_mut().zip(&looks) {
        let cost = market.cost(entry.endpoint.prices.as_ref(), look, rates);
        entry.score = weight(cost);
        sum += entry.score;
    }
    let count = group.len() as f64;
    let mut rng = fastrand::Rng::new();
    for entry in group.iter_mut() {
        entry.score = drawn(&mut rng, explored(entry.score / sum, count, rates));
    }
}

fn weight(cost: f64) -> f64 {
    cost.max(COST_MIN).powi(-POWER)
}

/// A share of the requests, with what goes to all alike.
fn explored(share: f64, count: f64, rates: &Adaptive) -> f64 {
    let alike = f64::from(rates.exploration_permille) / 1000.0;
    share * (1.0 - alike) + alike / count
}

/// What is known of the endpoints together.
#[derive(Debug, Clone, Copy)]
struct Market {
    /// Tokens of the request that is asked for.
    prompt: f64,
    completion: f64,
    /// Seconds to the first token, and for each token, where it is not known; zero when it is known of none.
    ttft_s: f64,
    token_s: f64,
    /// Nano-dollars, where no price is known.
    dearest: f64,
}

impl Market {
    fn of<'a>(offers: impl Iterator<Item = (Option<&'a Prices>, &'a Look)> + Clone) -> Market {
        let mut market = Market {
            prompt: USUAL_PROMPT,
            completion: USUAL_COMPLETION,
            ttft_s: 0.0,
            token_s: 0.0,
            dearest: 0.0,
        };
        let (mut requests, mut prompt, mut completion) = (0.0, 0.0, 0.0);
        let (mut ttfts, mut speeds) = (0.0, 0.0);
        for (_, look) in offers.clone() {
            if let Some(mean) = &look.mean {
                let weight = f64::from(look.requests.max(1));
                requests += weight;
                prompt += weight * f64::from(mean.prompt);
                completion += weight * f64::from(mean.completion);
            }
            if let Some(ttft_s) = ttft_s(look) {
                market.ttft_s += ttft_s;
                ttfts += 1.0;
            }
            if let Some(token_s) = token_s(look) {
                market.token_s += token_s;
                speeds += 1.0;
            }
        }
        if requests > 0.0 {
            market.prompt = prompt / requests;
            market.completion = completion / requests;
        }
        market.ttft_s /= f64::max(ttfts, 1.0);
        market.token_s /= f64::max(speeds, 1.0);
        for (prices, look) in offers {
            if let Some(prices) = prices {
                market.dearest = market.dearest.max(market.price(prices, look));
            }
        }
        market
    }

    /// Nano-dollars of the request at these prices. An estimate to compare by: what is booked is computed in integers elsewhere.
    fn price(&self, prices: &Prices, look: &Look) -> f64 {
        let cached = look.mean.map_or(0.0, |mean| {
            f64::from(mean.cached) / f64::from(mean.prompt.max(1))
        });
        let cached = self.prompt * cached.min(1.0);
        let per_million = |tokens: f64, price: u64| tokens * price as f64 / 1e6;
        per_million(self.prompt - cached, prices.prompt)
            + per_million(cached, prices.cache_read)
            + per_million(self.completion, prices.completion)
            + prices.request as f64
    }

    /// Nano-dollars that a request is expected to cost its client, all in all.
    fn cost(&self, prices: Option<&Prices>, look: &Look, rates: &Adaptive) -> f64 {
        let price = prices.map_or(self.dearest, |prices| self.price(prices, look));
        let seconds = ttft_s(look).unwrap_or(self.ttft_s)
            + token_s(look).unwrap_or(self.token_s) * self.completion;
        // Five minutes of good answers must not hide that nothing has worked for one.
        let failed = look.failed_permille.max(look.failed_lately_permille);
        let failed = f64::from(failed) / 1000.0 * f64::from(rates.failure);
        let limited = f64::from(look.limited_permille) / 1000.0 * f64::from(rates.limited);
        (price + seconds * rates.second_nano as f64).max(COST_MIN) * (1.0 + failed + limited)
    }
}

/// Seconds to the first token, in the median.
fn ttft_s(look: &Look) -> Option<f64> {
    look.ttft_us.map(|[median, ..]| f64::from(median) / 1e6)
}

/// Seconds for each token, in the median.
fn token_s(look: &Look) -> Option<f64> {
    look.speed
        .map(|[median, ..]| 1000.0 / f64::from(median.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::Mean;

    const RATES: Adaptive = Adaptive {
        second_nano: 100_000,
        failure: 10,
        limited: 2,
        exploration_permille: 20,
    };

    fn prices(dollars: f64) -> Prices {
        Prices {
            prompt: (dollars * 1e9) as u64,
            completion: (dollars * 1e9) as u64,
            cache_read: (dollars * 1e8) as u64,
            ..Prices::default()
        }
    }

    fn look(ttft_ms: u32, speed: u32) -> Look {
        Look {
            ttft_us: Some([ttft_ms * 1000; 4]),
            speed: Some([speed * 1000; 4]),
            ..Look::default()
        }
    }

    /// Shares of the endpoints in the first place, before exploration.
    fn shares(offers: &[(Prices, Look)]) -> Vec<f64> {
        let market = Market::of(offers.iter().map(|(prices, look)| (Some(prices), look)));
        let weights: Vec<f64> = offers
            .iter()
            .map(|(prices, look)| weight(market.cost(Some(prices), look, &RATES)))
            .collect();
        let sum: f64 = weights.iter().sum();
        weights.iter().map(|weight| weight / sum).collect()
    }

    #[test]
    fn what_is_alike_is_drawn_alike() {
        let shares = shares(&[(prices(1.0), look(300, 50)), (prices(1.0), look(300, 50))]);
        assert!((shares[0] - 0.5).abs() < 1e-9);
    }

    #[test]
    fn the_cheaper_the_faster_and_the_sounder_get_more() {
        let base = || (prices(1.0), look(300, 50));
        let failing = Look {
            failed_permille: 100,
            ..look(300, 50)
        };
        let limited = Look {
            limited_permille: 300,
            ..look(300, 50)
        };
        for worse in [
            (prices(1.5), look(300, 50)),
            (prices(1.0), look(9000, 50)),
            (prices(1.0), look(300, 10)),
            (prices(1.0), failing),
            (prices(1.0), limited),
        ] {
            let shares = shares(&[base(), worse.clone()]);
            assert!(shares[0] > 0.65, "{shares:?} for {worse:?}");
        }
    }

    #[test]
    fn faster_may_be_dearer_within_an_edge() {
        // 1300 tokens at a dollar a million are 1.3 thousandths; the slow one takes 30 s, the fast one 3 s, which is worth 2.7.
        let shares = shares(&[(prices(1.0), look(300, 10)), (prices(2.0), look(300, 100))]);
        assert!(shares[1] > 0.7, "{shares:?}");
    }

    #[test]
    fn a_prompt_that_is_cached_is_cheaper() {
        let mean = |cached| {
            Some(Mean {
                prompt: 10_000,
                cached,
                completion: 100,
            })
        };
        let cached = Look {
            mean: mean(9000),
            requests: 10,
            ..look(300, 50)
        };
        let other = Look {
            mean: mean(0),
            requests: 10,
            ..look(300, 50)
        };
        let shares = shares(&[(prices(1.2), cached), (prices(1.0), other)]);
        assert!(shares[0] > 0.8, "{shares:?}");
    }

    #[test]
    fn what_nobody_knows_is_taken_as_with_the_others() {
        let shares = shares(&[(prices(1.0), look(300, 50)), (prices(1.0), Look::default())]);
        assert!((shares[0] - 0.5).abs() < 1e-9);
        let market = Market::of([(None, &Look::default())].into_iter());
        assert!(weight(market.cost(None, &Look::default(), &RATES)).is_finite());
    }

    #[test]
    fn r35_the_weakest_still_gets_its_share_of_the_exploration() {
        let offers = [(prices(1.0), look(300, 50)), (prices(50.0), look(9000, 5))];
        let shares = shares(&offers);
        assert!(shares[1] < 1e-5);
        let mut rng = fastrand::Rng::with_seed(35);
        let mut second = 0;
        for _ in 0..5000 {
            let scores = shares
                .iter()
                .map(|share| drawn(&mut rng, explored(*share, 2.0, &RATES)));
            let scores: Vec<f64> = scores.collect();
            second += u32::from(scores[1] < scores[0]);
        }
        // One in a hundred: fifty of 5000, give or take four deviations of seven.
        assert!((22..=78).contains(&second), "{second}");
    }

    #[test]
    fn the_draw_follows_the_shares() {
        let offers = [(prices(1.0), look(300, 50)), (prices(1.2), look(300, 50))];
        let shares = shares(&offers);
        let mut rng = fastrand::Rng::with_seed(7);
        let mut first = 0;
        for _ in 0..20_000 {
            let mut scores = shares
                .iter()
                .map(|share| drawn(&mut rng, explored(*share, 2.0, &RATES)));
            let (one, two) = (scores.next(), scores.next());
            first += u32::from(one < two);
        }
        let expected = explored(shares[0], 2.0, &RATES) * 20_000.0;
        let deviation = (f64::from(first) - expected).powi(2) / expected
            + (f64::from(first) - expected).powi(2) / (20_000.0 - expected);
        assert!(
            deviation < 10.83,
            "chi-square {deviation}: {first} for {expected}"
        );
    }
}
