//! What is stored: databases of two pages, and the objects that carry them.
//!
//! A database is so small that its content serves as its own checksum: two databases are equal exactly when
//! their checksums are. Sizes, times in headers and encryption are left out.

use std::fmt;

/// Number of a slot, from 1.
pub type Txid = u8;

/// Identity of one life of a writer, as objects name it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct WriterId(pub u8);

/// Index of a writer's machine: what an oracle knows and no writer does.
pub type Machine = u8;

/// The pages of a database or of an object; 0 is a page that is not there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Pages(pub [u8; 2]);

impl Pages {
    /// No page at all.
    pub const NONE: Pages = Pages([0, 0]);

    /// Page 1 alone.
    pub fn first(self) -> Pages {
        Pages([self.0[0], 0])
    }

    /// Page `index` (0 or 1) alone.
    pub fn only(self, index: usize) -> Pages {
        let mut pages = Pages::NONE;
        pages.0[index] = self.0[index];
        pages
    }

    /// These pages written over `base`.
    pub fn over(self, base: Pages) -> Pages {
        let page = |i: usize| if self.0[i] == 0 { base.0[i] } else { self.0[i] };
        Pages([page(0), page(1)])
    }

    /// The pages that differ from those of `base`.
    pub fn changed_since(self, base: Pages) -> Pages {
        let page = |i: usize| if self.0[i] == base.0[i] { 0 } else { self.0[i] };
        Pages([page(0), page(1)])
    }

    /// Whether it is a whole database.
    pub fn is_whole(self) -> bool {
        !self.0.contains(&0)
    }
}

impl fmt::Display for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let page = |p: u8| if p == 0 { "-".to_owned() } else { p.to_string() };
        write!(f, "[{} {}]", page(self.0[0]), page(self.0[1]))
    }
}

/// The name of an object: level and TXIDs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Key {
    /// Level 0, `N-N`.
    Slot(Txid),
    /// Levels 1 to 8, which the model does not tell apart.
    Compacted(Txid, Txid),
    /// Level 9, `1-N`.
    Snapshot(Txid),
}

impl Key {
    /// The last TXID.
    pub fn max(self) -> Txid {
        match self {
            Key::Slot(max) | Key::Compacted(_, max) | Key::Snapshot(max) => max,
        }
    }

    /// Whether it holds the changes of this TXID.
    pub fn contains(self, txid: Txid) -> bool {
        let min = match self {
            Key::Slot(min) | Key::Compacted(min, _) => min,
            Key::Snapshot(_) => 1,
        };
        (min..=self.max()).contains(&txid)
    }

    /// Whether it is of level 0.
    pub fn is_slot(self) -> bool {
        matches!(self, Key::Slot(_))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::Slot(txid) => write!(f, "L0 {txid}-{txid}"),
            Key::Compacted(min, max) => write!(f, "L1 {min}-{max}"),
            Key::Snapshot(max) => write!(f, "L9 1-{max}"),
        }
    }
}

/// An object: equal ones have the same SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Object {
    /// Its content.
    pub pages: Pages,
    /// Database checksum before it; `None`: an image, to which nothing before it matters.
    pub before: Option<Pages>,
    /// Database checksum after it.
    pub after: Pages,
    /// The life that made it.
    pub writer: WriterId,
    /// The machine that made it: known to oracles only.
    pub machine: Machine,
    /// Whether it is a claim slot.
    pub claim: bool,
}

impl Object {
    /// What a restore gets from it on top of `base`, if the chain of checksums holds.
    pub fn linked(&self, base: Pages) -> Option<Pages> {
        let base = if self.before.is_none() { Pages::NONE } else { base };
        let fits = self.before.is_none_or(|before| before == base);
        let result = self.pages.over(base);
        (fits && result == self.after).then_some(result)
    }
}
