//! What a client says about hedging: a second attempt beside a first one that is slow.

use std::time::Duration;

use crate::timeout;

/// What [`read`] takes, for errors.
pub const EXPECTED: &str = "true, false, or the time after which a second attempt is made beside the first: seconds such as 2.5, or text such as \
     500ms, 30s or 2m";

/// Whether a request may be hedged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hedge {
    /// Never.
    Off,
    /// After the time that the configuration says.
    On,
    /// After this time.
    After(Duration),
}

/// Reads `true`, `false` or a time. `None`: it is something else.
pub fn read(text: &str) -> Option<Hedge> {
    match text.trim() {
        "true" => Some(Hedge::On),
        "false" => Some(Hedge::Off),
        time => timeout::read(time).map(Hedge::After),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_a_word_or_a_time() {
        assert_eq!(read("true"), Some(Hedge::On));
        assert_eq!(read(" false "), Some(Hedge::Off));
        assert_eq!(
            read("500ms"),
            Some(Hedge::After(Duration::from_millis(500)))
        );
        for wrong in ["", "yes", "0", "-1s", "TRUE", "p95"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
