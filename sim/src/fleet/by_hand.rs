//! What people do at places that daemons keep in shape: `walsync compact`, `walsync cleanup`, and restores that take their
//! time. Put between the other deeds of a plan; draws are of a stream of their own, so that no other one moves.

use super::plan::{Deed, FleetStep};
use super::settings::FleetSettings;
use engine::retention::Policy;
use io_sim::random::{Random, Stream};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A command that does once what daemons do again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Chore {
    /// `compact`.
    Compact {
        /// The number of the highest level.
        up_to: u8,
    },
    /// `cleanup`.
    CleanUp {
        /// Under which policy.
        keeps: Keeps,
    },
}

/// What a cleanup keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Keeps {
    /// What the place's writer keeps.
    AsItsWriter,
    /// What somebody wants, with `--force` where that is less.
    #[expect(missing_docs, reason = "the fields are named as those of the policy")]
    Own { l0_ms: u64, pitr_ms: u64, hourly: u32, daily: u32, weekly: u32, monthly: u32 },
}

/// A restore that is under way while the place goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlowRestore {
    /// Which of the promised points; `None`: the newest state.
    pub which: Option<u64>,
    /// Requests under way at once.
    pub at_once: usize,
    /// Its machine sleeps so often, mostly before it reads an object that it has seen in a listing,
    pub sleeps: u32,
    /// for at most so long.
    pub sleep_ms_max: u64,
    /// The application commits meanwhile, so many times,
    pub commits: u32,
    /// so far apart.
    pub gap_us: u64,
}

impl Keeps {
    /// The policy; `writers`: of the place's writer.
    pub fn policy(self, writers: Policy) -> Policy {
        match self {
            Keeps::AsItsWriter => writers,
            Keeps::Own { l0_ms, pitr_ms, hourly, daily, weekly, monthly } => {
                let (l0, pitr) = (Duration::from_millis(l0_ms), Duration::from_millis(pitr_ms));
                Policy { l0, pitr, hourly, daily, weekly, monthly }
            }
        }
    }
}

/// Puts such deeds between the steps.
pub fn among(steps: Vec<FleetStep>, seed: u64, settings: &FleetSettings) -> Vec<FleetStep> {
    if settings.by_hand_ppm == 0 {
        return steps;
    }
    let mut draw = Random::indexed(seed, Stream::Fleet, 22);
    let mut all = Vec::with_capacity(steps.len() * 2);
    for step in steps {
        all.push(step);
        // At times two are at it at once.
        while draw.ppm(settings.by_hand_ppm) {
            let database = draw.next_u64() >> 32;
            let deed = if draw.ppm(RESTORES_PPM) {
                Deed::RestoreSlowly { database, restore: slow_restore(&mut draw) }
            } else {
                chore(&mut draw, database)
            };
            let then_us = if draw.ppm(HALF) { 0 } else { draw.below(settings.pace_us) };
            all.push(FleetStep { deed, then_us });
        }
    }
    all
}

fn chore(draw: &mut Random, database: u64) -> Deed {
    let chore = if draw.ppm(COMPACTS_PPM) {
        Chore::Compact { up_to: draw.range(1, 4) as u8 }
    } else {
        Chore::CleanUp { keeps: if draw.ppm(HALF) { Keeps::AsItsWriter } else { own(draw) } }
    };
    let dry_run = draw.ppm(DRY_RUNS_PPM);
    let killed_at_write = draw.ppm(KILLED_PPM).then(|| draw.range(1, 4));
    Deed::Chore { database, machine: draw.below(2), chore, dry_run, killed_at_write }
}

fn own(draw: &mut Random) -> Keeps {
    Keeps::Own {
        l0_ms: *draw.pick(&[0, 0, 10_000, 3_600_000]),
        pitr_ms: *draw.pick(&[0, 0, 60_000, 24 * 3_600_000]),
        hourly: *draw.pick(&[0, 0, 24]),
        daily: *draw.pick(&[0, 0, 7]),
        weekly: *draw.pick(&[0, 2]),
        monthly: *draw.pick(&[0, 2]),
    }
}

fn slow_restore(draw: &mut Random) -> SlowRestore {
    SlowRestore {
        which: draw.ppm(750_000).then(|| draw.next_u64() >> 32),
        at_once: *draw.pick(&[1, 1, 3, 16]),
        sleeps: draw.below(6) as u32,
        sleep_ms_max: *draw.pick(&[30_000, 600_000, 7_200_000]),
        commits: draw.below(40) as u32,
        gap_us: draw.below(20_000_000),
    }
}

const HALF: u32 = 500_000;
const RESTORES_PPM: u32 = 250_000;
const COMPACTS_PPM: u32 = 300_000;
const DRY_RUNS_PPM: u32 = 200_000;
const KILLED_PPM: u32 = 300_000;
