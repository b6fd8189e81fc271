//! What happens in a run, as an explicit list: a failure is replayed, edited and shrunk on it.

mod operation;
mod operator;
mod restoration;
mod trouble;

pub use operation::{Operation, Permit, Way};
pub use restoration::{Goal, Mishap, Restoration};

use crate::settings::Settings;
use io_sim::random::{Random, Stream};
use serde::{Deserialize, Serialize};

/// One thing that happens, and how long before the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What.
    pub operation: Operation,
    /// Simulated microseconds until the next step.
    pub then_us: u64,
}

/// The operations of one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Where its contents, faults and configuration come from.
    pub seed: u64,
    /// In order.
    pub steps: Vec<Step>,
}

impl Plan {
    /// Draws the plan of a seed.
    pub fn of_seed(seed: u64, settings: &Settings) -> Plan {
        let mut draw = Random::new(seed, Stream::Plan);
        let pace_us = *draw.pick(&[300, 5_000, 40_000, 400_000]);
        let steps: Vec<Step> = (0..settings.operations).map(|_| step(&mut draw, settings, pace_us)).collect();
        let steps = operator::among(steps, seed, settings);
        let steps = trouble::among(steps, seed, settings);
        Plan { seed, steps: restoration::among(steps, seed, settings) }
    }
}

fn step(draw: &mut Random, settings: &Settings, pace_us: u64) -> Step {
    let faults = &settings.faults.process;
    let kills = faults.kill_daemon_ppm > 0;
    let kills_application = faults.kill_application_ppm > 0;
    let cuts = faults.power_cut_ppm > 0;
    let operation = match draw.below(100) {
        0..62 => Operation::Transaction { seed: draw.next_u64(), statements: 1 + draw.below(6) as u32 },
        62..65 => Operation::Huge { seed: draw.next_u64() },
        65..67 => Operation::DeleteMost,
        67..69 => Operation::Vacuum,
        69 => Operation::IncrementalVacuum,
        70..77 => Operation::Checkpoint { mode: draw.below(4) as u8 },
        77 => Operation::Reopen,
        78..81 => Operation::ToggleReader,
        81..83 if kills_application => Operation::KillApplication { operations: draw.below(60) },
        83..87 if kills => Operation::KillDaemon { operations: draw.below(80) },
        87..88 => Operation::StopDaemon,
        88..92 if cuts => Operation::CutPower { operations: 1 + draw.below(120) },
        92..94 => Operation::Outage { ms: draw.below(20_000) },
        94 => Operation::PauseDaemon { ms: draw.below(400_000) },
        95..97 if settings.second_machine => Operation::StartSecond,
        97..99 if settings.second_machine => Operation::SecondTransaction { seed: draw.next_u64() },
        _ => Operation::Rest,
    };
    // Mostly the pace of the run, now and then a long rest in which the daemon becomes idle.
    let then_us = if draw.ppm(60_000) { 8_000_000 } else { draw.below(pace_us * 2) };
    Step { operation, then_us }
}
