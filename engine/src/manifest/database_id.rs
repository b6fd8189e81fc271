//! The identity of a database's history.

use std::fmt;

/// A UUID that the first writer of a place draws; the place keeps it for ever.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DatabaseId([u8; 16]);

impl DatabaseId {
    /// Makes a version 4 UUID (RFC 9562) of 16 random bytes: 6 bits of them give way to version and variant.
    pub fn from_random(mut bytes: [u8; 16]) -> DatabaseId {
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        DatabaseId(bytes)
    }

    /// Reads what [`fmt::Display`] writes: 8-4-4-4-12 lower-case hex digits, any version.
    pub fn parse(text: &str) -> Option<DatabaseId> {
        let lower = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        let is_dash = |i: usize| matches!(i, 8 | 13 | 18 | 23);
        let legal = text.len() == 36
            && text.bytes().enumerate().all(|(i, b)| if is_dash(i) { b == b'-' } else { lower(b) });
        if !legal {
            return None;
        }
        let number = u128::from_str_radix(&text.replace('-', ""), 16).ok()?;
        Some(DatabaseId(number.to_be_bytes()))
    }
}

impl fmt::Display for DatabaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = format!("{:032x}", u128::from_be_bytes(self.0));
        write!(f, "{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}

impl fmt::Debug for DatabaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseId({self})")
    }
}
