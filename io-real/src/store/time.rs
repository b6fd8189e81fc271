//! Times as stores write them.

use engine::types::Timestamp;

/// RFC 3339 with a fraction, as Litestream writes and reads its `litestream-timestamp` metadata.
pub(super) fn format_rfc3339(timestamp: Timestamp) -> String {
    match jiff::Timestamp::from_millisecond(timestamp.as_millis()) {
        Ok(time) => format!("{time:.3}"),
        // Past the year 9999: the nearest time that can be written.
        Err(_) if timestamp.as_millis() > 0 => format!("{:.3}", jiff::Timestamp::MAX),
        Err(_) => format!("{:.3}", jiff::Timestamp::MIN),
    }
}

/// RFC 3339 with any offset and fraction: metadata, listings. Finer than a millisecond is cut off.
pub(super) fn parse_rfc3339(text: &str) -> Option<Timestamp> {
    let time: jiff::Timestamp = text.trim().parse().ok()?;
    Some(Timestamp::from_millis(time.as_millisecond()))
}

/// An HTTP date: the headers `Date` and `Last-Modified`.
pub(super) fn parse_http_date(text: &str) -> Option<Timestamp> {
    let time = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text.trim()).ok()?;
    Some(Timestamp::from_millis(time.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_written_with_milliseconds() {
        let timestamp = Timestamp::from_millis(1_700_000_000_120);
        assert_eq!(format_rfc3339(timestamp), "2023-11-14T22:13:20.120Z");
        assert_eq!(parse_rfc3339(&format_rfc3339(timestamp)), Some(timestamp));
    }

    #[test]
    fn times_out_of_range_are_written_as_the_nearest() {
        assert!(format_rfc3339(Timestamp::from_millis(i64::MAX)).starts_with("9999-"));
        assert!(format_rfc3339(Timestamp::from_millis(i64::MIN)).starts_with("-009999-"));
    }

    #[test]
    fn what_go_writes_is_read() {
        let expected = Some(Timestamp::from_millis(1_700_000_000_123));
        assert_eq!(parse_rfc3339("2023-11-14T22:13:20.123456789Z"), expected);
        assert_eq!(parse_rfc3339("2023-11-14T23:13:20.123+01:00"), expected);
        assert_eq!(parse_rfc3339("yesterday"), None);
    }

    #[test]
    fn http_dates_are_read() {
        let expected = Some(Timestamp::from_millis(784_111_777_000));
        assert_eq!(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), expected);
        assert_eq!(parse_http_date("6 o'clock"), None);
    }
}
