//! Who wrote an object.

use std::fmt;

/// A writer's identity: random, one per process life, at bytes 72..80 of every LTX header we write.
/// Never zero: zero there means "no tag" (Litestream's files).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(std::num::NonZeroU64);

impl NodeId {
    /// Stands in the local state for a writer that leaves no id, as Litestream does.
    pub const UNKNOWN: NodeId = NodeId(std::num::NonZeroU64::MAX);

    /// `None` for zero.
    pub const fn new(id: u64) -> Option<NodeId> {
        match std::num::NonZeroU64::new(id) {
            Some(id) => Some(NodeId(id)),
            None => None,
        }
    }

    /// The number in the header.
    pub const fn get(self) -> u64 {
        self.0.get()
    }

    /// Reads what [`fmt::Display`] writes: exactly 16 hex digits.
    pub fn parse(text: &str) -> Option<NodeId> {
        // The parser of numbers takes a sign; a second spelling of the same id is none of ours.
        if text.len() != 16 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        u64::from_str_radix(text, 16).ok().and_then(NodeId::new)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({self})")
    }
}
