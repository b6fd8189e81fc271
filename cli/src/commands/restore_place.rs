//! One place to one file, without a word about it: `restore` and `restore --all` tell what came of it.

use super::find::Found;
use super::restore_failure::Context;
use super::restore_proof::Keeper;
use super::restore_told::Told;
use crate::args::{Existing, How, Point, Verify};
use crate::config::StoreSettings;
use crate::exit::Failure;
use crate::output::Progress;
use engine::restore::{Plan, Target};
use io_real::driver::TokioWork;
use io_real::restore::{Catalog, Event, IfExists, Output, RestoreError, Restored, Restorer, Survey};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What came of a place.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// The file is there.
    Restored(Box<Restored>, Duration),
    /// It would have been made of this.
    Planned(Box<Plan>),
    /// Nothing was to be done, and why.
    Nothing(&'static str),
}

/// What restores have in common.
pub(super) struct Restoring<'a> {
    /// The store that the places are in.
    pub(super) catalog: &'a Catalog,
    /// How errors name it.
    pub(super) store: &'a StoreSettings,
    /// What was asked for.
    pub(super) how: How,
    /// Leaves what a later `watch` needs.
    pub(super) keeper: &'a Keeper,
}

impl Restoring<'_> {
    /// Says what a place would be restored from.
    ///
    /// # Errors
    /// As in the table of exit codes.
    pub(super) async fn plan(&self, found: &Found, named: &Path) -> Result<Outcome, Failure> {
        let context = Context { name: &found.name, store: self.store, output: Some(named) };
        let restorer = self.restorer(&Arc::default());
        let planned = self.planned(&restorer, found).await.map_err(|error| context.failure(&error))?;
        Ok(planned.map_or(Outcome::Nothing(NOTHING_STORED), |(_, plan)| Outcome::Planned(Box::new(plan))))
    }

    /// Restores a place to an output, which the user named so. `begin` hears how many bytes there are to read, and
    /// gives what shows them.
    ///
    /// # Errors
    /// As in the table of exit codes; there is no new file then.
    pub(super) async fn place(
        &self,
        found: &Found,
        (output, named): (&Output, &Path),
        begin: impl FnOnce(u64) -> Arc<Progress>,
    ) -> Result<Outcome, Failure> {
        if self.how.dry_run {
            return self.plan(found, named).await;
        }
        let context = Context { name: &found.name, store: self.store, output: Some(named) };
        let failed = |error: RestoreError| context.failure(&error);
        let began = Instant::now();
        let told = Arc::new(Told::default());
        let restorer = self.restorer(&told);
        let Some((mut survey, plan)) = self.planned(&restorer, found).await.map_err(failed)? else {
            return Ok(Outcome::Nothing(NOTHING_STORED));
        };
        told.show_on(begin(plan.objects_bytes()));
        let check = self.how.verify == Verify::Full;
        let done = restorer.restore(&mut survey, self.state(), output, check).await;
        told.hide();
        Ok(Outcome::Restored(Box::new(done.map_err(failed)?), began.elapsed()))
    }

    fn restorer(&self, told: &Arc<Told>) -> Restorer {
        let told = told.clone();
        let observer = Arc::new(move |event: Event<'_>| told.hear(event));
        let restorer = Restorer::new(self.catalog.clone(), Arc::new(TokioWork::current()), observer);
        restorer.recording(self.keeper.recorder())
    }

    /// `None`: nothing is stored, and that is right.
    async fn planned(
        &self,
        restorer: &Restorer,
        found: &Found,
    ) -> Result<Option<(Survey, Plan)>, RestoreError> {
        let mut survey = restorer.survey(&found.place).await?;
        if self.how.allow_empty && survey.listing().is_empty() {
            return Ok(None);
        }
        let plan = restorer.plan(&mut survey, self.state()).await?;
        Ok(Some((survey, plan)))
    }

    fn state(&self) -> Target {
        match self.how.point {
            Point::Latest => Target::Latest,
            Point::Txid(txid) => Target::Txid(txid),
            Point::AtOrBefore(time) => Target::Timestamp(time),
        }
    }
}

/// The output, if it may be written. Asked before the store is: what cannot be written need not be read.
///
/// # Errors
/// Exit 2, 3 or 5: it may not.
pub(super) fn output(
    context: &Context<'_>,
    path: &Path,
    how: How,
) -> Result<Result<Output, Outcome>, Failure> {
    let if_exists = match how.existing {
        Existing::Replace => IfExists::Replace,
        Existing::Refuse | Existing::LeaveAlone => IfExists::Refuse,
    };
    let failed = |error| context.output(&error).database(context.name);
    if how.existing == Existing::LeaveAlone && Output::exists(path).map_err(failed)? {
        return Ok(Err(Outcome::Nothing("the output exists")));
    }
    Output::new(path, if_exists).map(Ok).map_err(failed)
}

/// Why `--allow-empty` restores nothing.
pub(super) const NOTHING_STORED: &str = "nothing is stored";
