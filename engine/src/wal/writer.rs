//! Writes logs that SQLite accepts: for tests, fuzzing and the simulation that runs without SQLite.
//!
//! Not part of the backup flow: walsync never writes a user's log. It writes bytes, the caller puts them at
//! their offsets; after a restart they overwrite the old generation from the start, whose rest stays behind
//! them, as in SQLite.

use super::checksum;
use super::frame::{FrameHeader, FrameNo};
use super::header::WalHeader;
use super::layout::FRAME_CHECKED_BYTES;
use crate::types::{Pgno, Salts, WalPosition};

/// The writing end of one log.
#[derive(Clone, Debug)]
pub struct WalWriter {
    header: WalHeader,
    position: WalPosition,
}

impl WalWriter {
    /// A log without frames. Its first bytes are `header.encode()`, at offset 0.
    pub fn new(header: WalHeader) -> WalWriter {
        WalWriter { header, position: header.start() }
    }

    /// The current generation's header.
    pub fn header(&self) -> &WalHeader {
        &self.header
    }

    /// Behind the last frame written, whether or not it is a commit.
    pub fn position(&self) -> WalPosition {
        self.position
    }

    /// Where the next frame belongs, in bytes from the start of the log.
    pub fn next_offset(&self) -> u64 {
        self.next_number().offset(self.header.page_size())
    }

    /// Appends a frame's bytes to `out`; `commit` on the last frame of a transaction: pages of the database
    /// after it.
    ///
    /// # Panics
    /// When `page` is not a page, `commit` is `Some(0)`, or the log has 2^32 - 1 frames.
    pub fn append(&mut self, pgno: Pgno, commit: Option<u32>, page: &[u8], out: &mut Vec<u8>) {
        assert_eq!(page.len(), self.header.page_size().into_inner() as usize);
        assert_ne!(commit, Some(0), "a database has at least one page");
        let mut header = FrameHeader {
            pgno: Some(pgno),
            commit,
            salts: self.header.salts(),
            checksum: self.position.checksum,
        };
        let order = self.header.byte_order();
        let chain = checksum::extend(order, header.checksum, &header.encode()[..FRAME_CHECKED_BYTES]);
        header.checksum = checksum::extend(order, chain, page);
        out.extend_from_slice(&header.encode());
        out.extend_from_slice(page);
        self.position.frames = self.next_number().get();
        self.position.checksum = header.checksum;
    }

    /// Goes back to an earlier position of this generation, as SQLite does after a rollback: the next frames
    /// overwrite those behind it.
    ///
    /// # Panics
    /// When `position` is of another generation or lies ahead.
    pub fn rewind(&mut self, position: WalPosition) {
        assert_eq!(position.salts, self.position.salts);
        assert!(position.frames <= self.position.frames);
        self.position = position;
    }

    /// Begins the next generation as SQLite does: first salt + 1, second salt random (given by the caller),
    /// sequence + 1. The new header's bytes belong at offset 0.
    pub fn restart(&mut self, second_salt: u32) -> &WalHeader {
        let salts = Salts(self.header.salts().0.wrapping_add(1), second_salt);
        let seq = self.header.checkpoint_seq().wrapping_add(1);
        *self = WalWriter::new(WalHeader::new(self.header.byte_order(), self.header.page_size(), seq, salts));
        &self.header
    }

    fn next_number(&self) -> FrameNo {
        let next = self.position.frames.checked_add(1).and_then(FrameNo::new);
        next.expect("a log has fewer than 2^32 frames")
    }
}

#[cfg(test)]
mod tests;
