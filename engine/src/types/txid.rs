//! Transaction ids: ranges, and how they are read from text.

use super::Txid;
use std::fmt;

/// A closed range of transaction ids, `min <= max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TxidRange {
    min: Txid,
    max: Txid,
}

impl TxidRange {
    /// `None` when `min > max`.
    pub fn new(min: Txid, max: Txid) -> Option<TxidRange> {
        (min <= max).then_some(TxidRange { min, max })
    }

    /// The range of one slot.
    pub fn single(txid: Txid) -> TxidRange {
        TxidRange { min: txid, max: txid }
    }

    /// `1-max`: what a snapshot covers.
    pub fn up_to(max: Txid) -> TxidRange {
        TxidRange { min: Txid::ONE, max }
    }

    /// First id, included.
    pub fn min(self) -> Txid {
        self.min
    }

    /// Last id, included.
    pub fn max(self) -> Txid {
        self.max
    }

    /// Whether `txid` lies in it.
    pub fn contains(self, txid: Txid) -> bool {
        self.min <= txid && txid <= self.max
    }

    /// Whether all of `other` lies in it.
    pub fn covers(self, other: TxidRange) -> bool {
        self.min <= other.min && other.max <= self.max
    }
}

impl fmt::Display for TxidRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.min, self.max)
    }
}

/// Text that is not a transaction id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a transaction id: give exactly 16 hex digits, or a decimal number above 0")]
pub struct TxidError(String);

/// Reads exactly 16 lower- or upper-case hex digits, as in object names.
pub fn parse_txid_hex(text: &str) -> Result<Txid, TxidError> {
    let legal = text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let number = if legal { u64::from_str_radix(text, 16).ok() } else { None };
    number.and_then(|n| Txid::new(n).ok()).ok_or_else(|| TxidError(text.to_owned()))
}

/// Reads what a person gives: exactly 16 hex digits, else a decimal number.
pub fn parse_txid(text: &str) -> Result<Txid, TxidError> {
    if text.len() == 16 {
        return parse_txid_hex(text);
    }
    let decimal = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let number = if decimal { text.parse().ok() } else { None };
    number.and_then(|n| Txid::new(n).ok()).ok_or_else(|| TxidError(text.to_owned()))
}
