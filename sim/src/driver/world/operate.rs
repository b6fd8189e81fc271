//! What the operations of a plan do.

use super::*;
use crate::driver::mischief::At;
use crate::driver::plan::Operation;
use crate::workload::Application;

impl World {
    pub(super) async fn operate(&mut self, operation: Operation) -> Checked {
        self.bury_dead().await?;
        self.trace.record("operation", &format!("{operation:?}"), &[], &[]);
        match operation {
            Operation::Transaction { database, seed, statements } => {
                self.with_application(database, |app| app.transaction(seed, statements).map(drop))
            }
            Operation::Huge { database, seed } => self.with_application(database, |app| app.huge(seed)),
            Operation::DeleteMost { database } => self.with_application(database, Application::delete_most),
            Operation::Vacuum { database } => self.with_application(database, Application::vacuum),
            Operation::Checkpoint { database, mode } => {
                self.with_application(database, |app| app.checkpoint(mode).map(drop))
            }
            Operation::ToggleReader { database } => {
                let path = self.databases[database].path.clone();
                self.with_application(database, |app| app.toggle_reader(&path))
            }
            Operation::Stop { database, away_ms } => {
                self.stop(database, Duration::from_millis(away_ms));
                Ok(())
            }
            Operation::Finish => {
                self.finish();
                Ok(())
            }
            Operation::FinishAndAdd { database } => {
                self.finish();
                if let Some(life) = &mut self.life {
                    life.add(database, &mut self.databases[database], &mut self.engine);
                }
                Ok(())
            }
            other => {
                if let Some(life) = &self.life {
                    match other {
                        Operation::Drop { steps } => life.ends_in(steps, false),
                        Operation::Kill { steps } => life.ends_in(steps, true),
                        Operation::KillAtDisk { operations } => {
                            self.disk.kill_in(life.process.pid(), operations);
                        }
                        Operation::PanicInJob => life.mischief.panic_next(At::Job),
                        Operation::PanicInRequest => life.mischief.panic_next(At::Request),
                        _ => {}
                    }
                }
                if let Operation::Outage { ms } = other {
                    self.outage(Duration::from_millis(ms));
                }
                Ok(())
            }
        }
    }

    fn outage(&mut self, time: Duration) {
        let until = self.time.in_step().after(time);
        self.wire.with(|network| network.set_outage_until(until));
        self.reached(Reached::Outage);
    }

    /// One database is stopped in order, and comes back.
    fn stop(&mut self, database: usize, away: Duration) {
        let at = self.time.in_step().after(away);
        let Some(life) = self.life.as_ref().filter(|life| !life.is_finishing) else { return };
        let database = &mut self.databases[database];
        if let Some(id) = database.followed {
            database.stop_is_asked();
            life.handle.stop(id);
        }
        database.add_at = Some(at);
    }

    /// All are stopped in order, and with them the driver.
    pub(super) fn finish(&mut self) {
        let Some(life) = self.life.as_mut() else { return };
        if life.store.traffic.has_upload() {
            life.mischief.reached(Reached::FinishedWhileStaging);
        }
        if life.store.traffic.count() > 0 {
            life.mischief.reached(Reached::FinishedInRequest);
        }
        life.is_finishing = true;
        life.handle.finish();
        self.databases.iter_mut().for_each(Database::stop_is_asked);
    }

    /// Lets an application do something. Its errors are the world's, not ours.
    pub(super) fn with_application(
        &mut self,
        number: usize,
        act: impl FnOnce(&mut Application) -> rusqlite::Result<()>,
    ) -> Checked {
        self.time.in_step();
        let database = &mut self.databases[number];
        let done = act(&mut database.application);
        self.time.in_step();
        self.trace.record(
            "application",
            "",
            &[("database", number as u64), ("ok", done.is_ok().into())],
            &[],
        );
        database.observe()?;
        let hint = database.hint(&self.disk);
        // Now and then nobody is told.
        let told = !self.chaos || self.random.ppm(850_000);
        if let (true, Some(life), Some(id)) = (told, &self.life, database.followed) {
            life.handle.poke(id, hint);
        }
        if done.is_ok() {
            self.reached(Reached::Commit);
        }
        Ok(())
    }
}
