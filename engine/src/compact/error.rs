//! Why objects cannot be merged.

use crate::key::ObjectKey;
use crate::ltx::DecodeError;
use crate::types::TxidRange;

/// Why a merge ended without an object. All of these mean: an object is not what it was taken for. Nothing of what
/// came out may be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// Cut off, altered, or another format.
    #[error("{object}: {why}")]
    Damaged {
        /// The input.
        object: ObjectKey,
        /// What is wrong with it.
        why: DecodeError,
    },
    /// Its header names other transactions than its key.
    #[error("{object}: its header is that of {found}")]
    OtherTxids {
        /// The input.
        object: ObjectKey,
        /// The header's.
        found: TxidRange,
    },
    /// It holds a whole database that builds on no other state: nothing is merged across it.
    #[error("{object} begins a chain of its own")]
    BeginsAnew {
        /// The input.
        object: ObjectKey,
    },
    /// They have pages of different sizes.
    #[error("the pages of {left} and {right} have different sizes")]
    PageSizes {
        /// The earlier input.
        left: ObjectKey,
        /// The later input.
        right: ObjectKey,
    },
    /// The first leaves another database than the second applies to.
    #[error("{right} does not continue {left}")]
    Unlinked {
        /// The earlier input.
        left: ObjectKey,
        /// The later input.
        right: ObjectKey,
    },
}
