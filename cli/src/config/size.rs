//! Sizes as text: `"8MiB"`, `"1GB"`, `"512B"`.

use super::quantity::{ScaleError, scale, split};
use std::fmt;
use std::str::FromStr;

/// A number of bytes of the configuration or a flag, 0 to 2^63 - 1 (what TOML and SQLite can count).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ByteSize(u64);

impl ByteSize {
    /// The largest one.
    pub const MAX: ByteSize = ByteSize(i64::MAX as u64);

    /// So many times 1024 bytes; for constants of the key table.
    pub const fn kibibytes(count: u32) -> ByteSize {
        ByteSize(count as u64 * 1024)
    }

    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

/// Text that is not a size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// A number alone, as in `1024`.
    #[error("`{0}` has no unit")]
    NoUnit(String),
    /// A unit that is not one; `K`, `M` and `G` alone do not say whether they mean 1000 or 1024.
    #[error("`{0}` is not a unit of size: use B, KiB, MiB, GiB (1024) or KB, MB, GB (1000)")]
    Unit(String),
    /// No number where one is expected.
    #[error("`{0}` is not a size: give a number and a unit, as in \"8MiB\" or \"1GB\"")]
    NotASize(String),
    /// Not a whole number of bytes.
    #[error("`{0}` is not a whole number of bytes")]
    TooFine(String),
    /// Beyond [`ByteSize::MAX`].
    #[error("`{0}` is too large")]
    TooLarge(String),
}

impl FromStr for ByteSize {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<ByteSize, SizeError> {
        let (number, unit, rest) = split(text).ok_or_else(|| SizeError::NotASize(text.to_owned()))?;
        if !rest.is_empty() {
            return Err(SizeError::NotASize(text.to_owned()));
        }
        if unit.is_empty() {
            return Err(SizeError::NoUnit(text.to_owned()));
        }
        let found = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit));
        let (_, unit_bytes) = found.ok_or_else(|| SizeError::Unit(unit.to_owned()))?;
        let bytes = scale(number, *unit_bytes).map_err(|error| match error {
            ScaleError::NotANumber => SizeError::NotASize(text.to_owned()),
            ScaleError::TooFine => SizeError::TooFine(text.to_owned()),
            ScaleError::TooLarge => SizeError::TooLarge(text.to_owned()),
        })?;
        let size = ByteSize(bytes);
        if size <= ByteSize::MAX { Ok(size) } else { Err(SizeError::TooLarge(text.to_owned())) }
    }
}

/// The unit that leaves the smallest whole number: `1GB` stays `1GB`, `8MiB` stays `8MiB`.
impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0B");
        }
        let dividing = UNITS.iter().filter(|(_, unit)| self.0.is_multiple_of(*unit));
        let (name, unit) = dividing.max_by_key(|(_, unit)| *unit).expect("one byte divides every size");
        write!(f, "{}{name}", self.0 / unit)
    }
}

const UNITS: [(&str, u64); 9] = [
    ("B", 1),
    ("KB", 1_000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
    ("TB", 1_000_000_000_000),
    ("TiB", 1 << 40),
];
