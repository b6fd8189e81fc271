//! UTC hours, days, ISO weeks and months, as numbers that grow by one from each to the next.
//!
//! What a time means in local clocks is nobody's business here: summer time would let an hour last two.

use crate::types::Timestamp;
use std::fmt;

/// A kind of calendar period. All are UTC; a week is an ISO week, from Monday on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Period {
    /// 60 minutes.
    Hour,
    /// From midnight to midnight.
    Day,
    /// Seven days from Monday on.
    Week,
    /// A month of the calendar.
    Month,
}

impl Period {
    /// All of them, the shortest first.
    pub const ALL: [Period; 4] = [Period::Hour, Period::Day, Period::Week, Period::Month];

    /// The number of the period that a time lies in; the next period has the next number.
    pub fn number(self, time: Timestamp) -> i64 {
        let days = time.as_millis().div_euclid(DAY_MS);
        match self {
            Period::Hour => time.as_millis().div_euclid(HOUR_MS),
            Period::Day => days,
            // The first day of the epoch was a Thursday.
            Period::Week => (days + 3).div_euclid(7),
            Period::Month => month(time),
        }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Period::Hour => "hour",
            Period::Day => "day",
            Period::Week => "week",
            Period::Month => "month",
        })
    }
}

/// Months since year 0. Times outside the years -9999 to 9999 count as the first or last of these: they come from headers,
/// and nobody's clock says them.
fn month(time: Timestamp) -> i64 {
    let ms = time.as_millis();
    let beyond = if ms < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
    let time = jiff::Timestamp::from_millisecond(ms).unwrap_or(beyond);
    let date = jiff::tz::Offset::UTC.to_datetime(time);
    i64::from(date.year()) * 12 + i64::from(date.month())
}

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::from_millis(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    fn same(period: Period, left: &str, right: &str) -> bool {
        period.number(at(left)) == period.number(at(right))
    }

    #[test]
    fn periods_begin_where_the_calendar_says() {
        assert!(same(Period::Hour, "2026-11-27T10:00:00Z", "2026-11-27T10:59:59.999Z"));
        assert!(!same(Period::Hour, "2026-11-27T10:59:59.999Z", "2026-11-27T11:00:00Z"));
        assert!(!same(Period::Day, "1969-12-31T23:59:59.999Z", "1970-01-01T00:00:00Z"));
        assert!(same(Period::Week, "2026-12-28T00:00:00Z", "2027-01-03T23:59:59.999Z"));
        assert!(!same(Period::Week, "2027-01-03T23:59:59.999Z", "2027-01-04T00:00:00Z"));
        assert!(same(Period::Month, "2028-02-01T00:00:00Z", "2028-02-29T23:59:59.999Z"));
        assert!(!same(Period::Month, "2027-02-28T23:59:59.999Z", "2027-03-01T00:00:00Z"));
    }

    #[test]
    fn times_that_no_calendar_has_are_the_first_or_the_last() {
        for period in Period::ALL {
            let number = |ms| period.number(Timestamp::from_millis(ms));
            assert!(number(i64::MIN) < number(0), "{period}");
            assert!(number(0) < number(i64::MAX), "{period}");
        }
    }

    proptest! {
        #[test]
        fn the_next_period_has_the_next_number(ms in -100_000_000_000_000_i64..200_000_000_000_000) {
            let day = |ms| Timestamp::from_millis(ms);
            for period in Period::ALL {
                let step = period.number(day(ms + DAY_MS)) - period.number(day(ms));
                let limit = if period == Period::Hour { 24 } else { 1 };
                prop_assert!((0..=limit).contains(&step));
            }
            let date = jiff::tz::Offset::UTC.to_datetime(jiff::Timestamp::from_millisecond(ms).unwrap());
            let monday = date.iso_week_date().weekday() == jiff::civil::Weekday::Monday;
            let begins = Period::Week.number(day(ms)) != Period::Week.number(day(ms - DAY_MS));
            prop_assert_eq!(begins, monday);
        }
    }
}
