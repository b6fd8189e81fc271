//! Durations as text: `"1s"`, `"5ms"`, `"24h"`, `"1h30m"`, `"0s"`.

use super::quantity::{ScaleError, scale, split};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A duration of the configuration or a flag: whole microseconds, 0 to 36,500 days, so that it can always be
/// added to a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TimeSpan(Duration);

impl TimeSpan {
    /// The longest one, 36,500 days.
    pub const MAX: TimeSpan = TimeSpan(Duration::from_secs(36_500 * 86_400));

    /// The same as a `Duration`.
    pub const fn get(self) -> Duration {
        self.0
    }

    /// Whether it is `0s`, which for many keys means "off".
    pub const fn is_zero(self) -> bool {
        self.0.is_zero()
    }
}

/// Text that is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// A number alone, as in `5`.
    #[error("`{0}` has no unit")]
    NoUnit(String),
    /// A unit that is not one, or units not from large to small.
    #[error("`{0}` is not a unit of time: use ms, s, m, h or d, large ones first")]
    Unit(String),
    /// No number where one is expected.
    #[error("`{0}` is not a duration: give a number and a unit, as in \"1s\" or \"24h\"")]
    NotADuration(String),
    /// Finer than a microsecond.
    #[error("`{0}` is finer than a microsecond")]
    TooFine(String),
    /// Beyond [`TimeSpan::MAX`].
    #[error("`{0}` is longer than 36500d")]
    TooLong(String),
}

impl FromStr for TimeSpan {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<TimeSpan, DurationError> {
        let not_a_duration = || DurationError::NotADuration(text.to_owned());
        let (mut total_us, mut unit_us_before, mut rest) = (0_u64, u64::MAX, text);
        loop {
            let (number, unit, after) = split(rest).ok_or_else(not_a_duration)?;
            if unit.is_empty() && after.is_empty() && rest == text {
                return Err(DurationError::NoUnit(text.to_owned()));
            }
            let found = UNITS.iter().find(|(name, _)| *name == unit);
            let unit_us = found.map(|(_, us)| *us).filter(|us| *us < unit_us_before);
            let unit_us = unit_us.ok_or_else(|| DurationError::Unit(unit.to_owned()))?;
            let part_us = scale(number, unit_us).map_err(|error| match error {
                ScaleError::NotANumber => not_a_duration(),
                ScaleError::TooFine => DurationError::TooFine(text.to_owned()),
                ScaleError::TooLarge => DurationError::TooLong(text.to_owned()),
            })?;
            total_us = total_us.saturating_add(part_us);
            (unit_us_before, rest) = (unit_us, after);
            if rest.is_empty() {
                break;
            }
        }
        let span = TimeSpan(Duration::from_micros(total_us));
        if span <= TimeSpan::MAX { Ok(span) } else { Err(DurationError::TooLong(text.to_owned())) }
    }
}

/// The largest unit up to the hour that divides it: `24h`, not `1d`, because that is how policies are written.
impl fmt::Display for TimeSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let us = self.0.as_micros();
        if us == 0 {
            return f.write_str("0s");
        }
        let largest = UNITS.iter().filter(|(_, unit)| *unit <= HOUR_US);
        let (name, unit) =
            largest.copied().find(|(_, unit)| us.is_multiple_of(u128::from(*unit))).unwrap_or(("us", 1));
        write!(f, "{}{name}", us / u128::from(unit))
    }
}

const HOUR_US: u64 = 3_600_000_000;
/// Name and microseconds, large first.
const UNITS: [(&str, u64); 6] =
    [("d", 24 * HOUR_US), ("h", HOUR_US), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1)];
