//! Reading the committed frames of a WAL, under a pin.

use super::connection::Connection;
use super::error::{from_code, io};
use super::raw::{FileHandle, READ_BYTES_MAX, Read};
use bytes::Bytes;
use engine::mutants::{Mutant, mutated};
use engine::replicate::{Snapshot, SourceError};
use engine::types::{PageSize, Pgno, WalPosition};
use engine::wal::layout::{FRAME_HEADER_BYTES, WAL_HEADER_BYTES};
use engine::wal::{Frame, FrameHeader, FrameNo, Scanned, Scanner, Stop, WalHeader};
use std::ops::ControlFlow;

/// The log that a snapshot stands on. While it is open no frame up to the snapshot's end changes (docs/design.md
/// section 3, rule 1), so anything that does not fit is a fault, not the end of the log.
pub(super) struct Log<'c> {
    file: FileHandle<'c>,
    header: WalHeader,
    snapshot: Snapshot,
}

impl<'c> Log<'c> {
    /// `connection` is pinned; `snapshot` has at least one frame, not all of them copied to the database when
    /// the pin was taken.
    pub(super) fn open(connection: &'c Connection, snapshot: &Snapshot) -> Result<Log<'c>, SourceError> {
        assert!(snapshot.end.frames > 0, "an empty log has nothing to read");
        let file = connection.wal()?;
        let mut bytes = [0; WAL_HEADER_BYTES];
        read(&file, 0, &mut bytes, 1)?;
        let header = WalHeader::decode(&bytes).map_err(|e| bad(1, format!("header: {e}")))?;
        if header.salts() != snapshot.end.salts {
            return Err(bad(
                1,
                format!("header of generation {}, not {}", header.salts(), snapshot.end.salts),
            ));
        }
        if header.page_size() != snapshot.page_size {
            return Err(bad(1, format!("header says pages of {} bytes", header.page_size())));
        }
        Ok(Log { file, header, snapshot: *snapshot })
    }

    /// The position before the first frame.
    pub(super) fn start(&self) -> WalPosition {
        self.header.start()
    }

    /// Gives every committed frame after `from`, in order, each with its place in the chain checked. When
    /// `each` lets the walk reach the end, the end is what SQLite said.
    pub(super) fn walk(
        &self,
        from: WalPosition,
        mut each: impl FnMut(Frame) -> ControlFlow<()>,
    ) -> Result<(), SourceError> {
        let end = self.snapshot.end;
        let by_file = mutated(Mutant::EndOfTheFile);
        let mut scanner = Scanner::new(&self.header, from, if by_file { u32::MAX } else { end.frames })
            .map_err(|e| bad(from.frames, e.to_string()))?;
        let mut last = None;
        loop {
            match scanner.next_frame() {
                Scanned::Frame(frame) => {
                    last = Some((frame.number, frame.checksum, frame.commit));
                    if each(frame).is_break() {
                        return Ok(());
                    }
                }
                Scanned::NeedBytes => {
                    let Some(wanted) = scanner.next_read() else { break };
                    let mut bytes = vec![0; wanted.bytes.min(READ_BYTES_MAX)];
                    let next = last.map_or(from.frames, |(number, ..)| number.get()) + 1;
                    match read(&self.file, wanted.offset, &mut bytes, next) {
                        Err(SourceError::BadFrame { .. }) if by_file => return Ok(()),
                        read => read?,
                    }
                    scanner.push(Bytes::from(bytes));
                }
                Scanned::Stopped(_) if by_file => return Ok(()),
                Scanned::Stopped(Stop::Bound) => break,
                Scanned::Stopped(fault) => {
                    let next = last.map_or(from.frames, |(number, ..)| number.get()) + 1;
                    return Err(bad(next, fault.to_string()));
                }
            }
        }
        let Some((number, checksum, commit)) = last else {
            return Err(bad(end.frames, "nothing to read".to_owned()));
        };
        if (number.get(), checksum) != (end.frames, end.checksum) {
            return Err(bad(number.get(), "the chain does not end as SQLite says".to_owned()));
        }
        if commit != Some(self.snapshot.pages) {
            let why = format!("commits {commit:?} pages, SQLite says {}", self.snapshot.pages);
            return Err(bad(number.get(), why));
        }
        Ok(())
    }

    /// The newest of frames `1..=last` for each page that `wanted` accepts; only headers are read.
    pub(super) fn newest_of(
        &self,
        last: u32,
        wanted: impl Fn(Pgno) -> bool,
        mut found: impl FnMut(Pgno, u32),
    ) -> Result<(), SourceError> {
        for number in (1..=last).filter_map(FrameNo::new) {
            let header = frame_header(&self.file, number, self.snapshot.page_size)?;
            match header.pgno {
                Some(pgno) if header.salts == self.snapshot.end.salts => {
                    if wanted(pgno) {
                        found(pgno, number.get());
                    }
                }
                _ => return Err(bad(number.get(), "not of this generation any more".to_owned())),
            }
        }
        Ok(())
    }
}

/// Reads the page in a frame that was walked before; the frame must still hold that page.
pub(super) fn read_frame(
    file: &FileHandle<'_>,
    number: FrameNo,
    pgno: Pgno,
    page: &mut [u8],
) -> Result<(), SourceError> {
    let page_size = PageSize::new(u32::try_from(page.len()).expect("a page")).expect("a page size");
    if frame_header(file, number, page_size)?.pgno != Some(pgno) {
        return Err(bad(number.get(), format!("does not hold page {pgno} any more")));
    }
    read(file, number.offset(page_size) + FRAME_HEADER_BYTES as u64, page, number.get())
}

pub(super) fn frame_header(
    file: &FileHandle<'_>,
    number: FrameNo,
    size: PageSize,
) -> Result<FrameHeader, SourceError> {
    let mut bytes = [0; FRAME_HEADER_BYTES];
    read(file, number.offset(size), &mut bytes, number.get())?;
    Ok(FrameHeader::decode(&bytes))
}

/// A committed frame is there in full.
fn read(file: &FileHandle<'_>, offset: u64, bytes: &mut [u8], frame: u32) -> Result<(), SourceError> {
    match file.read(offset, bytes) {
        Ok(Read::Full) => Ok(()),
        Ok(Read::Short) => Err(bad(frame, "beyond the end of the log file".to_owned())),
        Err(code) => Err(io(&format!("WAL frame {frame}"), from_code(code))),
    }
}

pub(super) fn bad(frame: u32, reason: String) -> SourceError {
    SourceError::BadFrame { frame, reason: reason.into() }
}
