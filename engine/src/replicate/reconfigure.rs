//! New values for a database that is followed: what may change in flight is applied, and nothing is let go for it. What a
//! history is known by never changes: another place or store is another database, removed here and added there.

use super::config::DatabaseConfig;
use super::context::Context;
use super::context::Outbox;
use super::database::{Database, Phase};
use crate::types::Now;

impl DatabaseConfig {
    /// This configuration with the values of `new`, but for what belongs to the store and to the history: those stay.
    ///
    /// Of two values of `l0_retention` the shorter one counts from now on. It bounds for how long a confirmation is
    /// believed, and the place knows only the longest that was promised at a start (`manifest.json`): a longer one counts from
    /// the next start on, which tells the place.
    #[must_use]
    pub(super) fn reconfigured(&self, new: DatabaseConfig) -> DatabaseConfig {
        let DatabaseConfig {
            place,
            layout,
            modified_is,
            node,
            database,
            host,
            store_name,
            conditional_writes,
            lock_byte,
            part_bytes,
            ..
        } = self.clone();
        let l0_retention = new.l0_retention.min(self.l0_retention);
        DatabaseConfig {
            place,
            layout,
            modified_is,
            node,
            database,
            host,
            store_name,
            conditional_writes,
            lock_byte,
            part_bytes,
            l0_retention,
            ..new
        }
    }
}

impl Database {
    /// Takes new values over, in whatever phase it is.
    pub(super) fn reconfigure(&mut self, now: Now, out: &mut Outbox, new: DatabaseConfig) {
        let config = self.config.reconfigured(new);
        if config.upkeep != self.config.upkeep {
            // What is under way was planned by the other rules.
            let before = self.config.clone();
            self.upkeep.give_up(&mut Context { now, db: self.id, config: &before, out });
        }
        let may_enter = config.enter_wal_mode && !self.config.enter_wal_mode;
        self.config = config;
        match &mut self.phase {
            Phase::Follow(follow, _) => follow.reconfigure(now, &self.config),
            // What a person had to allow may have been this.
            Phase::Waiting { until: Some(until), .. } if may_enter => *until = now.mono,
            _ => {}
        }
        self.advance(now, out);
    }
}
