//! `plugins` of a request: what it says to the routers (openrouter.md section 2.5).
//!
//! They are read only when a router is asked for, and each router reads only the entry with its own id. What it acts on is read
//! strictly; other members, and entries for others, are tolerated. `enabled: false` makes an entry say nothing.

use crate::json::Walker;
use crate::member::Reading;
use crate::member::lenient::{each_member, string};
use crate::refusal::Refusal;

/// Most patterns in a list.
pub const PATTERNS_MAX: usize = 1024;
/// Most patterns of a list that have a star before their end: these are compared one by one, the others are searched.
pub const STARRED_MAX: usize = 64;
/// Most stars in a pattern.
pub const STARS_MAX: usize = 8;
/// Most bytes of a pattern.
pub const PATTERN_BYTES_MAX: usize = 1024;
/// Most bytes of all patterns of an entry together.
pub const PATTERNS_BYTES_MAX: usize = 65_536;

/// What a request says to the auto router.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AutoRouter {
    /// Patterns of models; `None`: not said. An empty list is taken for that too.
    pub allowed: Option<Vec<String>>,
    /// Patterns of models that are left out, also when they are allowed.
    pub excluded: Vec<String>,
    /// Which fifth by price: 0 to 4.
    pub cost_tier: Option<u8>,
    /// The older word: 0 to 10, the higher the cheaper. `cost_tier` wins over it.
    pub tradeoff: Option<u8>,
    /// Whether the model that the last turn of the assistant names is used again.
    pub pin_model: bool,
}

/// What a request says to the router for code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ParetoRouter {
    /// Thousandths.
    pub coding_score_min: Option<u16>,
    /// Nano-dollars per million tokens that are read.
    pub max_price: Option<u64>,
}

/// The words of `cost_tier`, the cheapest first.
pub const COST_TIERS: [&str; 5] = ["low", "medium", "high", "xhigh", "max"];

impl AutoRouter {
    /// Reads the entry of this id.
    pub fn read(body: &str, id: &str) -> Result<AutoRouter, Refusal> {
        let mut said = AutoRouter::default();
        entry(body, id, |reading, name| {
            match name {
                "allowed_models" => {
                    said.allowed = patterns(reading)?.filter(|list| !list.is_empty())
                }
                "excluded_models" => said.excluded = patterns(reading)?.unwrap_or_default(),
                "cost_tier" => {
                    if let Some(word) = reading.string()? {
                        let tier = COST_TIERS.iter().position(|tier| *tier == word);
                        let Some(tier) = tier else {
                            return Err(reading
                                .refuse(&format!("must be one of {}", COST_TIERS.join(", "))));
                        };
                        said.cost_tier = u8::try_from(tier).ok();
                    }
                }
                "cost_quality_tradeoff" => {
                    if let Some(number) = reading.whole()? {
                        if number > 10 {
                            return Err(reading.refuse("must be a whole number from 0 to 10"));
                        }
                        said.tradeoff = u8::try_from(number).ok();
                    }
                }
                "pin_model" => said.pin_model = reading.boolean()?.unwrap_or(false),
                _ => reading.skip()?,
            }
            let all = said.allowed.iter().flatten().chain(&said.excluded);
            let bytes: usize = all.map(String::len).sum();
            if bytes > PATTERNS_BYTES_MAX {
                return Err(reading.refuse(&format!(
                    "makes the patterns too long: {bytes} bytes, at most {PATTERNS_BYTES_MAX} together"
                )));
            }
            Ok(())
        })?;
        Ok(said)
    }
}

impl ParetoRouter {
    /// Reads the entry of this id.
    pub fn read(body: &str, id: &str) -> Result<ParetoRouter, Refusal> {
        let mut said = ParetoRouter::default();
        entry(body, id, |reading, name| {
            match name {
                "min_coding_score" => {
                    if let Some(number) = reading.number()? {
                        let score: f64 = number.get().parse().unwrap_or(f64::NAN);
                        if !(0.0..=1.0).contains(&score) {
                            return Err(reading.refuse("must be a number from 0 to 1"));
                        }
                        said.coding_score_min = Some((score * 1000.0).round() as u16);
                    }
                }
                "max_price" => {
                    if let Some(number) = reading.number()? {
                        let Some(nano) = nano_dollars(number.get()) else {
                            return Err(reading.refuse(
                                "must be a price in US dollars per million tokens, not negative",
                            ));
                        };
                        said.max_price = Some(nano);
                    }
                }
                "price_source" => {
                    // Both mean the list price here: there is no traffic of others to weigh it by.
                    let word = reading.string()?;
                    if !matches!(word.as_deref(), None | Some("prompt" | "weighted_avg")) {
                        return Err(reading.refuse("must be prompt or weighted_avg"));
                    }
                }
                _ => reading.skip()?,
            }
            Ok(())
        })?;
        Ok(said)
    }
}

/// Calls `each` at every member of the entry of `plugins` with this id, unless it is turned off.
fn entry<'a>(
    body: &'a str,
    id: &str,
    mut each: impl FnMut(&mut Reading<'_, 'a>, &str) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let mut walker = Walker::new(body);
    let mut reading = Reading::new(&mut walker);
    reading.members(|reading, name| {
        if name != "plugins" {
            return reading.skip();
        }
        reading.elements(|reading| {
            let (mut is_it, mut is_off) = (false, false);
            let mut ahead = reading.ahead();
            // What is no object is refused below, if at all.
            let _ = each_member(&mut ahead, |walker, name| {
                match name {
                    "id" => is_it = string(walker)?.as_deref() == Some(id),
                    "enabled" => is_off = walker.value()?.kind == crate::json::Kind::False,
                    _ => {
                        walker.value()?;
                    }
                }
                Ok::<(), crate::json::Malformed>(())
            });
            match is_it && !is_off {
                true => reading.members(&mut each),
                false => reading.skip(),
            }
        })
    })
}

/// A list of patterns; `None` for null.
fn patterns(reading: &mut Reading<'_, '_>) -> Result<Option<Vec<String>>, Refusal> {
    if reading.peek() == Some(crate::json::Kind::Null) {
        reading.skip()?;
        return Ok(None);
    }
    let mut list = Vec::new();
    let mut starred = 0;
    reading.elements(|reading| {
        let pattern = reading.string()?.unwrap_or_default();
        if pattern.is_empty() || pattern.len() > PATTERN_BYTES_MAX {
            return Err(reading.refuse(&format!(
                "must be a pattern of 1 to {PATTERN_BYTES_MAX} bytes, such as anthropic/*"
            )));
        }
        if list.len() == PATTERNS_MAX {
            return Err(
                reading.refuse(&format!("is one too many: at most {PATTERNS_MAX} patterns"))
            );
        }
        if memchr::memchr_iter(b'*', pattern.as_bytes()).count() > STARS_MAX {
            return Err(reading.refuse(&format!("must have at most {STARS_MAX} stars")));
        }
        let beginning = pattern.trim_end_matches('*');
        starred += usize::from(beginning.contains('*'));
        if starred > STARRED_MAX {
            return Err(reading.refuse(&format!(
                "is one too many: at most {STARRED_MAX} patterns with a star before the end"
            )));
        }
        // Two stars at the end mean what one means.
        list.push(match pattern.ends_with("**") {
            true => format!("{beginning}*"),
            false => pattern.into_owned(),
        });
        Ok(())
    })?;
    Ok(Some(list))
}

/// Dollars, as a number of JSON, in nano-dollars. What is finer is cut off, which can only make a bound stricter.
fn nano_dollars(number: &str) -> Option<u64> {
    let (mantissa, exponent) = match number.find(['e', 'E']) {
        Some(at) => (
            number.get(..at)?,
            number.get(at + 1..)?.parse::<i32>().ok()?,
        ),
        None => (number, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
    let shift = exponent
        .checked_add(9)?
        .checked_sub(i32::try_from(fraction.len()).ok()?)?;
    let nano = match u32::try_from(shift) {
        Ok(up) if digits > 0 => digits.checked_mul(10u128.checked_pow(up)?)?,
        Ok(_) => 0,
        Err(_) => 10u128
            .checked_pow(shift.unsigned_abs())
            .map_or(0, |divisor| digits / divisor),
    };
    u64::try_from(nano).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auto(entry: &str) -> Result<AutoRouter, String> {
        let body = format!(r#"{{"plugins":[{{"id":"web","cost_tier":7}},{entry}],"x":1}}"#);
        AutoRouter::read(&body, "auto-router").map_err(|refusal| refusal.message.into_owned())
    }

    fn pareto(entry: &str) -> Result<ParetoRouter, String> {
        let body = format!(r#"{{"plugins":[{entry}]}}"#);
        ParetoRouter::read(&body, "pareto-router").map_err(|refusal| refusal.message.into_owned())
    }

    #[test]
    fn only_the_entry_of_the_id_speaks() {
        let said = auto(
            r#"{"allowed_models":["anthropic/*"],"excluded_models":["*/o1"],"cost_tier":"high","cost_quality_tradeoff":3,"pin_model":true,"new":{},"id":"auto-router"}"#,
        )
        .unwrap();
        assert_eq!(
            said,
            AutoRouter {
                allowed: Some(vec!["anthropic/*".into()]),
                excluded: vec!["*/o1".into()],
                cost_tier: Some(2),
                tradeoff: Some(3),
                pin_model: true,
            }
        );
        assert_eq!(
            auto(r#"{"id":"auto-beta-router","cost_tier":9}"#),
            Ok(AutoRouter::default())
        );
        assert_eq!(
            auto(r#"{"id":"auto-router","enabled":false,"cost_tier":9}"#),
            Ok(AutoRouter::default())
        );
        assert_eq!(
            AutoRouter::read("{}", "auto-router").unwrap(),
            AutoRouter::default()
        );
        assert_eq!(
            AutoRouter::read(r#"{"plugins":null}"#, "auto-router").unwrap(),
            AutoRouter::default()
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let wrong = |entry: &str| auto(&format!(r#"{{"id":"auto-router",{entry}}}"#)).unwrap_err();
        assert_eq!(
            wrong(r#""cost_tier":"cheap""#),
            "`plugins[1].cost_tier` must be one of low, medium, high, xhigh, max"
        );
        assert!(
            wrong(r#""allowed_models":"x""#)
                .contains("`plugins[1].allowed_models` must be an array")
        );
        assert!(
            wrong(r#""allowed_models":[1]"#)
                .contains("`plugins[1].allowed_models[0]` must be a string")
        );
        assert!(
            wrong(r#""excluded_models":[""]"#).contains("excluded_models[0]` must be a pattern")
        );
        assert!(wrong(r#""cost_quality_tradeoff":11"#).contains("from 0 to 10"));
        assert!(wrong(r#""pin_model":1"#).contains("true or false"));
        let many = vec![r#""x""#; PATTERNS_MAX + 1].join(",");
        assert!(wrong(&format!(r#""allowed_models":[{many}]"#)).contains("one too many"));
        let starred = vec![r#""*x*""#; STARRED_MAX + 1].join(",");
        assert!(
            wrong(&format!(r#""allowed_models":[{starred}]"#)).contains("a star before the end")
        );
        assert!(wrong(r#""allowed_models":["*********"]"#).contains("at most 8 stars"));
        let long = vec![format!("\"{}\"", "x".repeat(1000)); 70].join(",");
        assert!(wrong(&format!(r#""allowed_models":[{long}]"#)).contains("too long"));
    }

    #[test]
    fn prices_and_scores_are_read() {
        let said = pareto(
            r#"{"id":"pareto-router","min_coding_score":0.333,"max_price":1.5,"price_source":"weighted_avg"}"#,
        );
        assert_eq!(
            said,
            Ok(ParetoRouter {
                coding_score_min: Some(333),
                max_price: Some(1_500_000_000),
            })
        );
        assert!(
            pareto(r#"{"id":"pareto-router","min_coding_score":2}"#)
                .unwrap_err()
                .contains("from 0 to 1")
        );
        assert!(
            pareto(r#"{"id":"pareto-router","max_price":-1}"#)
                .unwrap_err()
                .contains("not negative")
        );
        assert!(
            pareto(r#"{"id":"pareto-router","price_source":"x"}"#)
                .unwrap_err()
                .contains("prompt")
        );
    }

    #[test]
    fn dollars_are_exact() {
        for (text, nano) in [
            ("5", Some(5_000_000_000)),
            ("0", Some(0)),
            ("0.000000001", Some(1)),
            ("1e-9", Some(1)),
            ("2.5E1", Some(25_000_000_000)),
            ("0.0000000019", Some(1)),
            ("0e999", Some(0)),
            ("1e-99", Some(0)),
            ("1e99", None),
            ("-1", None),
        ] {
            assert_eq!(nano_dollars(text), nano, "{text}");
        }
    }
}
