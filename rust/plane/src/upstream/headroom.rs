//! What a provider's answer says about its limits: how much is left, and when it is whole again.
//!
//! The names are those in use (read 2026-07): `x-ratelimit-{limit,remaining,reset}-{requests,tokens}` (OpenAI and those made alike),
//! `anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-{limit,remaining,reset}`, and `x-ratelimit-{limit,remaining,reset}`
//! alone. A reset is written as a span (`6m0s`, `20ms`, `1.5`), as Unix seconds, or as a date (RFC 3339). What cannot be read is
//! left out: this is advice about which key to prefer, and nothing depends on it.

use crate::clock::Moment;

/// A limit whose reset is not said is taken to be whole after a minute: nearly all are per minute.
const RESET_MS: u64 = 60_000;
/// Further ahead than this a reset is not believed.
const RESET_MAX_MS: u64 = 3_600_000;
/// Most limits that are told apart.
const LIMITS: usize = 4;

/// One limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Limit {
    whole: Option<u64>,
    left: Option<u64>,
    reset: Option<Reset>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reset {
    InMs(u64),
    AtMs(u64),
}

/// The limits of an answer: of requests, of tokens, of tokens in, of tokens out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Headroom {
    limits: [Limit; LIMITS],
}

impl Headroom {
    /// Whether a header may be one of those. Most headers of an answer are not.
    pub(crate) fn is_spoken_of_in(name: &str) -> bool {
        let starts = |prefix: &str| {
            name.get(..prefix.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        };
        starts("x-ratelimit-") || starts("anthropic-ratelimit-")
    }

    /// Takes in a header line, if it is one of those.
    pub(crate) fn line(&mut self, name: &str, value: &[u8]) {
        let Some((limit, what)) = which(name) else {
            return;
        };
        let Ok(value) = std::str::from_utf8(value) else {
            return;
        };
        let value = value.trim();
        let limit = &mut self.limits[limit];
        match what {
            What::Whole => limit.whole = value.parse().ok(),
            What::Left => limit.left = value.parse().ok(),
            What::Reset => limit.reset = reset(value),
        }
    }

    /// The smallest share that is left of any limit, in thousandths, and in how many milliseconds that limit is whole again.
    pub(crate) fn tightest(&self, now: Moment) -> Option<(u32, u64)> {
        self.limits
            .iter()
            .filter_map(|limit| {
                let (whole, left) = (limit.whole?, limit.left?);
                let permille = u128::from(left.min(whole)) * 1000 / u128::from(whole.max(1));
                let reset_ms = match limit.reset {
                    None => RESET_MS,
                    Some(Reset::InMs(ms)) => ms,
                    Some(Reset::AtMs(ms)) => ms.saturating_sub(now.ms()),
                };
                Some((permille as u32, reset_ms.min(RESET_MAX_MS)))
            })
            .min()
    }
}

#[derive(Clone, Copy)]
enum What {
    Whole,
    Left,
    Reset,
}

/// Which limit a header speaks of, and what it says of it.
fn which(name: &str) -> Option<(usize, What)> {
    let what = |word: &str| match word {
        "limit" => Some(What::Whole),
        "remaining" => Some(What::Left),
        "reset" => Some(What::Reset),
        _ => None,
    };
    let limit = |word: &str| match word {
        "requests" | "" => Some(0),
        "tokens" => Some(1),
        "input-tokens" => Some(2),
        "output-tokens" => Some(3),
        _ => None,
    };
    let mut lower = [0u8; 48];
    let lower = lower.get_mut(..name.len())?;
    lower.copy_from_slice(name.as_bytes());
    lower.make_ascii_lowercase();
    let name = std::str::from_utf8(lower).ok()?;
    if let Some(rest) = name.strip_prefix("x-ratelimit-") {
        let (first, second) = rest.split_once('-').unwrap_or((rest, ""));
        return Some((limit(second)?, what(first)?));
    }
    let (first, second) = name
        .strip_prefix("anthropic-ratelimit-")?
        .rsplit_once('-')?;
    Some((limit(first)?, what(second)?))
}

/// A span, Unix seconds, or a date.
fn reset(text: &str) -> Option<Reset> {
    /// Numbers from here on are dates in seconds: 2001, or a span of 31 years.
    const DATES_FROM: f64 = 1e9;
    if let Ok(seconds) = text.parse::<f64>() {
        if !seconds.is_finite() || seconds < 0.0 {
            return None;
        }
        let ms = (seconds * 1000.0) as u64;
        return Some(if seconds >= DATES_FROM {
            // Some count milliseconds.
            Reset::AtMs(if seconds >= DATES_FROM * 1000.0 {
                seconds as u64
            } else {
                ms
            })
        } else {
            Reset::InMs(ms)
        });
    }
    if text.contains('T') {
        return date(text).map(Reset::AtMs);
    }
    span(text).map(Reset::InMs)
}

/// `1h2m3.5s`, `20ms`.
fn span(text: &str) -> Option<u64> {
    let mut ms = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, unit) = rest.split_at(digits);
        let number: f64 = number.parse().ok()?;
        let letters = unit
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(unit.len());
        let (unit, after) = unit.split_at(letters);
        ms += number
            * match unit {
                "ms" => 1.0,
                "s" => 1000.0,
                "m" => 60_000.0,
                "h" => 3_600_000.0,
                "d" => 86_400_000.0,
                _ => return None,
            };
        rest = after;
    }
    (ms.is_finite() && !text.is_empty()).then_some(ms as u64)
}

/// Milliseconds since 1970 of a date such as `2026-07-01T12:00:00Z`. Only Coordinated Universal Time: no provider sends another.
fn date(text: &str) -> Option<u64> {
    let (day, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut parts = day.splitn(3, '-').map(str::parse::<u64>);
    let (year, month, day) = (
        parts.next()?.ok()?,
        parts.next()?.ok()?,
        parts.next()?.ok()?,
    );
    let mut parts = time.splitn(3, ':');
    let hour: u64 = parts.next()?.parse().ok()?;
    let minute: u64 = parts.next()?.parse().ok()?;
    let second: f64 = parts.next()?.parse().ok()?;
    if !(1970..=9999).contains(&year)
        || !(1..=12).contains(&month)
        || !(1..=31).contains(&day)
        || hour > 24
        || minute > 59
        || !(0.0..61.0).contains(&second)
    {
        return None;
    }
    // Days since 1970 of a civil date; the year is taken to begin in March, so that the leap day is its last.
    let (years, months) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days =
        365 * years + years / 4 - years / 100 + years / 400 + (153 * months + 2) / 5 + day - 1;
    let days = days.checked_sub(719_468)?;
    Some((days * 86_400 + hour * 3600 + minute * 60) * 1000 + (second * 1000.0) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Moment {
        // 2026-07-01T12:00:00Z
        Moment::of_ms(1_782_907_200_000)
    }

    fn tightest(lines: &[(&str, &str)]) -> Option<(u32, u64)> {
        let mut headroom = Headroom::default();
        lines
            .iter()
            .for_each(|(name, value)| headroom.line(name, value.as_bytes()));
        headroom.tightest(now())
    }

    #[test]
    fn the_tightest_limit_speaks_in_the_words_of_openai() {
        let found = tightest(&[
            ("x-ratelimit-limit-requests", "5000"),
            ("x-ratelimit-remaining-requests", "4999"),
            ("x-ratelimit-reset-requests", "12ms"),
            ("X-RateLimit-Limit-Tokens", "800000"),
            ("X-RateLimit-Remaining-Tokens", "200000"),
            ("x-ratelimit-reset-tokens", "6m1.5s"),
        ]);
        assert_eq!(found, Some((250, 361_500)));
    }

    #[test]
    fn the_tightest_limit_speaks_in_the_words_of_anthropic() {
        let found = tightest(&[
            ("anthropic-ratelimit-requests-limit", "50"),
            ("anthropic-ratelimit-requests-remaining", "49"),
            ("anthropic-ratelimit-requests-reset", "2026-07-01T12:00:01Z"),
            ("anthropic-ratelimit-input-tokens-limit", "30000"),
            ("anthropic-ratelimit-input-tokens-remaining", "0"),
            (
                "anthropic-ratelimit-input-tokens-reset",
                "2026-07-01T12:00:30Z",
            ),
        ]);
        assert_eq!(found, Some((0, 30_000)));
    }

    #[test]
    fn resets_come_in_many_forms() {
        for (text, ms) in [
            ("1.5", Some(1500)),
            ("0", Some(0)),
            ("1782907260", Some(60_000)),
            ("1782907260000", Some(60_000)),
            ("1h", Some(3_600_000)),
            ("9d", Some(RESET_MAX_MS)),
            ("2026-07-01T12:00:10.5Z", Some(10_500)),
            ("2024-02-29T00:00:00Z", Some(0)),
            ("soon", Some(RESET_MS)),
            ("-5", Some(RESET_MS)),
            ("5parsecs", Some(RESET_MS)),
        ] {
            let found = tightest(&[
                ("x-ratelimit-limit", "10"),
                ("x-ratelimit-remaining", "5"),
                ("x-ratelimit-reset", text),
            ]);
            assert_eq!(found.map(|(_, ms)| ms), ms, "{text}");
        }
    }

    #[test]
    fn other_headers_say_nothing() {
        assert_eq!(
            tightest(&[
                ("x-request-id", "5"),
                ("x-ratelimit-limit-images", "5"),
                ("x-ratelimit-remaining", "many"),
                ("accept", "1"),
                (
                    "x-a-name-that-is-longer-than-any-that-is-looked-for-here",
                    "1"
                ),
            ]),
            None
        );
    }
}
