//! What is around every run of layer A: its clock and trace, the seeded bug that is on, and what a panic means.

use crate::coverage::Coverage;
use crate::outcome::{Outcome, Violation};
use crate::panics;
use crate::world::Options;
use engine::mutants::set_mutant;
use engine::types::Instant;
use io_sim::clock::SimClock;
use io_sim::trace::Trace;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a run counts.
#[derive(Default)]
pub(crate) struct Counts {
    /// Interesting states.
    pub(crate) coverage: Coverage,
    /// See [`Outcome::happened`].
    pub(crate) happened: u64,
}

/// Plays a run. A panic in it is a broken promise, and what was counted until then is lost.
pub(crate) fn run(
    seed: u64,
    options: Options,
    play: impl FnOnce(&SimClock, &Trace, &mut Counts) -> Result<(), Violation>,
) -> Outcome {
    set_mutant(options.mutant);
    let clock = SimClock::new();
    let trace = Trace::new(&clock);
    trace.keep_last(options.keep_events);
    let mut counts = Counts::default();
    let played = catch_unwind(AssertUnwindSafe(|| play(&clock, &trace, &mut counts)));
    set_mutant(None);
    let violation = match played {
        Ok(result) => result.err(),
        Err(panic) => Some(Violation::new(0, panics::describe(&*panic))),
    };
    let events = trace.take_lines();
    let simulated = clock.mono().since(Instant::default());
    let trace = trace.hash().to_string();
    let Counts { coverage, happened } = counts;
    Outcome { seed, trace, violation, simulated, coverage, events, happened }
}
