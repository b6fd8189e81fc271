//! Which page comes from which object: each page is written once, from the newest object that has it.
//!
//! Feed the objects of a [`Plan`] newest first; each comes back as reads. Memory: one object's page index (the
//! caller's), and a bit per page that some index listed; never something sized by a number in a header.
//! Pages that no read yields are the lock page, which stays zeros.

use super::page_set::PageSet;
use super::reads::{Fetch, ReadLimits, Reading, end_of, group};
use super::{Plan, PlannedObject};
use crate::key::ObjectKey;
use crate::ltx::{HEADER_BYTES, frame_bytes_max, index::PageEntry};
use crate::mutants::{Mutant, mutated};
use crate::types::{Checksum, LockByte, PageSize, Pgno, Txid};

/// The pages written so far of one restore, and what the result must be.
#[derive(Clone, Debug)]
pub struct Apply {
    txid: Txid,
    page_size: PageSize,
    commit: u32,
    checksum: Option<Checksum>,
    lock_page: Pgno,
    reading: Reading,
    limits: ReadLimits,
    written: PageSet,
    /// The objects of the plan and the page count that each leaves, oldest first.
    objects: Vec<(ObjectKey, u32)>,
    /// How many of them were not fed yet; the next one is the last of these.
    unfed_count: usize,
}

impl Apply {
    /// Starts a restore by `plan`. Objects are read as a whole where no checksum proves the result.
    pub fn new(plan: &Plan, lock_byte: LockByte, limits: ReadLimits) -> Apply {
        let is_proven = plan.checksum().is_some() || mutated(Mutant::RestoreUnprovenRead);
        let reading = if is_proven { Reading::Needed } else { Reading::Whole };
        Apply {
            txid: plan.txid(),
            page_size: plan.page_size(),
            commit: plan.page_count(),
            checksum: plan.checksum(),
            lock_page: lock_byte.pgno(plan.page_size()),
            reading,
            limits,
            written: PageSet::default(),
            objects: plan.objects().iter().map(|o| (o.info.key, o.facts.commit)).collect(),
            unfed_count: plan.objects().len(),
        }
    }

    /// Whether objects are read whole; then the caller checks each object's own checksums.
    pub fn reading(&self) -> Reading {
        self.reading
    }

    /// Takes the page index of the next object and says what to read of it.
    ///
    /// # Errors
    /// When the index cannot be an index of that object.
    ///
    /// # Panics
    /// If objects do not come in the order of [`Plan::newest_first`].
    pub fn object(
        &mut self,
        object: &PlannedObject,
        index: impl IntoIterator<Item = PageEntry>,
    ) -> Result<Vec<Fetch>, ApplyError> {
        let key = object.info.key;
        let next = self.unfed_count.checked_sub(1).expect("each object once");
        assert_eq!(self.objects[next].0, key, "newest first, each object once");
        self.unfed_count = next;
        let mut wanted = Vec::new();
        let mut previous: Option<PageEntry> = None;
        for page in index {
            let page = check(object, previous, page)?;
            previous = Some(page);
            let number = page.pgno.into_inner();
            let inside = number <= self.commit || mutated(Mutant::RestoreCommitIgnored);
            if inside
                && page.pgno != self.lock_page
                && (self.written.insert(number) || mutated(Mutant::RestoreOlderPageWins))
            {
                wanted.push(page);
            }
        }
        Ok(group(key, object.info.size_bytes, &wanted, self.reading, self.limits))
    }

    /// Checks, after the last object, that every page has a source, and returns the size of the file in bytes;
    /// what nothing was written to stays zeros. Before this the size is only what a header claims: make room
    /// for pages as they come.
    ///
    /// # Errors
    /// Names the first page that no object holds, and the object that should hold it.
    ///
    /// # Panics
    /// If objects of the plan were not fed.
    pub fn finish(&self) -> Result<u64, ApplyError> {
        assert_eq!(self.unfed_count, 0, "every object of the plan was fed");
        let lock = self.lock_page.into_inner();
        let wanted = u64::from(self.commit) - u64::from(lock <= self.commit);
        if self.written.len() == wanted {
            return Ok(u64::from(self.commit) * u64::from(self.page_size.into_inner()));
        }
        let missing = self.written.first_missing(lock);
        let pgno = Pgno::new(missing).expect("page numbers start at 1");
        Err(ApplyError::PageMissing { txid: self.txid, pgno, object: self.brought(missing) })
    }

    /// The object by which a page of the result came to be: an object that grows the database holds every
    /// page by which it grows, and the base holds all.
    fn brought(&self, page: u32) -> ObjectKey {
        let since = self.objects.iter().rev().take_while(|(_, commit)| *commit >= page);
        since.last().expect("the page lies inside the result").0
    }

    /// Compares what was written with what the plan promised. Returns whether a checksum proved it; without
    /// one only the size is compared.
    ///
    /// # Errors
    /// When it is not the database that its writer had.
    pub fn check_result(&self, page_count: u32, checksum: Checksum) -> Result<bool, ApplyError> {
        let txid = self.txid;
        if page_count != self.commit {
            return Err(ApplyError::WrongSize { txid, expected: self.commit, found: page_count });
        }
        match self.checksum {
            Some(expected) if expected != checksum && !mutated(Mutant::RestoreChecksumIgnored) => {
                Err(ApplyError::WrongChecksum { txid, expected, found: checksum })
            }
            proof => Ok(proof.is_some()),
        }
    }
}

/// Page numbers and frames ascend and lie inside the object. [`crate::ltx::index`] says more; this is what
/// the reads rely on, wherever an index came from.
fn check(
    object: &PlannedObject,
    previous: Option<PageEntry>,
    page: PageEntry,
) -> Result<PageEntry, ApplyError> {
    let earliest = previous.map_or(HEADER_BYTES as u64, |p| end_of(&p));
    let end = page.offset.checked_add(u64::from(page.length));
    let inside = page.offset >= earliest && end.is_some_and(|end| end <= object.info.size_bytes);
    let ascends = previous.is_none_or(|p| p.pgno < page.pgno);
    let length_max = frame_bytes_max(object.facts.page_size);
    let plausible = page.length > 0 && page.length as usize <= length_max;
    if inside && ascends && plausible {
        Ok(page)
    } else {
        Err(ApplyError::BadIndex { object: object.info.key, pgno: page.pgno })
    }
}

/// Why a plan that was sound by its headers does not make a database. All of these mean: an object is not
/// what it claims to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// A page index lists frames that cannot be there.
    #[error("{object}: its page index is wrong at page {pgno}")]
    BadIndex {
        /// The object.
        object: ObjectKey,
        /// The page of the entry.
        pgno: Pgno,
    },
    /// No object of the plan holds a page of the result.
    #[error("TXID {txid}: page {pgno} is missing, {object} should have it")]
    PageMissing {
        /// The state to be restored.
        txid: Txid,
        /// The first missing page.
        pgno: Pgno,
        /// The object that brought the page into the database.
        object: ObjectKey,
    },
    /// The result has another size than the last object's header says.
    #[error("TXID {txid}: {found} pages instead of {expected}")]
    WrongSize {
        /// The state to be restored.
        txid: Txid,
        /// Pages by the header.
        expected: u32,
        /// Pages that there are.
        found: u32,
    },
    /// The result is not the database that its writer had.
    #[error("TXID {txid}: the database's checksum is {found} instead of {expected}")]
    WrongChecksum {
        /// The state to be restored.
        txid: Txid,
        /// The checksum that the last object's header carries.
        expected: Checksum,
        /// The checksum of what was written.
        found: Checksum,
    },
}

#[cfg(test)]
mod tests;
