//! Values as Go and Litestream write them, in the words of walsync.

use crate::config::{ByteSize, TimeSpan};
use std::time::Duration;

/// `$NAME` as `${NAME}`: Litestream expands both, walsync the second.
pub(super) fn with_braces(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let name_end = after.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(after.len());
        let (name, behind) = after.split_at(name_end);
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            out.push('$');
            rest = after;
        } else {
            out.push_str(&format!("${{{name}}}"));
            rest = behind;
        }
    }
    out.push_str(rest);
    out
}

/// The names of the variables in a text, in order.
pub(super) fn variables(text: &str) -> Vec<&str> {
    text.split("${").skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name).collect()
}

/// A duration of Go's, as in `1h30m`, `1.5s` or `500ms`; `None`: it is none, is negative, or is finer than a
/// microsecond.
pub(super) fn duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut nanos: u128 = 0;
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, from_unit) = rest.split_at(number_end);
        let unit_end = from_unit.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(from_unit.len());
        let (unit, after) = from_unit.split_at(unit_end);
        let unit_nanos = UNITS.iter().find(|(name, _)| *name == unit)?.1;
        nanos = nanos.checked_add(scaled(number, unit_nanos)?)?;
        rest = after;
    }
    nanos.is_multiple_of(1000).then_some(())?;
    Some(Duration::from_micros(u64::try_from(nanos / 1000).ok()?))
}

/// How walsync writes a duration; `None`: too long.
pub(super) fn duration_text(duration: Duration) -> Option<String> {
    let span: TimeSpan = format!("{}us", duration.as_micros()).parse().ok()?;
    Some(span.to_string())
}

/// A size as in `5MB`, `8MiB`, `16M` or `1024`.
pub(super) fn size(text: &str) -> Option<ByteSize> {
    let text = text.replace(' ', "");
    let number_end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(number_end);
    let unit = match unit.to_ascii_lowercase().as_str() {
        "" => "B".to_owned(),
        short @ ("k" | "m" | "g" | "t" | "ki" | "mi" | "gi" | "ti") => format!("{short}B"),
        whole => whole.to_owned(),
    };
    format!("{number}{unit}").parse().ok()
}

/// true or false, as YAML 1.1 has them.
pub(super) fn flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "y" => Some(true),
        "false" | "no" | "off" | "n" => Some(false),
        _ => None,
    }
}

/// `~/` at the beginning is the home directory, which walsync takes from the environment.
pub(super) fn path(text: &str) -> String {
    match text.strip_prefix("~/") {
        Some(rest) => format!("${{HOME}}/{rest}"),
        None if text == "~" => "${HOME}".to_owned(),
        None => text.to_owned(),
    }
}

fn scaled(number: &str, unit: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || whole.len() > DIGITS_MAX || fraction.len() > DIGITS_MAX {
        return None;
    }
    let digits = |text: &str| if text.is_empty() { Some(0) } else { text.parse::<u128>().ok() };
    let denominator = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    Some(digits(whole)? * unit + digits(fraction)? * unit / denominator)
}

/// Keeps products within 128 bits.
const DIGITS_MAX: usize = 15;
const UNITS: [(&str, u128); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];
