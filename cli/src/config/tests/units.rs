use super::*;
use std::time::Duration;

#[test]
fn durations_are_numbers_with_units() {
    for (text, expected) in [
        ("0s", Duration::ZERO),
        ("5ms", Duration::from_millis(5)),
        ("250us", Duration::from_micros(250)),
        ("1s", Duration::from_secs(1)),
        ("1.5s", Duration::from_millis(1500)),
        ("90m", Duration::from_secs(5400)),
        ("1h30m", Duration::from_secs(5400)),
        ("24h", Duration::from_secs(86_400)),
        ("7d", Duration::from_secs(604_800)),
        ("36500d", TimeSpan::MAX.get()),
    ] {
        assert_eq!(text.parse::<TimeSpan>().unwrap().get(), expected, "{text}");
    }
}

#[test]
fn what_is_no_duration_says_why() {
    let error = |text: &str| text.parse::<TimeSpan>().unwrap_err();
    assert!(matches!(error("5"), DurationError::NoUnit(_)));
    assert!(matches!(error("0"), DurationError::NoUnit(_)));
    for text in ["5x", "1M", "1 s", "1s1s", "30m1h", "1s5"] {
        assert!(matches!(error(text), DurationError::Unit(_)), "{text}: {:?}", error(text));
    }
    for text in ["", "s", "-1s", "1..5s", "1.s", " 1s", "1s ", "∞"] {
        assert!(matches!(error(text), DurationError::NotADuration(_)), "{text}: {:?}", error(text));
    }
    assert!(matches!(error("0.5us"), DurationError::TooFine(_)));
    for text in ["36501d", "99999999999999999999d", "18446744073709551615h"] {
        assert!(matches!(error(text), DurationError::TooLong(_)), "{text}");
    }
}

#[test]
fn durations_are_shown_in_the_largest_unit_up_to_hours() {
    for (text, shown) in [
        ("0ms", "0s"),
        ("1000ms", "1s"),
        ("1d", "24h"),
        ("90s", "90s"),
        ("1h30m", "90m"),
        ("1500us", "1500us"),
    ] {
        assert_eq!(text.parse::<TimeSpan>().unwrap().to_string(), shown);
    }
}

#[test]
fn sizes_are_numbers_with_units() {
    for (text, expected) in [
        ("0B", 0),
        ("512B", 512),
        ("1KB", 1000),
        ("1kib", 1024),
        ("8MiB", 8 << 20),
        ("256MiB", 256 << 20),
        ("1.5GiB", 3 << 29),
        ("1GB", 1_000_000_000),
        ("2TiB", 2 << 40),
    ] {
        assert_eq!(text.parse::<ByteSize>().unwrap().bytes(), expected, "{text}");
    }
}

#[test]
fn what_is_no_size_says_why() {
    let error = |text: &str| text.parse::<ByteSize>().unwrap_err();
    assert!(matches!(error("1024"), SizeError::NoUnit(_)));
    assert!(matches!(error("1M"), SizeError::Unit(_)));
    assert!(matches!(error("0.3B"), SizeError::TooFine(_)));
    assert!(matches!(error("9999999999TiB"), SizeError::TooLarge(_)));
    for text in ["", "MiB", "-1MiB", "1MiB2", "1..0MiB"] {
        assert!(matches!(error(text), SizeError::NotASize(_)), "{text}");
    }
}

#[test]
fn sizes_are_shown_as_they_are_written() {
    for text in ["0B", "8MiB", "1GB", "1GiB", "1000KiB", "1MB", "7B"] {
        assert_eq!(text.parse::<ByteSize>().unwrap().to_string(), text);
    }
}

#[test]
fn every_default_of_the_key_table_is_legal_and_shown_as_written() {
    for key in KEYS {
        let Some(text) = key.default else { continue };
        let value = key.kind.parse(text).unwrap();
        if !matches!(value, Value::Durations(_) | Value::Texts(_)) {
            assert_eq!(value.to_string().trim_matches('"'), text, "{}", key.path);
        }
    }
}

#[test]
fn keys_that_a_database_may_set_have_distinct_names() {
    let mut names: Vec<&str> = KEYS.iter().filter(|key| key.is_per_database()).map(Key::name).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
    assert_eq!(count, 17);
}

#[test]
fn levels_are_one_to_eight_and_each_longer_than_the_one_before() {
    let levels = |list: &str| problems(&format!("[compaction]\nlevels = [{list}]\n"));
    for legal in
        ["\"1s\"", "\"30s\", \"5m\", \"1h\"", "\"1s\",\"2s\",\"3s\",\"4s\",\"5s\",\"6s\",\"7s\",\"8s\""]
    {
        assert_eq!(levels(legal), [""; 0], "{legal}");
    }
    for (wrong, message) in [
        ("", "needs 1 to 8 durations, has 0"),
        ("\"1s\",\"2s\",\"3s\",\"4s\",\"5s\",\"6s\",\"7s\",\"8s\",\"9s\"", "needs 1 to 8 durations, has 9"),
        ("\"5m\", \"30s\"", "each must be longer than the one before: 30s comes after 5m"),
        ("\"5m\", \"5m\"", "each must be longer than the one before"),
        ("\"999ms\", \"5m\"", "the first level is below 1s"),
        ("\"0s\"", "it must be longer than 0s"),
        ("\"30\"", "`30` has no unit"),
        ("30", "expected text in quotes"),
    ] {
        let found = levels(wrong);
        assert!(found.len() == 1 && found[0].contains(message), "{wrong}: {found:?}");
    }
    let own = "[[databases]]\npath = \"/d/a.db\"\ncompaction.levels = [\"1ms\"]\n";
    assert!(problems(own)[0].contains("line 3: databases.compaction.levels"), "{:?}", problems(own));
}
