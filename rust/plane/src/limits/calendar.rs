//! Days, weeks and months in UTC. Weeks begin on Monday.

/// Milliseconds of a day.
pub(super) const DAY_MS: u64 = 86_400_000;

/// Number of the day since 1970.
pub(super) const fn day(unix_ms: u64) -> u64 {
    unix_ms / DAY_MS
}

/// The first day of the week of a day. 1970 began on a Thursday.
pub(super) const fn week_start(day: u64) -> u64 {
    day.saturating_sub((day + 3) % 7)
}

/// The first day of the month of a day.
pub(super) const fn month_start(day: u64) -> u64 {
    let (_, _, of_month) = date(day);
    day - (of_month - 1)
}

/// The first day of the month after that of a day.
pub(super) const fn next_month_start(day: u64) -> u64 {
    // Whatever the month, 31 days after its first one is another.
    month_start(month_start(day) + 31)
}

/// Year, month and day of the month (Howard Hinnant's `civil_from_days`, for days from 1970 on).
const fn date(day: u64) -> (u64, u64, u64) {
    // Days since the first of March of the year 0, in eras of 400 years.
    let shifted = day + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + (month <= 2) as u64;
    (year, month, of_month)
}

/// The beginning of a day as `2026-11-23T00:00:00Z`.
pub(super) fn written(start: u64) -> String {
    let (year, month, of_month) = date(start);
    format!("{year:04}-{month:02}-{of_month:02}T00:00:00Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_their_dates() {
        // From `date -u -d @$((day * 86400))`.
        for (day, text) in [
            (0, "1970-01-01"),
            (59, "1970-03-01"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (20_453, "2025-12-31"),
            (20_454, "2026-01-01"),
            (20_779, "2026-11-22"),
            (47_540, "2100-02-28"),
            (47_541, "2100-03-01"),
        ] {
            assert_eq!(written(day), format!("{text}T00:00:00Z"));
        }
    }

    #[test]
    fn weeks_begin_on_monday_and_months_on_the_first() {
        // The 22nd of November 2026 is a Sunday.
        let sunday = 20_779;
        assert_eq!(written(week_start(sunday)), "2026-11-16T00:00:00Z");
        assert_eq!(written(week_start(sunday + 1)), "2026-11-23T00:00:00Z");
        assert_eq!(week_start(sunday + 1), sunday + 1);
        assert_eq!(written(month_start(sunday)), "2026-11-01T00:00:00Z");
        assert_eq!(written(next_month_start(sunday)), "2026-12-01T00:00:00Z");
        assert_eq!(
            written(next_month_start(sunday + 31)),
            "2027-01-01T00:00:00Z"
        );
        assert_eq!(week_start(2), 0);
    }
}
