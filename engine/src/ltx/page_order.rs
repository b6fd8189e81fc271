//! Which pages an object may hold, and in which order. The same rules for writing and for reading.

use super::Header;
use crate::types::{LockByte, Pgno};

/// Checks page after page.
#[derive(Clone, Debug)]
pub(super) struct PageOrder {
    commit: Pgno,
    lock_page: Pgno,
    snapshot: bool,
    previous: Option<Pgno>,
    pages: u32,
}

impl PageOrder {
    pub(super) fn new(header: &Header, lock_byte: LockByte) -> PageOrder {
        PageOrder {
            commit: header.commit(),
            lock_page: lock_byte.pgno(header.page_size()),
            snapshot: header.is_snapshot(),
            previous: None,
            pages: 0,
        }
    }

    /// The next page of the object is `pgno`.
    pub(super) fn accept(&mut self, pgno: Pgno) -> Result<(), OrderError> {
        if let Some(previous) = self.previous.filter(|&previous| previous >= pgno) {
            return Err(OrderError::NotAscending { previous, pgno });
        }
        if pgno > self.commit {
            return Err(OrderError::BeyondCommit { pgno, commit: self.commit });
        }
        if pgno == self.lock_page {
            return Err(OrderError::LockPage(pgno));
        }
        if let Some(missing) = self.missing().filter(|&missing| missing < pgno) {
            return Err(OrderError::Missing(missing));
        }
        self.previous = Some(pgno);
        self.pages += 1;
        Ok(())
    }

    /// There are no more pages.
    pub(super) fn finish(&self) -> Result<(), OrderError> {
        self.missing().map_or(Ok(()), |pgno| Err(OrderError::Missing(pgno)))
    }

    /// Pages so far.
    pub(super) fn pages(&self) -> u32 {
        self.pages
    }

    /// The page that a snapshot must hold next.
    fn missing(&self) -> Option<Pgno> {
        if !self.snapshot {
            return None;
        }
        let first = self.previous.map_or(1, |previous| u64::from(previous.into_inner()) + 1);
        let lock_page = u64::from(self.lock_page.into_inner());
        let next = if first == lock_page { first + 1 } else { first };
        let next = u32::try_from(next).ok().and_then(|next| Pgno::new(next).ok());
        next.filter(|&next| next <= self.commit)
    }
}

/// Pages that an object may not hold, or must and does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// Page numbers must grow.
    #[error("page {pgno} follows page {previous}")]
    NotAscending {
        /// The page before.
        previous: Pgno,
        /// The page.
        pgno: Pgno,
    },
    /// The database has no such page.
    #[error("page {pgno} in a database of {commit} pages")]
    BeyondCommit {
        /// The page.
        pgno: Pgno,
        /// The database's last page.
        commit: Pgno,
    },
    /// The lock page is never stored.
    #[error("page {0} is the lock page")]
    LockPage(Pgno),
    /// A snapshot holds every page.
    #[error("the snapshot lacks page {0}")]
    Missing(Pgno),
}
