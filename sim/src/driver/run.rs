//! Runs one seed: the runtime around the world, and what a panic in it means.

use super::mischief::Injected;
use super::plan;
use super::settings::DriverSettings;
use super::world::World;
use crate::coverage::Coverage;
use crate::outcome::{Outcome, Violation};
use crate::panics;
use crate::world::config::lock_byte;
use engine::mutants::{Mutant, set_mutant};
use io_sim::clock::SimClock;
use io_sim::disk::SimDisk;
use io_sim::sqlite_vfs::SqliteRun;
use io_sim::trace::Trace;
use madsim::runtime::Runtime;
use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Notify;

/// How to run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// The seeded bug that is switched on.
    pub mutant: Option<Mutant>,
    /// How many of the last events to keep as text.
    pub keep_events: usize,
}

/// Runs a seed in a world of its own. Once in the life of a process, or the same seed is not the same run.
pub fn run(seed: u64, options: Options) -> Outcome {
    // Keys of hash tables, and tokio's choices, come from a generator of the thread that madsim seeds.
    let thread = std::thread::Builder::new().name(format!("seed {seed}"));
    let ended = thread.spawn(move || run_here(seed, options)).expect("a thread").join();
    ended.expect("panics of the run are caught in it")
}

fn run_here(seed: u64, options: Options) -> Outcome {
    set_mutant(options.mutant);
    let settings = DriverSettings::of_seed(seed);
    let clock = SimClock::new();
    let trace = Trace::new(&clock);
    trace.keep_last(options.keep_events);
    let coverage = Rc::new(RefCell::new(Coverage::default()));
    let disk = SimDisk::new(seed, 0, &clock, &trace);
    let mut sqlite = SqliteRun::start(&disk);
    if settings.databases[0].lock_page_moved {
        sqlite.move_lock_page(lock_byte(&settings.databases[0]));
    }
    let mut runtime = Runtime::with_seed_and_config(seed, madsim::Config::default());
    runtime.set_time_limit(TIME_MAX);
    let here = (clock.clone(), trace.clone(), coverage.clone());
    let played = play(&runtime, move || async move {
        let (clock, trace, coverage) = here;
        let steps = plan::of_seed(seed, &settings);
        let mut world = World::new(seed, settings, &clock, &trace, disk, coverage)?;
        world.play(&steps).await
    });
    let violation = played.err();
    if violation.is_some() {
        // Connections of what was under way are still open, and the process ends now.
        std::mem::forget((runtime, sqlite));
    }
    let events = trace.take_lines();
    let coverage = coverage.take();
    let simulated = Duration::from_micros(clock.mono().as_micros());
    Outcome {
        seed,
        trace: trace.hash().to_string(),
        violation,
        coverage,
        simulated,
        happened: trace.events(),
        events,
    }
}

/// Runs a world to its end. A panic that was meant ends the task that it came in, as in tokio, and all else goes on.
fn play<F>(runtime: &Runtime, world: impl FnOnce() -> F + 'static) -> Result<(), Violation>
where
    F: Future<Output = Result<(), Violation>> + 'static,
{
    let result = Rc::new(RefCell::new(None));
    let over = Rc::new(Notify::new());
    let mut world = Some(world);
    loop {
        let (put, told) = (result.clone(), over.clone());
        let ran = catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(async {
                if let Some(world) = world.take() {
                    madsim::task::spawn_local(async move {
                        let ended = world().await;
                        put.replace(Some(ended));
                        told.notify_one();
                    });
                }
                over.notified().await;
            });
        }));
        match ran {
            Ok(()) => return result.take().expect("put before it was told"),
            Err(panic) if panic.is::<Injected>() => {}
            Err(panic) => return Err(violation_of(panic)),
        }
    }
}

fn violation_of(panic: Box<dyn Any + Send>) -> Violation {
    let panic = match panic.downcast::<Violation>() {
        Ok(violation) => return *violation,
        Err(panic) => panic,
    };
    let text = panics::describe(&*panic);
    // Both are madsim's words.
    let stands_still = text.contains("all tasks will block forever") || text.contains("time limit exceeded");
    Violation::new(if stands_still { 29 } else { 0 }, text)
}

/// Simulated time: a day for what is swept then, and the rest.
const TIME_MAX: Duration = Duration::from_secs(50 * 3600);
