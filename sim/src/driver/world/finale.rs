//! After everything has converged: what must be exact then.

use super::*;
use engine::replicate::Hint;
use std::collections::BTreeMap;

impl World {
    pub(super) async fn finale(&mut self) -> Checked {
        self.hints_are_heeded().await?;
        self.all_permits_are_there().await?;
        self.ends_in_order().await?;
        for database in &mut self.databases {
            database.check_everything(&self.store)?;
        }
        if self.store.unfinished_uploads() > 0 {
            self.uploads_are_swept().await?;
        }
        Ok(())
    }

    /// Hints that come together are all heeded: a look at each database follows at once. Not where something that
    /// began before the calm keeps the daemon from looking at all.
    async fn hints_are_heeded(&mut self) -> Checked {
        self.pass(IDLE).await?;
        let looks = |world: &World| world.life.as_ref().map(|life| life.mischief.looks()).unwrap_or_default();
        let before = looks(self);
        self.pass(LOOKS_EVERY).await?;
        let idle = looks(self);
        if let Some(life) = &self.life {
            for id in self.databases.iter().filter_map(|database| database.followed) {
                life.handle.poke(id, Hint::Log);
            }
        }
        self.pass(LOOK_SOON).await?;
        let after = looks(self);
        for number in 0..self.databases.len() {
            let of = |looks: &BTreeMap<usize, u64>| looks.get(&number).copied().unwrap_or(0);
            if of(&idle) > of(&before) && of(&after) == of(&idle) {
                let message = format!("database {number} was hinted at, and nobody looked for {LOOK_SOON:?}");
                return Err(Violation::new(29, message));
            }
        }
        Ok(())
    }

    /// Property 24: as many requests as may be under way get there, however many were lost, late or dropped before.
    async fn all_permits_are_there(&mut self) -> Checked {
        let max = self.settings.limits.requests_in_flight;
        let life = self.life.as_mut().expect("it has converged");
        life.store.traffic.hold(true);
        let mut probes = Vec::new();
        for number in 0..max {
            probes.push(life.probe(number, &self.settings.databases[0], &mut self.engine));
        }
        self.pass(Duration::from_millis(500)).await?;
        let life = self.life.as_mut().expect("nothing ends it");
        let count = life.store.traffic.count();
        life.store.traffic.hold(false);
        for probe in probes {
            life.handle.stop(probe);
        }
        self.pass(Duration::from_secs(3)).await?;
        if count < max {
            return Err(Violation::new(24, format!("{count} requests get through at one time, not {max}")));
        }
        Ok(())
    }

    /// Property 29 of an end: it comes soon, and nothing that was committed before it is missing.
    async fn ends_in_order(&mut self) -> Checked {
        for number in 0..self.databases.len() {
            let seed = self.seed + number as u64;
            self.with_application(number, |app| app.transaction(seed, 3).map(drop))?;
        }
        let life = self.life.as_ref().expect("nothing ends it");
        let traffic = life.store.traffic.clone();
        let lives = self.lives;
        self.finish();
        let end = self.time.in_step().after(ENDS);
        while self.life.is_some() && self.lives == lives {
            if self.time.in_step() >= end {
                return Err(Violation::new(29, format!("an orderly end takes longer than {ENDS:?}")));
            }
            self.pass(Duration::from_millis(20)).await?;
        }
        self.start_at = None;
        if let Some(database) = self.databases.iter().find(|database| !database.has_converged()) {
            let message = format!("{} ended in order, and the store does not hold it", database.path);
            return Err(Violation::new(29, message));
        }
        let unfinished = self.store.peek_uploads();
        let left = traffic.uploads_left().into_iter().filter(|upload| unfinished.contains(upload));
        match left.count() {
            0 => Ok(()),
            count => Err(Violation::new(24, format!("{count} uploads were forgotten, and nobody ends them"))),
        }
    }

    /// What lives that were killed left behind is gone a day later.
    async fn uploads_are_swept(&mut self) -> Checked {
        self.pass(Duration::from_secs(25 * 3600)).await?;
        self.start_life()?;
        self.pass(Duration::from_secs(20)).await?;
        match self.store.unfinished_uploads() {
            0 => self.reached(Reached::Swept),
            count => {
                return Err(Violation::new(24, format!("{count} uploads are left over after a day")));
            }
        }
        self.finish();
        self.pass(ENDS).await?;
        match &self.life {
            Some(life) if life.is_finishing => Err(Violation::new(29, "the last end does not come")),
            _ => Ok(()),
        }
    }
}

/// Logs are copied, and nothing is looked at more often than it must be.
const IDLE: Duration = Duration::from_secs(7);
/// Without a hint.
const LOOKS_EVERY: Duration = Duration::from_millis(1_100);
const LOOK_SOON: Duration = Duration::from_millis(120);
/// An end waits for what is under way, a checkpoint and the local state.
const ENDS: Duration = Duration::from_secs(60);
