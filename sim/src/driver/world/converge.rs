//! The faults are over: everything comes to be in the store, soon.

use super::*;
use io_sim::faults::{DiskFaults, NetworkFaults};

impl World {
    /// Property 29: without faults everything that was committed is in the store, soon.
    pub(super) async fn converge(&mut self) -> Checked {
        self.becomes_calm();
        let end = self.time.in_step().after(CONVERGE);
        loop {
            let now = self.time.in_step();
            for database in self.databases.iter_mut().filter(|database| database.followed.is_none()) {
                database.add_at = Some(now);
            }
            self.pass(Duration::from_millis(500)).await?;
            if self.has_converged() {
                return Ok(());
            }
            if self.time.in_step() >= end {
                return Err(Violation::new(29, self.not_converged()));
            }
        }
    }

    fn becomes_calm(&mut self) {
        self.chaos = false;
        self.wire.with(|network| {
            network.set_faults(NetworkFaults::default());
            network.set_outage_until(Instant::default());
        });
        if let Some(life) = &self.life {
            life.mischief.calm();
            self.disk.spare(life.process.pid());
            self.disk.set_faults_of(life.process.pid(), DiskFaults::default());
        }
    }

    fn has_converged(&self) -> bool {
        let lives = self.life.as_ref().is_some_and(|life| !life.is_finishing);
        lives && self.databases.iter().all(|one| one.is_followed() && one.has_converged())
    }

    fn not_converged(&self) -> String {
        let mut text = format!("not everything is in the store after {} s:", CONVERGE.as_secs());
        match &self.life {
            Some(life) => {
                let (requests, jobs) = (life.store.traffic.count(), life.jobs.pending());
                text += &format!(" finishing {}, {requests} requests, {jobs} jobs;", life.is_finishing);
            }
            None => text += " nothing lives;",
        }
        for database in &self.databases {
            let (path, converged) = (&database.path, database.has_converged());
            text += &format!(" {path}: {:?}, stored {converged}", database.status);
            text += &format!(", differs in {};", database.differences());
        }
        text
    }
}

/// Everything converges within this much simulated time after the last fault. What was sent before may still wait
/// for its time limit, and what was refused is tried again slowly.
const CONVERGE: Duration = Duration::from_secs(600);
