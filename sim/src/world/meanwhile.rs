//! What the application does while a look waits: during a job nothing else happens.

use super::daemon::DATABASE;
use crate::workload::Application;
use io_sim::random::Random;
use io_sim::sqlite_vfs::BegunCheckpoint;
use std::cell::RefCell;
use std::time::Duration;

/// An application beside a look, on this thread.
struct Meanwhile {
    application: Application,
    /// A checkpoint of it that is under way.
    copying: Option<BegunCheckpoint>,
    random: Random,
    acted: Acted,
    /// Once at most: nobody would see what was in between.
    has_committed: bool,
}

/// What happened during a look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Acted {
    /// The look waited.
    pub(super) waited: bool,
    /// The application did something.
    pub(super) acted: bool,
}

thread_local! {
    static MEANWHILE: RefCell<Option<Meanwhile>> = const { RefCell::new(None) };
}

/// Takes a look while an application may act, which comes back.
pub(super) fn beside<T>(
    application: &mut Option<Application>,
    random: &mut Random,
    look: impl FnOnce() -> T,
) -> (T, Acted) {
    let Some(here) = application.take() else { return (look(), Acted::default()) };
    let mut random_here = random.clone();
    let begins = random_here.ppm(BEGINS_PPM);
    let copying = begins.then(|| BegunCheckpoint::begin(here.process(), DATABASE)).flatten();
    let acted = Acted { waited: false, acted: copying.is_some() };
    MEANWHILE.set(Some(Meanwhile {
        application: here,
        copying,
        random: random_here,
        acted,
        has_committed: false,
    }));
    let looked = look();
    let mut meanwhile = MEANWHILE.take().expect("set above");
    // There are kills for those that die.
    if meanwhile.copying.take().is_some() {
        let _ = meanwhile.application.checkpoint(0);
    }
    *application = Some(meanwhile.application);
    *random = meanwhile.random;
    (looked, meanwhile.acted)
}

/// Instead of time that passes.
pub(super) fn pause(duration: Duration) -> Duration {
    MEANWHILE.with_borrow_mut(|meanwhile| meanwhile.iter_mut().for_each(Meanwhile::pause));
    duration
}

impl Meanwhile {
    /// What fails is the application's own affair.
    fn pause(&mut self) {
        self.acted.waited = true;
        let (copies, commits) = (self.random.ppm(COPIES_PPM), self.random.ppm(COMMITS_PPM));
        if commits && !self.has_committed {
            self.has_committed = true;
            self.acted.acted = true;
            let _ = self.application.transaction(self.random.next_u64(), 2);
        }
        if copies {
            self.acted.acted = true;
            self.copying = None;
            let _ = self.application.checkpoint(0);
        }
    }
}

/// Looks that find a checkpoint under way, as far as there is anything to copy.
const BEGINS_PPM: u32 = 30_000;
/// Some waits come to nothing, of a thousand pauses each: the checkpoint takes longer.
const COPIES_PPM: u32 = 4_000;
const COMMITS_PPM: u32 = 1_000;
