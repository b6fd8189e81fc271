//! Why nothing can be restored for a target.

use crate::key::ObjectKey;
use crate::types::{Timestamp, Txid, TxidRange};
use std::fmt;

/// The points on either side of a target that has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Nearest {
    /// The newest point before it.
    pub before: Option<Txid>,
    /// The oldest point after it.
    pub after: Option<Txid>,
}

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The newest state.
    Latest,
    /// A state by number.
    Txid(Txid),
    /// A state by time.
    Timestamp(Timestamp),
}

/// Why there is no plan. Each names what was asked for and the nearest points.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The place holds no object.
    #[error("nothing is stored here")]
    Empty,
    /// A number that no sync has had yet.
    #[error("{wanted} is beyond the newest point; {nearest}")]
    BeyondNewest {
        /// The target.
        wanted: Wanted,
        /// The newest point.
        nearest: Nearest,
    },
    /// A time before the first point.
    #[error("{wanted} is before the first point, {first}")]
    BeforeFirst {
        /// The target.
        wanted: Wanted,
        /// The oldest point.
        first: Txid,
    },
    /// The state lies inside a compacted range: the policy let it go, what was before and after is there.
    #[error("{wanted} is no restore point: it lies inside {inside}; {nearest}")]
    Compacted {
        /// The target.
        wanted: Wanted,
        /// The narrowest object that contains it.
        inside: ObjectKey,
        /// The points around it.
        nearest: Nearest,
    },
    /// Objects are missing on the way to the state, or where it may have been.
    #[error("{wanted} cannot be reached: {missing} is missing; {nearest}")]
    Gap {
        /// The target.
        wanted: Wanted,
        /// TXIDs that no usable object contains.
        missing: TxidRange,
        /// The points around it.
        nearest: Nearest,
    },
    /// Two objects join by name, but the first leaves another database than the second applies to, and no
    /// other way leads to the state.
    #[error("{wanted} cannot be reached: {right} does not continue {left}; {nearest}")]
    Unlinked {
        /// The target.
        wanted: Wanted,
        /// The earlier object.
        left: ObjectKey,
        /// The later object.
        right: ObjectKey,
        /// The points around it.
        nearest: Nearest,
    },
    /// An object is not what it claims to be, and no other way leads to the state.
    #[error("{wanted} cannot be reached: {object} is damaged: {why}; {nearest}")]
    Damaged {
        /// The target.
        wanted: Wanted,
        /// The object.
        object: ObjectKey,
        /// What is wrong with it.
        why: Box<str>,
        /// The points around it.
        nearest: Nearest,
    },
    /// All there is builds on a first image whose writer never won the place; nothing of it was announced.
    #[error("{wanted} cannot be reached: the first image was never claimed by its writer; {nearest}")]
    Unclaimed {
        /// The target.
        wanted: Wanted,
        /// The points around it.
        nearest: Nearest,
    },
}

/// Who is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanErrorKind {
    /// The store holds no such state (exit 1).
    Missing,
    /// The store holds objects that are not what they claim to be (exit 4).
    Corrupt,
}

impl PlanError {
    /// Who is to blame.
    pub fn kind(&self) -> PlanErrorKind {
        match self {
            PlanError::Unlinked { .. } | PlanError::Damaged { .. } => PlanErrorKind::Corrupt,
            _ => PlanErrorKind::Missing,
        }
    }

    /// The points around the target.
    pub fn nearest(&self) -> Nearest {
        match self {
            PlanError::Empty => Nearest::default(),
            PlanError::BeforeFirst { first, .. } => Nearest { before: None, after: Some(*first) },
            PlanError::BeyondNewest { nearest, .. }
            | PlanError::Compacted { nearest, .. }
            | PlanError::Gap { nearest, .. }
            | PlanError::Unlinked { nearest, .. }
            | PlanError::Damaged { nearest, .. }
            | PlanError::Unclaimed { nearest, .. } => *nearest,
        }
    }
}

impl fmt::Display for Nearest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.before, self.after) {
            (Some(before), Some(after)) => write!(f, "nearest points: {before} before, {after} after"),
            (Some(before), None) => write!(f, "nearest point: {before} before"),
            (None, Some(after)) => write!(f, "nearest point: {after} after"),
            (None, None) => write!(f, "there is no restore point"),
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wanted::Latest => write!(f, "the newest state"),
            Wanted::Txid(txid) => write!(f, "TXID {txid}"),
            Wanted::Timestamp(time) => write!(f, "the state at {time}"),
        }
    }
}
