use super::progress::Lines;
use super::*;
use crate::exit::{Failure, Kind};
use engine::types::Timestamp;
use std::io::{self, Write};
use std::sync::Mutex;
use std::time::Duration;
use tracing::Level;

#[test]
fn times_are_utc_with_milliseconds() {
    let shown = |ms| format_timestamp(Timestamp::from_millis(ms));
    assert_eq!(shown(0), "1970-01-01T00:00:00.000Z");
    assert_eq!(shown(1_769_860_800_123), "2026-01-31T12:00:00.123Z");
    assert_eq!(shown(-1), "1969-12-31T23:59:59.999Z");
    assert_eq!(shown(i64::MAX), "9999-12-30T22:00:00.999Z");
    assert_eq!(shown(i64::MIN), "-009999-01-02T01:59:59.000Z");
}

#[test]
fn times_are_read_with_any_offset_and_cut_to_milliseconds() {
    for (text, ms) in [
        ("2026-01-31T12:00:00Z", 1_769_860_800_000),
        ("2026-01-31T12:00:00.123Z", 1_769_860_800_123),
        ("2026-01-31T12:00:00.123999999Z", 1_769_860_800_123),
        ("2026-01-31 14:00:00+02:00", 1_769_860_800_000),
        ("2026-01-31t12:00:00z", 1_769_860_800_000),
        ("1969-12-31T23:59:59.9999Z", -1),
    ] {
        assert_eq!(parse_timestamp(text).unwrap().as_millis(), ms, "{text}");
    }
}

#[test]
fn what_is_no_time_says_why_and_shows_the_form() {
    for (text, reason) in [
        ("2026-01-31", "it has no time of day"),
        ("2026-01-31T12:00:00", "it has no offset from UTC"),
        ("2026-01-31T12:00:00Z[Europe/Berlin]", "time zone names are not understood"),
        ("yesterday", "it is not RFC 3339"),
        ("2026-02-30T12:00:00Z", "it is not RFC 3339"),
        ("1769860800", "it is not RFC 3339"),
        ("", "it is not RFC 3339"),
    ] {
        let error = parse_timestamp(text).unwrap_err().to_string();
        assert!(error.contains(reason) && error.contains("2026-01-31T12:00:00Z"), "{error}");
    }
}

#[test]
fn sizes_for_people_have_one_decimal() {
    for (bytes, shown) in [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (10 << 20, "10.0 MiB"),
        (u64::MAX, "16777216.0 TiB"),
    ] {
        assert_eq!(human_size(bytes), shown);
    }
}

#[test]
fn progress_line_is_due_every_ten_seconds() {
    let mut lines = Lines::new("restoring app", Some(10 << 20));
    let at = Duration::from_millis;
    assert_eq!(lines.advance(at(9_999), 1 << 20), None);
    assert_eq!(lines.advance(at(10_000), 1 << 20).as_deref(), Some("restoring app: 2.0 MiB of 10.0 MiB"));
    assert_eq!(lines.advance(at(19_999), 0), None);
    assert_eq!(lines.advance(at(25_000), 0).as_deref(), Some("restoring app: 2.0 MiB of 10.0 MiB"));
    assert_eq!(lines.advance(at(34_999), u64::MAX), None);
}

fn printed(json: bool, verbosity: Verbosity, color: bool, print: impl Fn(&Printer)) -> (String, String) {
    let (streams, out, err) = Streams::captured();
    print(&Printer::new(streams, json, verbosity, color, true));
    (out.text(), err.text())
}

fn everything(printer: &Printer) {
    printer.data("data").unwrap();
    printer.note("note");
    printer.warn("doubtful", Some("walsync --help"));
    printer.failure(&Failure::usage("wrong").cause("why"));
    printer.progress("work", None).advance(1);
}

#[test]
fn data_goes_to_stdout_and_all_else_to_stderr() {
    let (out, err) = printed(false, Verbosity::Normal, false, everything);
    assert_eq!(out, "data\n");
    assert_eq!(
        err,
        "note\nwarning: doubtful\nhint: walsync --help\nerror: wrong\n  caused by: why\nhint: walsync --help\n"
    );
}

#[test]
fn quiet_leaves_data_and_errors() {
    let (out, err) = printed(false, Verbosity::Quiet, false, everything);
    assert_eq!(out, "data\n");
    assert_eq!(err, "error: wrong\n  caused by: why\nhint: walsync --help\n");
}

#[test]
fn under_json_every_line_of_stderr_is_json() {
    let (_, err) = printed(true, Verbosity::Normal, true, everything);
    let lines: Vec<serde_json::Value> = err.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0], serde_json::json!({ "warning": "doubtful", "hint": "walsync --help" }));
    assert_eq!(lines[1]["error"], "wrong: why");
    assert_eq!(lines.len(), 2);
}

#[test]
fn colours_paint_only_the_labels() {
    let (_, err) =
        printed(false, Verbosity::Normal, true, |printer| printer.failure(&Failure::usage("wrong")));
    assert_eq!(err, "\u{1b}[1;31merror:\u{1b}[0m wrong\n\u{1b}[1;36mhint:\u{1b}[0m walsync --help\n");
}

/// A stream that fails in one way.
struct Broken(io::ErrorKind);

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn reader_that_has_gone_is_no_failure_and_a_full_disk_is() {
    let print_to = |kind| {
        let (streams, _, _) = Streams::captured();
        let streams = Streams { out: Mutex::new(Box::new(Broken(kind))), ..streams };
        Printer::new(streams, false, Verbosity::Normal, false, false).data("x")
    };
    assert_eq!(print_to(io::ErrorKind::BrokenPipe), Ok(()));
    assert_eq!(print_to(io::ErrorKind::StorageFull).unwrap_err().kind(), Kind::Unavailable);
}

#[test]
fn our_crates_log_more_than_libraries() {
    let shows = |verbosity, target: &str, level| log::targets(verbosity).would_enable(target, &level);
    assert!(shows(Verbosity::Normal, "io_real::store", Level::INFO));
    assert!(!shows(Verbosity::Normal, "reqwest", Level::INFO));
    assert!(!shows(Verbosity::Normal, "engine", Level::DEBUG));
    assert!(shows(Verbosity::Verbose, "engine", Level::DEBUG));
    assert!(!shows(Verbosity::Quiet, "cli", Level::WARN));
    assert!(shows(Verbosity::Trace, "cli", Level::TRACE));
}

#[test]
fn tables_line_up_text_left_and_numbers_right() {
    let rows = [["a".to_owned(), "1".to_owned()], ["länger".to_owned(), "1000".to_owned()]];
    assert_eq!(table(["N", "SIZE"], rows, 1), "N       SIZE\na          1\nlänger  1000");
    let rows = [["x".to_owned()]];
    assert_eq!(table(["NAME"], rows, 1), "NAME\nx");
}
