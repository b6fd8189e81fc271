//! How a database stands just now, for those who ask: what was read and what the store has. Decides nothing.

use super::database::{Database, Phase};
use crate::types::{Level, Now, Txid};
use std::time::Duration;

/// How a database stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The newest slot that the store is known to have.
    pub durable: Option<Txid>,
    /// The slot that what was read from the database will be in; the same where all of it is durable.
    pub read: Option<Txid>,
    /// For how long the oldest commit waits that was seen and is not durable; zero: there is none. `None`: not known,
    /// because the database is not followed.
    pub lag: Option<Duration>,
    /// Pages that were read and are not durable.
    pub unsent_pages: u32,
    /// Bytes of the WAL that are in use; `None`: it is not followed.
    pub wal_bytes: Option<u64>,
    /// In how long each level is due, from level 1 up; `None`: nothing waits for it.
    pub levels_due: [Option<Duration>; Level::MERGED_MAX],
    /// In how long retention is due; `None`: nothing can have become old.
    pub retention_due: Option<Duration>,
}

impl Database {
    pub(super) fn standing(&self, now: Now) -> Standing {
        match &self.phase {
            Phase::Follow(follow, _) => {
                let (levels_due, retention_due) = self.upkeep.due(now, &self.config);
                Standing { levels_due, retention_due, ..follow.standing(now.mono) }
            }
            _ => Standing { durable: self.durable, read: self.durable, ..Standing::default() },
        }
    }
}
