//! SQLite's write-ahead log: bytes in, whole transactions out.
//!
//! ```text
//! bytes -> scanner (salts, checksum chain) -> Frame -> transaction::Tail (newest frame per page) -> LTX
//!             ^ how far: bound::CommittedEnd, what SQLite itself says
//! ```
//!
//! The caller reads the log through SQLite's own file handle and pushes what it read; nothing here does IO,
//! and nothing here decides whether an early end is a fault: [`CommittedEnd`] says where the log ends, and a
//! [`Stop`] before it is the caller's to judge. One hand-over of the pin reads like this:
//!
//! ```
//! # use engine::types::{LockByte, WalPosition};
//! # use engine::wal::{CommittedEnd, Scanned, Scanner, Stop, Tail, TransactionEnd, WalHeader};
//! # use bytes::Bytes;
//! /// Reads every committed frame after `from`; `None` when there is none, `Err` when the log is damaged.
//! fn read_tail(
//!     header: &WalHeader,
//!     from: WalPosition,
//!     end: &CommittedEnd,
//!     lock: LockByte,
//!     mut read: impl FnMut(u64, usize) -> Bytes,
//! ) -> Result<Option<Tail>, Stop> {
//!     if end.position() == from {
//!         return Ok(None); // not even a look at the log: it may already be another generation
//!     }
//!     let mut scanner = Scanner::new(header, from, end.frames()).expect("the position is of this log");
//!     let mut tail = Tail::new(from, lock.pgno(header.page_size()));
//!     while let Some(wanted) = scanner.next_read() {
//!         scanner.push(read(wanted.offset, wanted.bytes));
//!         loop {
//!             match scanner.next_frame() {
//!                 Scanned::Frame(frame) => {
//!                     tail.push(frame);
//!                 }
//!                 Scanned::NeedBytes => break,
//!                 Scanned::Stopped(Stop::Bound) => break,
//!                 Scanned::Stopped(fault) => return Err(fault),
//!             }
//!         }
//!     }
//!     let reached = tail.end().ok_or(Stop::BrokenChain)?;
//!     let is_end = (reached.position, reached.pages) == (end.position(), end.pages());
//!     if is_end { Ok(Some(tail)) } else { Err(Stop::BrokenChain) }
//! }
//! # use engine::types::{PageSize, Pgno, Salts};
//! # use engine::wal::{ByteOrder, WalWriter, WalIndexHeader};
//! # let header = WalHeader::new(ByteOrder::Little, PageSize::new(512).unwrap(), 0, Salts(1, 2));
//! # let mut writer = WalWriter::new(header);
//! # let mut log = header.encode().to_vec();
//! # writer.append(Pgno::ONE, Some(1), &[7; 512], &mut log);
//! # let end = CommittedEnd::from_snapshot(&WalIndexHeader::of(&writer, 1).encode()).unwrap();
//! # let read = |at: u64, n: usize| Bytes::copy_from_slice(&log[at as usize..at as usize + n]);
//! # let tail = read_tail(&header, header.start(), &end, LockByte::SQLITE, read).unwrap().unwrap();
//! # assert_eq!(tail.into_pages().count(), 1);
//! ```
//!
//! The bytes are described in `docs/formats/wal.md`, which a test compares with [`layout`].

pub mod bound;
pub mod checksum;
pub mod frame;
pub mod header;
pub mod layout;
#[cfg(test)]
mod sample;
pub mod scanner;
pub mod transaction;
pub mod writer;

pub use bound::{BoundError, CommittedEnd, WalIndexHeader};
pub use checksum::ByteOrder;
pub use frame::{Frame, FrameHeader, FrameNo};
pub use header::{WalHeader, WalHeaderError};
pub use scanner::{ForeignPosition, ReadAt, Scanned, Scanner, Stop};
pub use transaction::{Newest, Tail, TransactionEnd};
pub use writer::WalWriter;
