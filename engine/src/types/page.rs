//! Where SQLite's lock page lies.

use super::{PageSize, Pgno};

/// The byte of the database file that SQLite locks; the page that contains it never holds data, is never
/// stored in an object and restores as zeros (SQLite file format, section 1.3.4).
///
/// It is a value, not a constant, because `SQLITE_TESTCTRL_PENDING_BYTE` moves it, so that small databases
/// in tests have a lock page too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockByte(u32);

impl LockByte {
    /// Where every real database has it: 1 GiB.
    pub const SQLITE: LockByte = LockByte(0x4000_0000);

    /// A moved lock byte, for tests.
    ///
    /// # Panics
    /// Unless `offset` is a multiple of 65536 above 0: SQLite requires a page boundary at every page size.
    pub const fn moved(offset: u32) -> LockByte {
        assert!(offset > 0 && offset.is_multiple_of(65536));
        LockByte(offset)
    }

    /// The lock page's number at this page size.
    pub fn pgno(self, page_size: PageSize) -> Pgno {
        Pgno::new(self.0 / page_size.into_inner() + 1).expect("at least 1")
    }
}
