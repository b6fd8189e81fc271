//! The vocabulary: one word, one type. The LTX words come from `litetx`; the rest is ours.
//!
//! A value of one of these types is already legal; bytes and text from outside are checked where they
//! become one. Nothing here reads, writes or knows the time.

mod level;
mod node;
mod page;
mod time;
mod txid;
mod wal_position;

pub use level::{Level, LevelError};
pub use litetx::{Checksum, PageNum as Pgno, PageSize, Pos, TXID as Txid};
pub use node::NodeId;
pub use page::LockByte;
pub use time::{Instant, Now, Timestamp};
pub use txid::{TxidError, TxidRange, parse_txid, parse_txid_hex};
pub use wal_position::{FrameChecksum, Salts, WalPosition};

#[cfg(test)]
mod tests;
