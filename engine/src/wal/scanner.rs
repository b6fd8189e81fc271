//! From bytes of a log to frames, as long as the chain holds.
//!
//! The scanner is fed: it says what to read next ([`Scanner::next_read`]), takes the bytes in any pieces
//! ([`Scanner::push`]) and gives frames ([`Scanner::next_frame`]). It says *why* it stopped, not whether that
//! is a fault: an early end is normal in a file that is taken as it is, and damage below `mxFrame`.

use super::checksum::{self, ByteOrder};
use super::frame::{Frame, FrameHeader, FrameNo};
use super::header::WalHeader;
use super::layout::{FRAME_CHECKED_BYTES, FRAME_HEADER_BYTES};
use crate::mutants::{Mutant, mutated};
use crate::types::{PageSize, WalPosition};
use bytes::{Buf, Bytes, BytesMut};
use std::fmt;

/// Reads one generation of a log from a position on. Holds less than one frame between calls.
#[derive(Debug)]
pub struct Scanner {
    byte_order: ByteOrder,
    page_size: PageSize,
    /// The last good frame.
    position: WalPosition,
    frames_max: u32,
    /// What was pushed and not yet taken.
    chunk: Bytes,
    /// The start of a frame whose rest is in the next chunk.
    partial: BytesMut,
    stopped: Option<Stop>,
}

/// What [`Scanner::next_frame`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Scanned {
    /// The next frame; its salts and checksum fit.
    Frame(Frame),
    /// All pushed bytes are taken: read and push more. At the end of the file: the log is cut off here.
    NeedBytes,
    /// No further frame, whatever is pushed. Stays so.
    Stopped(Stop),
}

/// Why a scan ended behind [`Scanner::position`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The bound is reached: everything asked for was read.
    Bound,
    /// The next frame is of another generation (mostly an earlier one, whose frames lie behind the live
    /// ones), or was never written.
    Stale,
    /// The next frame has this generation's salts and page number zero.
    ZeroPage,
    /// The next frame has this generation's salts and a checksum that does not continue the chain.
    BrokenChain,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stop::Bound => "the bound is reached",
            Stop::Stale => "the next frame is of another generation of the log",
            Stop::ZeroPage => "the next frame names page zero",
            Stop::BrokenChain => "the next frame's checksum does not continue the chain",
        })
    }
}

/// A piece of the log to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadAt {
    /// From the start of the log, in bytes.
    pub offset: u64,
    /// 1..=[`Scanner::READ_BYTES_MAX`].
    pub bytes: usize,
}

/// A position that does not lie in the log it is to be continued in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("frame {} of generation {} does not lie in this log", .0.frames, .0.salts)]
pub struct ForeignPosition(pub WalPosition);

impl Scanner {
    /// The most that [`Scanner::next_read`] asks for, in bytes: one frame of the largest page size.
    pub const READ_BYTES_MAX: usize = FRAME_HEADER_BYTES + 65536;

    /// Continues behind `from`, up to and including frame `frames_max`: the `mxFrame` of a
    /// [`super::CommittedEnd`], or `u32::MAX` to go as far as the chain holds.
    ///
    /// # Errors
    /// When `from` is of another generation than `header`, or at its start with another checksum.
    pub fn new(header: &WalHeader, from: WalPosition, frames_max: u32) -> Result<Scanner, ForeignPosition> {
        let start = header.start();
        if from.salts != start.salts || (from.frames == 0 && from != start) {
            return Err(ForeignPosition(from));
        }
        Ok(Scanner {
            byte_order: header.byte_order(),
            page_size: header.page_size(),
            position: from,
            frames_max,
            chunk: Bytes::new(),
            partial: BytesMut::new(),
            stopped: None,
        })
    }

    /// Behind the last frame given out; the checksum there is the chain's. Not necessarily a commit.
    pub fn position(&self) -> WalPosition {
        self.position
    }

    /// What to read and push next: the rest of a half-read frame and as many whole frames as
    /// [`Scanner::READ_BYTES_MAX`] and the bound allow, so that no frame is copied. `None` after the end.
    ///
    /// The advice need not be taken: any piece that starts at this offset will do.
    pub fn next_read(&self) -> Option<ReadAt> {
        if self.stopped.is_some() || self.position.frames >= self.frames_max {
            return None;
        }
        let pending = self.chunk.len() + self.partial.len();
        let frame_bytes = self.frame_bytes();
        assert!(pending < frame_bytes, "take the frames before reading on");
        let frames = (Self::READ_BYTES_MAX + pending) / frame_bytes;
        let frames = frames.min((self.frames_max - self.position.frames) as usize);
        let next = FrameNo::new(self.position.frames + 1).expect("one more than a number below the bound");
        let bytes = frames * frame_bytes - pending;
        assert!((1..=Self::READ_BYTES_MAX).contains(&bytes));
        Some(ReadAt { offset: next.offset(self.page_size) + pending as u64, bytes })
    }

    /// Takes the bytes that follow those already pushed; less than asked for is fine, as is nothing.
    ///
    /// # Panics
    /// When [`Scanner::next_frame`] has not yet said [`Scanned::NeedBytes`] to the bytes before.
    pub fn push(&mut self, chunk: Bytes) {
        if self.stopped.is_some() {
            return;
        }
        assert!(self.chunk.is_empty(), "take the frames before pushing on");
        self.chunk = chunk;
    }

    /// The next frame, or why there is none.
    pub fn next_frame(&mut self) -> Scanned {
        if let Some(stop) = self.stopped {
            return Scanned::Stopped(stop);
        }
        if self.position.frames >= self.frames_max {
            return self.stop(Stop::Bound);
        }
        let Some(bytes) = self.take_frame() else { return Scanned::NeedBytes };
        match self.check(bytes) {
            Ok(frame) => {
                self.position.frames = frame.number.get();
                self.position.checksum = frame.checksum;
                Scanned::Frame(frame)
            }
            Err(stop) => self.stop(stop),
        }
    }

    /// The same checks as SQLite's, in the same order: salts, page number, checksum.
    fn check(&self, mut bytes: Bytes) -> Result<Frame, Stop> {
        let header = bytes.first_chunk().map(FrameHeader::decode).expect("a whole frame was taken");
        if header.salts != self.position.salts {
            return Err(Stop::Stale);
        }
        let pgno = header.pgno.ok_or(Stop::ZeroPage)?;
        let chain = checksum::extend(self.byte_order, self.position.checksum, &bytes[..FRAME_CHECKED_BYTES]);
        let chain = checksum::extend(self.byte_order, chain, &bytes[FRAME_HEADER_BYTES..]);
        let chain = if mutated(Mutant::FrameChecksumNotCompared) { header.checksum } else { chain };
        if chain != header.checksum {
            return Err(Stop::BrokenChain);
        }
        let number = FrameNo::new(self.position.frames + 1).expect("one more than a number below the bound");
        bytes.advance(FRAME_HEADER_BYTES);
        Ok(Frame { number, pgno, commit: header.commit, checksum: chain, page: bytes })
    }

    /// One frame's bytes: a slice of the chunk, or put together where chunks meet.
    fn take_frame(&mut self) -> Option<Bytes> {
        let frame_bytes = self.frame_bytes();
        if self.partial.is_empty() && self.chunk.len() >= frame_bytes {
            return Some(self.chunk.split_to(frame_bytes));
        }
        let missing = frame_bytes - self.partial.len();
        let piece = self.chunk.split_to(missing.min(self.chunk.len()));
        if !piece.is_empty() {
            self.partial.reserve(missing);
            self.partial.extend_from_slice(&piece);
        }
        if self.chunk.is_empty() {
            self.chunk = Bytes::new(); // an empty rest would keep the whole chunk in memory
        }
        (self.partial.len() == frame_bytes).then(|| std::mem::take(&mut self.partial).freeze())
    }

    fn stop(&mut self, stop: Stop) -> Scanned {
        self.stopped = Some(stop);
        self.chunk = Bytes::new();
        self.partial = BytesMut::new();
        Scanned::Stopped(stop)
    }

    fn frame_bytes(&self) -> usize {
        FRAME_HEADER_BYTES + self.page_size.into_inner() as usize
    }
}

#[cfg(test)]
mod tests;
