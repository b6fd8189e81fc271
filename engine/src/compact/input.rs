//! One input of a merge: its bytes come in pieces, its pages go out one at a time.

use crate::key::ObjectKey;
use crate::ltx::{DecodeError, Decoder, Header, Item};
use crate::mutants::{Mutant, mutated};
use crate::types::{LockByte, Pgno};

/// An object that is being read.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) key: ObjectKey,
    pub(super) at: At,
    header: Option<Header>,
    decoder: Decoder,
}

/// How far it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    /// More bytes are needed for what comes next.
    Between,
    /// This page is held.
    Page(Pgno),
    /// All of it was read and proven, and there may be bytes that do not belong to it.
    Proven,
    /// There are no more bytes.
    Closed,
}

impl Input {
    pub(super) fn new(key: ObjectKey, lock_byte: LockByte) -> Input {
        Input { key, at: At::Between, header: None, decoder: Decoder::new(lock_byte) }
    }

    /// The header, once it was read.
    pub(super) fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }

    /// The number of the page that is held.
    pub(super) fn pgno(&self) -> Option<Pgno> {
        match self.at {
            At::Page(pgno) => Some(pgno),
            At::Between | At::Proven | At::Closed => None,
        }
    }

    /// Takes bytes until a page is held or the end is proven; what is left of `bytes` was not looked at.
    pub(super) fn feed(&mut self, bytes: &mut &[u8]) -> Result<(), DecodeError> {
        assert!(self.at != At::Closed || bytes.is_empty(), "{}: bytes after its end", self.key);
        while matches!(self.at, At::Between | At::Proven) {
            match self.decoder.read(bytes) {
                Ok(Some(Item::Header(header))) => self.header = Some(header),
                Ok(Some(Item::Page { pgno, .. })) => self.at = At::Page(pgno),
                Ok(Some(Item::End(_))) => self.at = At::Proven,
                Ok(None) => break,
                Err(DecodeError::FileChecksum { .. }) if mutated(Mutant::CompactDamageIgnored) => {
                    self.at = At::Closed;
                }
                Err(why) => return Err(why),
            }
        }
        Ok(())
    }

    /// There are no more bytes.
    pub(super) fn close(&mut self) -> Result<(), DecodeError> {
        match self.at {
            At::Closed => {}
            At::Proven => self.at = At::Closed,
            At::Between | At::Page(_) => return Err(DecodeError::Truncated(self.decoder.bytes_read())),
        }
        Ok(())
    }

    /// The page that is held.
    ///
    /// # Panics
    /// Unless one is.
    pub(super) fn page(&self) -> &[u8] {
        assert!(self.pgno().is_some(), "{}: no page is held", self.key);
        self.decoder.page().expect("the last read gave it")
    }

    /// Lets go of the page that is held.
    pub(super) fn advance(&mut self) {
        assert!(self.pgno().is_some(), "{}: no page is held", self.key);
        self.at = At::Between;
    }

    /// What a test watches: the buffers' capacity.
    #[cfg(test)]
    pub(super) fn buffered_bytes(&self) -> usize {
        self.decoder.buffered_bytes_max()
    }
}
