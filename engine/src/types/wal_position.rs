//! A position in a write-ahead log.

use std::fmt;

/// The two salts of a WAL generation, as the big-endian numbers of its header (bytes 16..24).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Salts(pub u32, pub u32);

impl fmt::Display for Salts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}{:08x}", self.0, self.1)
    }
}

/// The cumulative checksum of a WAL up to and including one frame (SQLite file format, section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct FrameChecksum(pub u32, pub u32);

/// The end of a committed transaction in a WAL: everything before it has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct WalPosition {
    /// The generation of the log.
    pub salts: Salts,
    /// Frames of that generation that lie before the position; 0 at the start of the log.
    pub frames: u32,
    /// The chain's checksum there; that of the WAL header when `frames` is 0.
    pub checksum: FrameChecksum,
}
