//! Times that a client sets: seconds, or a number with its unit.

use std::time::Duration;

/// What [`read`] takes, for errors.
pub const EXPECTED: &str =
    "a time above 0 and at most an hour: seconds such as 2.5, or text such as 500ms, 30s or 2m";

const TIME_MAX: Duration = Duration::from_secs(3600);

/// Reads `2.5`, `500ms`, `30s`, `2m`. `None`: it is something else, zero, or above an hour.
pub fn read(text: &str) -> Option<Duration> {
    let text = text.trim();
    let (number, unit_us) = match text.strip_suffix("ms") {
        Some(number) => (number, 1_000),
        None => match (text.strip_suffix('s'), text.strip_suffix('m')) {
            (Some(number), _) => (number, 1_000_000),
            (_, Some(number)) => (number, 60_000_000),
            _ => (text, 1_000_000),
        },
    };
    let number = number.trim_end();
    let is_number = number
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    if !is_number || number.len() > 20 {
        return None;
    }
    let micros = number.parse::<f64>().ok()? * f64::from(unit_us);
    // A cast of a float stays within the range of the integer.
    let time = Duration::from_micros(micros as u64);
    (!time.is_zero() && time <= TIME_MAX).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_or_have_a_unit() {
        let ms = |text| read(text).map(|time| time.as_millis());
        assert_eq!(ms("2.5"), Some(2500));
        assert_eq!(ms(" 500ms "), Some(500));
        assert_eq!(ms("30 s"), Some(30_000));
        assert_eq!(ms("2m"), Some(120_000));
        assert_eq!(ms("3600"), Some(3_600_000));
        for wrong in [
            "",
            "0",
            "-1",
            "3601",
            "s",
            "ms",
            "1h",
            "1e3",
            "inf",
            "NaN",
            "1.2.3",
            "999999999999999999999",
        ] {
            assert_eq!(ms(wrong), None, "{wrong}");
        }
    }
}
