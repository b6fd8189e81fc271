//! What happens in a run of layer B, as an explicit list.

use super::settings::DriverSettings;
use io_sim::random::{Random, Stream};

/// One thing that happens, and how long before the next.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) operation: Operation,
    pub(super) then_us: u64,
}

/// What somebody does. `database`: which one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// A transaction of some statements, drawn from `seed`.
    Transaction { database: usize, seed: u64, statements: u32 },
    /// A transaction larger than the daemon's memory.
    Huge { database: usize, seed: u64 },
    /// Deletes most rows.
    DeleteMost { database: usize },
    /// `VACUUM`.
    Vacuum { database: usize },
    /// The application checkpoints, in one of SQLite's four modes.
    Checkpoint { database: usize, mode: u8 },
    /// A reader opens a transaction, or ends it.
    ToggleReader { database: usize },
    /// One database is stopped, and added again after a while.
    Stop { database: usize, away_ms: u64 },
    /// All are stopped, and the driver ends.
    Finish,
    /// The same, and a database is added that must not be followed any more.
    FinishAndAdd { database: usize },
    /// The driver is dropped some steps from now; jobs that have begun go on.
    Drop { steps: u64 },
    /// The process dies some steps from now.
    Kill { steps: u64 },
    /// The process dies at the nth disk operation from now.
    KillAtDisk { operations: u64 },
    /// The next job panics.
    PanicInJob,
    /// The next request panics.
    PanicInRequest,
    /// The store is unreachable for so long.
    Outage { ms: u64 },
    /// Nothing.
    Rest,
}

/// Draws the plan of a seed.
pub(super) fn of_seed(seed: u64, settings: &DriverSettings) -> Vec<Step> {
    let mut draw = Random::indexed(seed, Stream::Driver, PLAN);
    let pace_us = *draw.pick(&[300, 5_000, 40_000, 400_000]);
    (0..settings.operations)
        .map(|_| {
            let operation = operation(&mut draw, settings);
            let then_us = if draw.ppm(60_000) { 3_000_000 } else { draw.below(pace_us * 2) };
            Step { operation, then_us }
        })
        .collect()
}

fn operation(draw: &mut Random, settings: &DriverSettings) -> Operation {
    let database = draw.below_usize(settings.databases.len());
    // Mostly soon: what is under way now is what it hits.
    let steps = match draw.below(4) {
        0 => draw.below(4),
        1 | 2 => draw.below(40),
        _ => draw.below(300),
    };
    match draw.below(100) {
        0..46 => {
            Operation::Transaction { database, seed: draw.next_u64(), statements: 1 + draw.below(6) as u32 }
        }
        46..54 => Operation::Huge { database, seed: draw.next_u64() },
        54..56 => Operation::DeleteMost { database },
        56..58 => Operation::Vacuum { database },
        58..63 => Operation::Checkpoint { database, mode: draw.below(4) as u8 },
        63..65 => Operation::ToggleReader { database },
        65..70 => Operation::Stop { database, away_ms: draw.below(3_000) },
        70..73 => Operation::Finish,
        73..75 => Operation::FinishAndAdd { database },
        75..80 if settings.ends => Operation::Drop { steps },
        80..85 if settings.ends => Operation::Kill { steps },
        85..87 if settings.ends => Operation::KillAtDisk { operations: 1 + draw.below(120) },
        87..91 if settings.panics => Operation::PanicInJob,
        91..95 if settings.panics => Operation::PanicInRequest,
        95..97 => Operation::Outage { ms: draw.below(20_000) },
        _ => Operation::Rest,
    }
}

/// Sub-stream of the draws.
const PLAN: u32 = 2;
