//! Loading and saving the local state of databases.

use super::file::{StateFile, Trouble};
use super::key::path_of;
use super::{restored, rows};
use crate::port::Files;
use engine::replicate::{LocalState, RestoreProof, StateChange, StateError};
use rusqlite::{Transaction, TransactionBehavior};
use std::path::Path;
use std::sync::Arc;

/// The open state file. Calls block; they belong on a thread that may.
pub struct StateStore {
    file: StateFile,
}

impl StateStore {
    /// Opens the file, or makes it. A broken one is put aside as `<name>.broken` (the last one is kept) and a new
    /// one started: [`StateStore::take_warnings`] says so. Fails when the place cannot be written, or when a later
    /// walsync wrote it.
    pub fn open(vfs: Option<&str>, path: &Path, files: Arc<dyn Files>) -> Result<StateStore, StateError> {
        Ok(StateStore { file: StateFile::open(vfs, path, files)? })
    }

    /// Everything about one database; `key` is a [`state_key`](super::state_key). What cannot be of ours is
    /// forgotten, and nothing is known of that database then; the others keep what they have, and so does the
    /// database where only what a restore left is such.
    pub fn load(&mut self, key: &str) -> Result<LocalState, StateError> {
        let connection = self.file.current()?;
        let loaded = connection.unchecked_transaction().and_then(|now| {
            let left = restored::load(&now, path_of(key)).map_err(Trouble::from);
            rows::load(&now, key).map(|state| (state, left))
        });
        let loaded = match loaded.map_err(Trouble::from) {
            Ok((state, Ok(restored))) => Ok(LocalState { restored, ..state }),
            Ok((state, Err(Trouble::Illegal(why)))) => {
                let path = path_of(key);
                self.forget(&format!("what a restore left for {path}"), &why, |rows| {
                    restored::delete(rows, path)
                })?;
                Ok(state)
            }
            Ok((_, Err(trouble))) | Err(trouble) => Err(trouble),
        };
        match loaded {
            Ok(state) => Ok(state),
            Err(Trouble::Broken(why)) => {
                self.file.start_anew(&why)?;
                Ok(LocalState::default())
            }
            Err(Trouble::Illegal(why)) => {
                self.forget(&format!("what was known of {key}"), &why, |now| rows::delete(now, key))?;
                Ok(LocalState::default())
            }
            Err(Trouble::Other(why)) => Err(self.file.error(&why)),
        }
    }

    /// Keeps what a restore to `path` (without symbolic links) left; durable when it returns. Nothing else of any
    /// database changes.
    pub fn save_restored(&mut self, path: &str, proof: &RestoreProof) -> Result<(), StateError> {
        self.write_durably(|transaction| restored::save(transaction, path, proof))
    }

    /// Writes a change; durable when it returns.
    pub fn save(&mut self, key: &str, change: &StateChange) -> Result<(), StateError> {
        self.save_many(&[(key, change)])
    }

    /// Writes the changes of several databases in one transaction, that is with one sync; all or none of them
    /// are durable when it returns. After a failure nothing is known: saving again is harmless.
    pub fn save_many(&mut self, changes: &[(&str, &StateChange)]) -> Result<(), StateError> {
        self.write_durably(|transaction| {
            changes.iter().try_for_each(|(key, change)| rows::save(transaction, key, change))
        })
    }

    /// What a person should know; each is given once.
    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.file.warnings)
    }

    fn write_durably(
        &mut self,
        change: impl Fn(&Transaction<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), StateError> {
        for _ in 0..SAVES_MAX {
            match self.write(&change) {
                // Into a file that nobody will read: another process put it aside meanwhile.
                Ok(()) if self.file.was_replaced()? => {}
                Ok(()) => return Ok(()),
                // What was there is lost, what is new is not: chunks that are missing now make the cached
                // checksums useless, which loading notices.
                Err(Trouble::Broken(why)) => self.file.start_anew(&why)?,
                Err(trouble) => return Err(self.file.error(trouble.why())),
            }
        }
        Err(self.file.error("it broke again and again"))
    }

    /// Rows hold something that no walsync wrote: `delete` drops them.
    fn forget(
        &mut self,
        what: &str,
        why: &str,
        delete: impl Fn(&Transaction<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), StateError> {
        match self.write(delete) {
            Ok(()) => {
                self.file.warnings.push(format!("{what} is not usable and was forgotten: {why}"));
                Ok(())
            }
            Err(Trouble::Broken(why)) => self.file.start_anew(&why),
            Err(trouble) => Err(self.file.error(trouble.why())),
        }
    }

    fn write(&mut self, change: impl Fn(&Transaction<'_>) -> rusqlite::Result<()>) -> Result<(), Trouble> {
        let connection = self.file.current().map_err(|error| Trouble::Other(error.0.into()))?;
        let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
        change(&transaction)?;
        transaction.commit().map_err(Trouble::from)
    }
}

/// A broken file, then one that another process replaces, then one that does.
const SAVES_MAX: u32 = 3;
