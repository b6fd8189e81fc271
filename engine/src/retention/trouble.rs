//! What keeps a chain from being thinned out.

use crate::key::ObjectKey;
use crate::types::{Level, Txid};
use std::fmt;

/// Something that is wrong in a place. Nothing of the chain around it is deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// An object is not what its name says.
    Damaged {
        /// The object.
        object: ObjectKey,
        /// What is wrong with it.
        why: Box<str>,
    },
    /// Nobody can tell whether the first image won its place.
    Unclaimed {
        /// The first image.
        object: ObjectKey,
    },
    /// Two objects that cannot both be of one history.
    Contradiction {
        /// The earlier one, or either of two that tell of the same state.
        left: ObjectKey,
        /// The other.
        right: ObjectKey,
    },
    /// Objects are missing on the way to a state that the policy keeps.
    Gap {
        /// An object that leads to that state.
        object: ObjectKey,
    },
    /// A point that stays could not be restored from what would be left: the planner is wrong, and nothing at all is deleted.
    Unproven {
        /// The point.
        txid: Txid,
    },
}

impl Trouble {
    /// The TXIDs that it concerns, both included; `None` for all.
    pub(super) fn span(&self) -> Option<(Txid, Txid)> {
        match self {
            Trouble::Damaged { object, .. } | Trouble::Unclaimed { object } | Trouble::Gap { object } => {
                Some((begin(*object), (*object).max()))
            }
            Trouble::Contradiction { left, right } => {
                Some((begin(*left).min(begin(*right)), (*left).max().max((*right).max())))
            }
            Trouble::Unproven { .. } => None,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Damaged { object, why } => write!(f, "{object} is damaged: {why}"),
            Trouble::Unclaimed { object } => write!(f, "{object} was perhaps never claimed by its writer"),
            Trouble::Contradiction { left, right } => write!(f, "{right} contradicts {left}"),
            Trouble::Gap { object } => write!(f, "objects are missing before {object}"),
            Trouble::Unproven { txid } => {
                write!(f, "TXID {txid} would be lost, which is a bug in walsync")
            }
        }
    }
}

/// Where an object begins to matter: a snapshot is only of use where it ends.
pub(super) fn begin(key: ObjectKey) -> Txid {
    if key.level() == Level::SNAPSHOT { key.max() } else { key.min() }
}
