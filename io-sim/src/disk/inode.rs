//! A file's bytes: what processes see, what the medium holds, and the writes between the two.

use super::error::{DiskError, DiskResult};

/// The disk's own name of a file; never used twice.
pub(super) type Ino = u64;

/// One file.
#[derive(Debug, Default)]
pub(super) struct Inode {
    /// The number that `stat` shows.
    pub(super) number: u64,
    /// What processes see.
    pub(super) live: Vec<u8>,
    /// What the medium holds for certain.
    pub(super) durable: Vec<u8>,
    /// Changes that no fsync has covered, oldest first.
    pub(super) unsynced: Vec<Change>,
    /// Changes whose fsync failed: visible, clean for the kernel, never written again.
    pub(super) given_up: Vec<Change>,
    /// Open handles and mappings.
    pub(super) users: u32,
    /// How often `live` changed.
    pub(super) changes: u64,
    pub(super) modified_us: i64,
    pub(super) changed_us: i64,
}

/// A change of a file's content.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// These bytes from this offset on.
    Write { offset: usize, bytes: Vec<u8> },
    /// This length.
    SetSize(usize),
}

impl Inode {
    pub(super) fn size(&self) -> u64 {
        self.live.len() as u64
    }

    /// Copies what there is from `offset` on; the count may be short at the end of the file.
    pub(super) fn read(&self, offset: u64, buffer: &mut [u8]) -> usize {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.live.len());
        let count = buffer.len().min(self.live.len() - start);
        buffer[..count].copy_from_slice(&self.live[start..start + count]);
        count
    }

    /// Where a write ends, if the file may become that long.
    pub(super) fn end_of_write(offset: u64, count: usize) -> DiskResult<usize> {
        let end = offset.checked_add(count as u64).filter(|end| *end <= FILE_BYTES_MAX);
        end.map(to_usize).ok_or(DiskError::NoSpace)
    }

    pub(super) fn change(&mut self, change: Change, now_us: i64) {
        change.apply(&mut self.live);
        self.changes += 1;
        self.unsynced.push(change);
        self.modified_us = now_us;
        self.changed_us = now_us;
    }

    /// Everything so far is on the medium.
    pub(super) fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            change.apply(&mut self.durable);
        }
    }

    /// The kernel could not write its dirty pages and calls them clean.
    pub(super) fn give_up(&mut self) {
        self.given_up.append(&mut self.unsynced);
    }
}

impl Change {
    pub(super) fn apply(&self, image: &mut Vec<u8>) {
        match self {
            Change::SetSize(size) => image.resize(*size, 0),
            Change::Write { offset, bytes } => {
                let end = offset + bytes.len();
                if image.len() < end {
                    image.resize(end, 0);
                }
                image[*offset..end].copy_from_slice(bytes);
            }
        }
    }
}

/// An offset that was checked against [`FILE_BYTES_MAX`].
pub(super) fn to_usize(offset: u64) -> usize {
    assert!(offset <= FILE_BYTES_MAX);
    usize::try_from(offset).expect("1 GiB is addressable")
}

/// The longest simulated file: a wrong size in a damaged database must not fill the real memory.
pub(super) const FILE_BYTES_MAX: u64 = 1 << 30;
