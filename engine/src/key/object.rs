//! One object's name: its level and its TXIDs, in either layout.

use crate::types::{Level, Txid, TxidRange, parse_txid_hex};
use std::fmt;

/// How the objects of a place are named; Litestream's choice for that kind of store, so that either tool
/// reads what the other wrote (observed on Litestream 0.5.17).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// S3: `<level as 4 hex digits>/<min>-<max>.ltx`.
    S3,
    /// Files and every other kind of store: `ltx/<level>/<min>-<max>.ltx`.
    Tree,
}

impl Layout {
    /// The layout of a store URL's scheme (`s3`, `file`, `gs`, ...).
    pub fn of_scheme(scheme: &str) -> Layout {
        if scheme == "s3" { Layout::S3 } else { Layout::Tree }
    }

    /// The folder of a level below the place, ending in `/`: what to list.
    pub fn level_folder(self, level: Level) -> String {
        match self {
            Layout::S3 => format!("{:04x}/", level.get()),
            Layout::Tree => format!("ltx/{level}/"),
        }
    }

    /// Whether a name below a place is in the folder of a level.
    pub(super) fn is_in_level(self, name: &str) -> bool {
        self.split_level(name).is_some()
    }

    /// Takes a level folder off the front of a name; `None` if there is none or it is spelled otherwise.
    fn split_level(self, name: &str) -> Option<(Level, &str)> {
        let (level, file) = match self {
            Layout::S3 => {
                let (folder, file) = name.split_once('/')?;
                (level_of_s3_folder(folder)?, file)
            }
            Layout::Tree => {
                let (digit, file) = name.strip_prefix("ltx/")?.split_once('/')?;
                let [byte @ b'0'..=b'9'] = digit.as_bytes() else { return None };
                (Level::new(byte - b'0').ok()?, file)
            }
        };
        Some((level, file))
    }
}

/// The level that a folder of the S3 layout names: exactly 4 lower-case hex digits, 0 to 9.
pub(super) fn level_of_s3_folder(folder: &str) -> Option<Level> {
    let digit = folder.strip_prefix("000").filter(|_| folder.len() == 4)?;
    let byte = digit.bytes().next().filter(u8::is_ascii_digit)?;
    Level::new(byte - b'0').ok()
}

/// Which LTX object: a level and the TXIDs it takes a database through.
///
/// Ordered by level, then min, then max. A snapshot always starts at TXID 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectKey {
    level: Level,
    range: TxidRange,
}

impl ObjectKey {
    /// `None` for a snapshot that does not start at TXID 1: nobody writes such.
    pub fn new(level: Level, range: TxidRange) -> Option<ObjectKey> {
        let legal = level != Level::SNAPSHOT || range.min() == Txid::ONE;
        legal.then_some(ObjectKey { level, range })
    }

    /// The level-0 object of one slot.
    pub fn slot(txid: Txid) -> ObjectKey {
        ObjectKey { level: Level::L0, range: TxidRange::single(txid) }
    }

    /// The snapshot `1-max`.
    pub fn snapshot(max: Txid) -> ObjectKey {
        ObjectKey { level: Level::SNAPSHOT, range: TxidRange::up_to(max) }
    }

    /// Its level.
    pub fn level(self) -> Level {
        self.level
    }

    /// The TXIDs that it contains.
    pub fn range(self) -> TxidRange {
        self.range
    }

    /// First TXID in it.
    pub fn min(self) -> Txid {
        self.range.min()
    }

    /// Last TXID in it: the state that it leads to.
    pub fn max(self) -> Txid {
        self.range.max()
    }

    /// Whether its name alone says that it holds a whole database.
    pub fn starts_at_one(self) -> bool {
        self.range.min() == Txid::ONE
    }

    /// The name below the place.
    pub fn name(self, layout: Layout) -> String {
        format!("{}{}.ltx", layout.level_folder(self.level), self.range)
    }

    /// Reads a name below the place; `None` for everything that is not exactly what [`ObjectKey::name`]
    /// writes.
    pub fn parse(layout: Layout, name: &str) -> Option<ObjectKey> {
        let (level, file) = layout.split_level(name)?;
        let (min, max) = file.strip_suffix(".ltx")?.split_once('-')?;
        let range = TxidRange::new(parse_lower_hex(min)?, parse_lower_hex(max)?)?;
        ObjectKey::new(level, range)
    }
}

/// Level and TXIDs as people read them, the same for both layouts: `9/<min>-<max>`.
impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.level, self.range)
    }
}

/// Upper-case digits would be a second spelling of the same key.
fn parse_lower_hex(text: &str) -> Option<Txid> {
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return None;
    }
    parse_txid_hex(text).ok()
}

#[cfg(test)]
mod tests;
