//! Times as text: RFC 3339, UTC, milliseconds.

use engine::types::Timestamp;
use std::time::Duration;

/// `2026-01-31T12:00:00.123Z`. Times from objects may be anything: one beyond the calendar becomes its end.
pub fn format_timestamp(time: Timestamp) -> String {
    let known = jiff::Timestamp::from_millisecond(time.as_millis());
    let end = if time.as_millis() < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
    format!("{:.3}", known.unwrap_or(end))
}

/// A time that much later.
pub fn later(time: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_millis(time.as_millis().saturating_add(millis(by)))
}

/// A time that much earlier.
pub fn earlier(time: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_millis(time.as_millis().saturating_sub(millis(by)))
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Text that is not a point in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a time: {reason} (write it as 2026-01-31T12:00:00Z or 2026-01-31T14:00:00.500+02:00)"
)]
pub struct TimestampError {
    text: String,
    reason: &'static str,
}

/// Reads RFC 3339 with an offset (`Z` or `+02:00`), a `T` or a space between date and time, and any number of
/// decimals; what is finer than a millisecond is cut off, so that "at or before" never reaches later.
pub fn parse_timestamp(text: &str) -> Result<Timestamp, TimestampError> {
    let error = |reason| TimestampError { text: text.to_owned(), reason };
    if text.contains('[') {
        return Err(error("time zone names are not understood"));
    }
    match text.parse::<jiff::Timestamp>() {
        Ok(time) => Ok(Timestamp::from_millis(floor_to_ms(time))),
        Err(_) if text.parse::<jiff::civil::DateTime>().is_ok() && text.contains(':') => {
            Err(error("it has no offset from UTC"))
        }
        Err(_) if text.parse::<jiff::civil::Date>().is_ok() => Err(error("it has no time of day")),
        Err(_) => Err(error("it is not RFC 3339")),
    }
}

fn floor_to_ms(time: jiff::Timestamp) -> i64 {
    i64::try_from(time.as_nanosecond().div_euclid(1_000_000))
        .expect("the calendar ends long before 64 bits of ms")
}
