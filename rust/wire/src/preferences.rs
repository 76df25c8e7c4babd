//! The `provider` object of a request: the client's wishes about who serves (openrouter.md section 2.3).

use std::borrow::Cow;
use std::time::Duration;

use crate::hedge::{self, Hedge};
use crate::json::{Kind, Walker};
use crate::member::{self, Path};
use crate::refusal::Refusal;
use crate::request::LIST_MAX;
use crate::timeout;

/// The wishes. Members that this version does not know are tolerated; one that it knows is read strictly, because a wish that is
/// quietly not heard would send data where it must not go.
#[derive(Debug, Clone, PartialEq)]
pub struct Preferences {
    /// Providers to try first, in this order.
    pub order: Vec<String>,
    /// Only these.
    pub only: Vec<String>,
    /// Not these.
    pub ignore: Vec<String>,
    /// Whether anything else may be tried than the first choice. True when not said.
    pub allow_fallbacks: bool,
    /// Whether an endpoint that cannot take every parameter of the request is left out. False when not said.
    pub require_parameters: bool,
    /// `data_collection: "deny"`: nobody who trains on what is sent.
    pub deny_data_collection: bool,
    /// Only endpoints with zero data retention.
    pub zdr: bool,
    /// Only models whose author permits distillation.
    pub enforce_distillable_text: bool,
    /// Only these precisions.
    pub quantizations: Quantizations,
    /// A fixed order instead of the usual draw.
    pub sort: Option<Sort>,
    /// Whether the endpoints of all models are ordered together (`sort.partition: "none"`), instead of model after model.
    pub across_models: bool,
    /// Output tokens per 1000 seconds that an endpoint should reach: p50, p75, p90, p99. Zero: no wish.
    pub throughput_min: [u32; 4],
    /// Microseconds to the first token that an endpoint should not exceed: p50, p75, p90, p99. `u32::MAX`: no wish.
    pub latency_max_us: [u32; 4],
    /// What an endpoint may cost at most.
    pub max_price: MaxPrice,
    /// How long all attempts together may take up to the first byte of an answer. This gateway's own member.
    pub timeout: Option<Duration>,
    /// How long each attempt may take up to there. This gateway's own member.
    pub attempt_timeout: Option<Duration>,
    /// Whether a second attempt may be made beside a slow one. This gateway's own member.
    pub hedge: Option<Hedge>,
}

impl Default for Preferences {
    fn default() -> Preferences {
        Preferences {
            order: Vec::new(),
            only: Vec::new(),
            ignore: Vec::new(),
            allow_fallbacks: true,
            require_parameters: false,
            deny_data_collection: false,
            zdr: false,
            enforce_distillable_text: false,
            quantizations: Quantizations::default(),
            sort: None,
            across_models: false,
            throughput_min: [0; 4],
            latency_max_us: [u32::MAX; 4],
            max_price: MaxPrice::default(),
            timeout: None,
            attempt_timeout: None,
            hedge: None,
        }
    }
}

/// `provider.sort`. The words after `Exacto` are this gateway's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// Cheapest first.
    Price,
    /// Most tokens a second first.
    Throughput,
    /// Shortest time to the first token first.
    Latency,
    /// Best at calling tools first.
    Exacto,
    /// Drawn by the configured weights.
    Weighted,
    /// The less busy of two drawn.
    LeastBusy,
    /// By price, speed and failures together.
    Adaptive,
    /// As the configuration lists them.
    Order,
}

impl Sort {
    const WORDS: &'static str =
        "price, throughput, latency, exacto, weighted, least_busy, adaptive or order";

    fn of(word: &str) -> Option<Sort> {
        Some(match word {
            "price" => Sort::Price,
            "throughput" => Sort::Throughput,
            "latency" => Sort::Latency,
            "exacto" => Sort::Exacto,
            "weighted" => Sort::Weighted,
            "least_busy" => Sort::LeastBusy,
            "adaptive" => Sort::Adaptive,
            "order" => Sort::Order,
            _ => return None,
        })
    }
}

/// A set of the precisions in which weights are served. Empty: any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quantizations(u16);

impl Quantizations {
    const NAMES: [&'static str; 12] = [
        "int4", "int8", "fp4", "mxfp4", "nvfp4", "fp6", "fp8", "mxfp8", "fp16", "bf16", "fp32",
        "unknown",
    ];

    fn bit(name: &str) -> Option<u16> {
        let at = Self::NAMES.iter().position(|known| *known == name)?;
        Some(1 << at)
    }

    /// With one more; the plain name of a width admits the formats of that width that share scales (openrouter.md section 2.3).
    fn with(self, name: &str) -> Option<Quantizations> {
        let more: &[&str] = match name {
            "fp4" => &["fp4", "mxfp4", "nvfp4"],
            "fp8" => &["fp8", "mxfp8"],
            _ => &[name],
        };
        more.iter().try_fold(self, |set, name| {
            Some(Quantizations(set.0 | Self::bit(name)?))
        })
    }

    /// Whether any was named.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether an endpoint of this precision may serve; `None`, and a name that nobody can ask for, are `unknown`.
    pub fn admit(self, precision: Option<&str>) -> bool {
        let unknown = 1 << (Self::NAMES.len() - 1);
        self.is_empty() || self.0 & precision.and_then(Self::bit).unwrap_or(unknown) != 0
    }
}

/// Nano-dollars; per million tokens, per request, per image, per million audio tokens. `None`: no bound.
///
/// What is finer than a nano-dollar is cut off, which changes nothing, because prices are whole nano-dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MaxPrice {
    /// Of a million tokens that are read.
    pub prompt: Option<u64>,
    /// Of a million tokens that are written.
    pub completion: Option<u64>,
    /// Of a request.
    pub request: Option<u64>,
    /// Of an image in the prompt.
    pub image: Option<u64>,
    /// Of audio that is read.
    pub audio: Option<u64>,
}

/// Reads the object. The refusal names the member.
pub(crate) fn read(raw: &str) -> Result<Preferences, Refusal> {
    let path = Path::ROOT.member("provider");
    let mut read = Preferences::default();
    member::object(&mut Walker::new(raw), &path, |name, walker| {
        let path = path.member(name);
        match name {
            "order" => read.order = list(walker, &path)?,
            "only" => read.only = list(walker, &path)?,
            "ignore" => read.ignore = list(walker, &path)?,
            "allow_fallbacks" => {
                read.allow_fallbacks = member::boolean(walker, &path)?.unwrap_or(true);
            }
            "require_parameters" => {
                read.require_parameters = member::boolean(walker, &path)?.unwrap_or(false);
            }
            "data_collection" => {
                read.deny_data_collection = match member::string(walker, &path)?.as_deref() {
                    None | Some("allow") => false,
                    Some("deny") => true,
                    Some(other) => return Err(wrong_word(&path, "allow or deny", other)),
                };
            }
            "zdr" => read.zdr = member::boolean(walker, &path)?.unwrap_or(false),
            "enforce_distillable_text" => {
                read.enforce_distillable_text = member::boolean(walker, &path)?.unwrap_or(false);
            }
            "quantizations" => {
                for name in list(walker, &path)? {
                    read.quantizations = read.quantizations.with(&name).ok_or_else(|| {
                        let words = Quantizations::NAMES.join(", ");
                        wrong_word(&path, &format!("an array of these: {words}"), &name)
                    })?;
                }
            }
            "sort" => (read.sort, read.across_models) = sort(walker, &path)?,
            "preferred_min_throughput" => {
                // Tokens a second, kept as tokens in 1000 seconds.
                read.throughput_min = percentiles(walker, &path, 1e3)?.map(|min| min.unwrap_or(0));
            }
            "preferred_max_latency" => {
                // Seconds, kept as microseconds.
                read.latency_max_us =
                    percentiles(walker, &path, 1e6)?.map(|max| max.unwrap_or(u32::MAX));
            }
            "max_price" => read.max_price = max_price(walker, &path)?,
            "timeout" => read.timeout = time(walker, &path)?,
            "attempt_timeout" => read.attempt_timeout = time(walker, &path)?,
            "hedge" => read.hedge = hedge(walker, &path)?,
            _ => member::skip(walker)?,
        }
        Ok(())
    })?;
    Ok(read)
}

/// Reads `route`, the older word for the partition of `sort`: whether the endpoints of all models are ordered together.
pub(crate) fn read_route(raw: &str) -> Result<bool, Refusal> {
    let path = Path::ROOT.member("route");
    match member::string(&mut Walker::new(raw), &path)?.as_deref() {
        None | Some("fallback") => Ok(false),
        Some("sort") => Ok(true),
        Some(other) => Err(wrong_word(&path, "fallback or sort", other)),
    }
}

/// A word that is repeated is cut: it may be anything.
fn wrong_word(path: &Path<'_>, expected: &str, seen: &str) -> Refusal {
    let end = seen.char_indices().nth(64).map_or(seen.len(), |(at, _)| at);
    path.wrong(
        expected,
        &format!("{:?}", seen.get(..end).unwrap_or_default()),
    )
}

fn list(walker: &mut Walker<'_>, path: &Path<'_>) -> Result<Vec<String>, Refusal> {
    let mut read = Vec::new();
    member::array(walker, path, |index, walker| {
        if index >= LIST_MAX {
            let expected = format!("an array of at most {LIST_MAX} strings");
            return Err(path.wrong(&expected, "more"));
        }
        match member::string(walker, &path.element(index))? {
            Some(name) => read.push(name.into_owned()),
            None => return Err(path.element(index).wrong("a string", "null")),
        }
        Ok(())
    })?;
    Ok(read)
}

/// `sort`: a word, or an object with the word and how far it reaches.
fn sort(walker: &mut Walker<'_>, path: &Path<'_>) -> Result<(Option<Sort>, bool), Refusal> {
    let by = |word: Option<Cow<'_, str>>, path: &Path<'_>| match word {
        None => Ok(None),
        Some(word) => Sort::of(&word)
            .map(Some)
            .ok_or_else(|| wrong_word(path, Sort::WORDS, &word)),
    };
    match walker.peek() {
        Some(Kind::Object) => {}
        Some(kind) if !kind.is_string() && kind != Kind::Null => {
            return Err(path.wrong("a string or an object with `by`", kind.name()));
        }
        _ => return Ok((by(member::string(walker, path)?, path)?, false)),
    }
    let mut read = (None, false);
    member::object(walker, path, |name, walker| {
        let path = path.member(name);
        match name {
            "by" => read.0 = by(member::string(walker, &path)?, &path)?,
            "partition" => {
                read.1 = match member::string(walker, &path)?.as_deref() {
                    None | Some("model") => false,
                    Some("none") => true,
                    Some(other) => return Err(wrong_word(&path, "model or none", other)),
                };
            }
            _ => member::skip(walker)?,
        }
        Ok(())
    })?;
    Ok(read)
}

const PERCENTILES: [&str; 4] = ["p50", "p75", "p90", "p99"];

/// A number, which is meant for the median, or numbers by percentile; each times `scale`.
fn percentiles(
    walker: &mut Walker<'_>,
    path: &Path<'_>,
    scale: f64,
) -> Result<[Option<u32>; 4], Refusal> {
    let mut read = [None; 4];
    if walker.peek() != Some(Kind::Object) {
        read[0] = measure(walker, path, scale)?;
        return Ok(read);
    }
    member::object(walker, path, |name, walker| {
        let place = PERCENTILES.iter().position(|known| *known == name);
        match place.and_then(|at| read.get_mut(at)) {
            Some(place) => *place = measure(walker, &path.member(name), scale)?,
            None => member::skip(walker)?,
        }
        Ok(())
    })?;
    Ok(read)
}

/// A measure, not an amount of money: it may pass through a float.
fn measure(walker: &mut Walker<'_>, path: &Path<'_>, scale: f64) -> Result<Option<u32>, Refusal> {
    let expected = "a number that is not negative, or an object with p50, p75, p90 and p99";
    match walker.peek() {
        Some(Kind::Number | Kind::Null) => {}
        kind => return Err(path.wrong(expected, kind.map_or("nothing", Kind::name))),
    }
    let Some(raw) = member::number(walker, path)? else {
        return Ok(None);
    };
    match raw.get().parse::<f64>() {
        // Beyond the largest that is kept there is nothing that an endpoint could reach.
        Ok(number) if number >= 0.0 => Ok(Some((number * scale).min(f64::from(u32::MAX)) as u32)),
        _ => Err(path.wrong(expected, raw.get())),
    }
}

fn time(walker: &mut Walker<'_>, path: &Path<'_>) -> Result<Option<Duration>, Refusal> {
    let value = walker.value().map_err(member::malformed)?;
    let text = match value.kind {
        Kind::Null => return Ok(None),
        Kind::Number => Cow::Borrowed(value.raw(walker.text())),
        kind => (value.string(walker.text()))
            .ok_or_else(|| path.wrong(timeout::EXPECTED, kind.name()))?,
    };
    match timeout::read(&text) {
        Some(time) => Ok(Some(time)),
        None => Err(wrong_word(path, timeout::EXPECTED, &text)),
    }
}

fn hedge(walker: &mut Walker<'_>, path: &Path<'_>) -> Result<Option<Hedge>, Refusal> {
    let value = walker.value().map_err(member::malformed)?;
    let text = match value.kind {
        Kind::Null => return Ok(None),
        Kind::Number | Kind::True | Kind::False => Cow::Borrowed(value.raw(walker.text())),
        kind => {
            (value.string(walker.text())).ok_or_else(|| path.wrong(hedge::EXPECTED, kind.name()))?
        }
    };
    match hedge::read(&text) {
        Some(wish) => Ok(Some(wish)),
        None => Err(wrong_word(path, hedge::EXPECTED, &text)),
    }
}

fn max_price(walker: &mut Walker<'_>, path: &Path<'_>) -> Result<MaxPrice, Refusal> {
    let mut read = MaxPrice::default();
    member::object(walker, path, |name, walker| {
        let path = path.member(name);
        let place = match name {
            "prompt" => &mut read.prompt,
            "completion" => &mut read.completion,
            "request" => &mut read.request,
            "image" => &mut read.image,
            "audio" => &mut read.audio,
            _ => return member::skip(walker),
        };
        let value = walker.value().map_err(member::malformed)?;
        let expected = "US dollars, as a number or as decimal text, not negative";
        let text = match value.kind {
            Kind::Null => return Ok(()),
            Kind::Number => Cow::Borrowed(value.raw(walker.text())),
            kind => {
                (value.string(walker.text())).ok_or_else(|| path.wrong(expected, kind.name()))?
            }
        };
        let nano = nano_dollars(&text).ok_or_else(|| wrong_word(&path, expected, &text))?;
        *place = Some(nano);
        Ok(())
    })?;
    Ok(read)
}

/// Decimal places of a dollar that are kept.
const PLACES: i64 = 9;

/// Decimal text, with an exponent or without, in whole nano-dollars; what is finer is cut off. `None`: it is no such text.
fn nano_dollars(text: &str) -> Option<u64> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    // Digits that stand to the right of the nano-dollars are only looked at.
    let mut left = whole.len() as i64 + i64::from(exponent) + PLACES;
    let mut nano = 0u64;
    for digit in whole.bytes().chain(fraction.bytes()) {
        if !digit.is_ascii_digit() {
            return None;
        }
        if left > 0 {
            nano = nano
                .saturating_mul(10)
                .saturating_add(u64::from(digit - b'0'));
        }
        left -= 1;
    }
    // Beyond twenty places everything but zero is the most there is.
    for _ in 0..left.clamp(0, 20) {
        nano = nano.saturating_mul(10);
    }
    Some(nano)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(raw: &str) -> String {
        read(raw).unwrap_err().message.into_owned()
    }

    #[test]
    fn every_member_is_read() {
        let raw = r#"{"order":["a"],"only":["b","c"],"ignore":["d"],"allow_fallbacks":false,"require_parameters":true,
            "data_collection":"deny","zdr":true,"enforce_distillable_text":true,"quantizations":["fp8","int4"],
            "sort":{"by":"latency","partition":"none"},"preferred_min_throughput":12.5,
            "preferred_max_latency":{"p50":1,"p99":2.5,"later":true},
            "max_price":{"prompt":1,"completion":"2.50","request":0.01,"image":"1e-3","audio":null},"later":[1]}"#;
        let read = read(raw).unwrap();
        assert_eq!(
            (read.order, read.only, read.ignore),
            (
                vec!["a".to_owned()],
                vec!["b".to_owned(), "c".to_owned()],
                vec!["d".to_owned()]
            )
        );
        assert!(!read.allow_fallbacks && read.require_parameters && read.deny_data_collection);
        assert!(read.zdr && read.enforce_distillable_text);
        assert_eq!((read.sort, read.across_models), (Some(Sort::Latency), true));
        assert_eq!(read.throughput_min, [12_500, 0, 0, 0]);
        assert_eq!(
            read.latency_max_us,
            [1_000_000, u32::MAX, u32::MAX, 2_500_000]
        );
        assert_eq!(
            read.max_price,
            MaxPrice {
                prompt: Some(1_000_000_000),
                completion: Some(2_500_000_000),
                request: Some(10_000_000),
                image: Some(1_000_000),
                audio: None,
            }
        );
    }

    #[test]
    fn null_is_no_wish() {
        let names = [
            "order",
            "only",
            "ignore",
            "allow_fallbacks",
            "require_parameters",
            "data_collection",
            "zdr",
            "enforce_distillable_text",
            "quantizations",
            "sort",
            "timeout",
            "attempt_timeout",
            "hedge",
            "preferred_min_throughput",
            "preferred_max_latency",
            "max_price",
        ];
        for name in names {
            let raw = format!("{{\"{name}\":null}}");
            assert_eq!(read(&raw).unwrap(), Preferences::default(), "{name}");
        }
        assert_eq!(
            read(r#"{"sort":{"by":null,"partition":null}}"#).unwrap(),
            Preferences::default()
        );
    }

    #[test]
    fn a_wrong_member_is_named_with_what_was_expected() {
        for (raw, message) in [
            (
                r#"{"sort":"cheap"}"#,
                "`provider.sort` must be price, throughput, latency, exacto, weighted, least_busy, adaptive or order; seen: \"cheap\"",
            ),
            (
                r#"{"sort":{"by":7}}"#,
                "`provider.sort.by` must be a string; seen: a number",
            ),
            (
                r#"{"sort":[]}"#,
                "`provider.sort` must be a string or an object with `by`; seen: an array",
            ),
            (
                r#"{"sort":{"partition":"all"}}"#,
                "`provider.sort.partition` must be model or none; seen: \"all\"",
            ),
            (
                r#"{"data_collection":"never"}"#,
                "`provider.data_collection` must be allow or deny; seen: \"never\"",
            ),
            (
                r#"{"zdr":"yes"}"#,
                "`provider.zdr` must be true or false; seen: a string",
            ),
            (
                r#"{"preferred_max_latency":"fast"}"#,
                "`provider.preferred_max_latency` must be a number that is not negative, or an object with p50, p75, p90 and p99; seen: a string",
            ),
            (
                r#"{"preferred_min_throughput":{"p90":-1}}"#,
                "`provider.preferred_min_throughput.p90` must be a number that is not negative, or an object with p50, p75, p90 and p99; seen: -1",
            ),
            (
                r#"{"max_price":{"prompt":"a dollar"}}"#,
                "`provider.max_price.prompt` must be US dollars, as a number or as decimal text, not negative; seen: \"a dollar\"",
            ),
            (
                r#"{"max_price":{"image":-1}}"#,
                "`provider.max_price.image` must be US dollars, as a number or as decimal text, not negative; seen: \"-1\"",
            ),
            (
                r#"{"max_price":3}"#,
                "`provider.max_price` must be an object; seen: a number",
            ),
            (
                r#"{"order":[null]}"#,
                "`provider.order[0]` must be a string; seen: null",
            ),
        ] {
            assert_eq!(refused(raw), message);
        }
        assert!(refused(r#"{"quantizations":["fp5"]}"#).ends_with("unknown; seen: \"fp5\""));
        let long = "x".repeat(1_000);
        assert!(refused(&format!("{{\"sort\":\"{long}\"}}")).len() < 250);
        let many = vec!["\"a\""; LIST_MAX + 1].join(",");
        assert!(refused(&format!("{{\"only\":[{many}]}}")).contains("at most 64 strings"));
    }

    #[test]
    fn r13_a_width_admits_its_formats_with_shared_scales() {
        let set = |names: &[&str]| {
            names
                .iter()
                .try_fold(Quantizations::default(), |set, name| set.with(name))
                .unwrap()
        };
        let fp4 = set(&["fp4"]);
        for (precision, admitted) in [
            (Some("fp4"), true),
            (Some("mxfp4"), true),
            (Some("nvfp4"), true),
            (Some("fp8"), false),
            (None, false),
        ] {
            assert_eq!(fp4.admit(precision), admitted, "{precision:?}");
        }
        assert!(set(&["fp8"]).admit(Some("mxfp8")));
        assert!(!set(&["mxfp8"]).admit(Some("fp8")));
        assert!(set(&["unknown"]).admit(None) && set(&["unknown"]).admit(Some("q4_k_m")));
        assert!(
            Quantizations::default().admit(None) && Quantizations::default().admit(Some("fp8"))
        );
    }

    #[test]
    fn dollars_are_exact() {
        for (text, nano) in [
            ("0", Some(0)),
            ("1", Some(1_000_000_000)),
            ("0.1", Some(100_000_000)),
            ("0.0000000019", Some(1)),
            (".5", Some(500_000_000)),
            ("2.", Some(2_000_000_000)),
            ("1.5e3", Some(1_500_000_000_000)),
            ("15E-1", Some(1_500_000_000)),
            ("9007199254740993e-9", Some(9_007_199_254_740_993)),
            ("0e99999", Some(0)),
            ("1e999999999", Some(u64::MAX)),
            ("1e-999999999", Some(0)),
            ("", None),
            (".", None),
            ("-1", None),
            ("+1", None),
            ("1,5", None),
            ("1e", None),
            ("0x1", None),
            ("NaN", None),
        ] {
            assert_eq!(nano_dollars(text), nano, "{text}");
        }
    }

    #[test]
    fn route_is_the_older_word_for_the_partition() {
        assert!(!read_route("\"fallback\"").unwrap() && read_route("\"sort\"").unwrap());
        assert!(!read_route("null").unwrap());
        assert_eq!(
            read_route("\"price\"").unwrap_err().message,
            "`route` must be fallback or sort; seen: \"price\""
        );
    }
}
