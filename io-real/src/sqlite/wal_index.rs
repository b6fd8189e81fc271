//! The wal-index: what of the WAL is committed, and how much of it the database already has.
//!
//! SQLite's walformat page, section 2: two copies of a header of 48 bytes, then the checkpoint information.
//! It is shared memory that others change while it is read; [`WalIndex::read`] gives only a consistent view.

use super::error::{from_code, io};
use super::raw::{FileHandle, WalIndexBytes};
use engine::replicate::SourceError;
use engine::types::Salts;
use engine::wal::CommittedEnd;

/// A consistent view of the wal-index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WalIndex {
    /// The committed end now, whatever is pinned.
    pub(super) end: CommittedEnd,
    /// Frames that are in the database file.
    pub(super) backfilled: u32,
    /// Frames that a checkpoint may have begun to copy; after a recovery SQLite does not know and says all.
    pub(super) attempted: u32,
    /// The read marks of the five slots: the frame up to which a reader in the slot may read.
    pub(super) marks: [u32; READ_SLOTS],
}

/// Slots for readers; slot 0 is for those that read the database file alone.
pub(super) const READ_SLOTS: usize = 5;
/// The mark of a slot that no reader uses.
pub(super) const MARK_NOT_USED: u32 = u32::MAX;

impl WalIndex {
    /// Reads through the database handle of a pinned connection. `None` while a writer is in the middle of a
    /// change, or died there: the next transaction of anybody recovers it.
    pub(super) fn read(database: &FileHandle<'_>) -> Result<Option<WalIndex>, SourceError> {
        for _ in 0..READS_MAX {
            let bytes = database.wal_index().map_err(|code| io("wal-index", from_code(code)))?;
            if let Some(index) = WalIndex::parse(&bytes) {
                return Ok(Some(index));
            }
            std::hint::spin_loop();
        }
        Ok(None)
    }

    fn parse(bytes: &WalIndexBytes) -> Option<WalIndex> {
        let (copies, _) = bytes.before.as_chunks::<12>();
        if bytes.before != bytes.after || copies[0] != copies[1] {
            return None;
        }
        let header: Vec<u8> = copies[0].iter().flat_map(|word| word.to_ne_bytes()).collect();
        let end = CommittedEnd::from_snapshot(&header).ok()?;
        let (backfilled, attempted) = (bytes.checkpoint[0], bytes.checkpoint[8]);
        // A restart writes the header first and the counter after it: more than all frames is the old counter.
        let current = backfilled <= end.frames();
        let marks = std::array::from_fn(|slot| bytes.checkpoint[1 + slot]);
        current.then_some(WalIndex { end, backfilled, attempted: attempted.max(backfilled), marks })
    }

    /// Of this generation, the frames that the database has.
    pub(super) fn backfilled_of(&self, salts: Salts) -> Option<u32> {
        (self.end.salts() == salts).then_some(self.backfilled)
    }
}

/// Changes last nanoseconds; a writer that was interrupted in one is waited for elsewhere.
const READS_MAX: u32 = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use engine::types::{PageSize, Pgno};
    use engine::wal::{ByteOrder, WalHeader, WalIndexHeader, WalWriter};

    /// A log of five frames, of which two are copied and three were attempted.
    fn bytes() -> WalIndexBytes {
        let page_size = PageSize::new(4096).unwrap();
        let mut writer = WalWriter::new(WalHeader::new(ByteOrder::NATIVE, page_size, 0, Salts(1, 2)));
        for n in 1..=5 {
            writer.append(Pgno::ONE, Some(n), &[7; 4096], &mut Vec::new());
        }
        let header = WalIndexHeader::of(&writer, 5).encode();
        let (words, _) = header.as_chunks::<4>();
        let before = std::array::from_fn(|i| u32::from_ne_bytes(words[i % 12]));
        let mut checkpoint = [0; 10];
        checkpoint[0] = 2;
        checkpoint[1..6].copy_from_slice(&[0, 5, 3, MARK_NOT_USED, MARK_NOT_USED]);
        checkpoint[8] = 3;
        WalIndexBytes { before, checkpoint, after: before }
    }

    #[test]
    fn whole_index_is_read() {
        let index = WalIndex::parse(&bytes()).unwrap();
        assert_eq!((index.end.frames(), index.end.pages(), index.end.salts()), (5, 5, Salts(1, 2)));
        assert_eq!((index.backfilled, index.attempted), (2, 3));
        assert_eq!(index.marks, [0, 5, 3, MARK_NOT_USED, MARK_NOT_USED]);
        assert_eq!((index.backfilled_of(Salts(1, 2)), index.backfilled_of(Salts(1, 3))), (Some(2), None));
    }

    #[test]
    fn header_in_the_middle_of_a_change_is_not_taken() {
        for (place, word) in [(4, 8), (16, 8)] {
            let mut changing = bytes();
            changing.before[place] = word;
            changing.after[place] = word;
            assert_eq!(WalIndex::parse(&changing), None);
        }
    }

    #[test]
    fn change_between_the_two_reads_is_seen() {
        let mut changing = bytes();
        changing.after[4] = 8;
        changing.after[16] = 8;
        assert_eq!(WalIndex::parse(&changing), None);
    }

    #[test]
    fn counter_of_the_last_generation_is_not_taken_for_this_one() {
        let mut restarting = bytes();
        restarting.checkpoint[0] = 6;
        assert_eq!(WalIndex::parse(&restarting), None);
    }
}
