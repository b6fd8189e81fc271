//! What happens in a run, as an explicit list. Databases are counted from 0 and taken modulo how many there are.

use super::by_hand::{self, Chore, SlowRestore};
use super::mischief::{self, Damage, Meddling, Paper, Refusal};
use super::settings::FleetSettings;
use io_sim::random::{Random, Stream};
use serde::{Deserialize, Serialize};

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are named as what they count")]
pub enum Deed {
    /// An application commits again and again.
    Burst { database: u64, commits: u32, gap_us: u64 },
    /// Every `every`th application commits once, at the same time.
    Round { every: u64 },
    /// An application checkpoints.
    Checkpoint { database: u64, truncate: bool },
    /// A transaction leaves few pages.
    Shrink { database: u64 },
    /// A transaction adds many pages, most of them without a frame.
    Grow { database: u64 },
    /// The last connection of an application is closed.
    Reopen { database: u64 },
    /// The power of a machine goes; its applications are back at once and commit before its daemon is.
    CutPower { machine: u64, down_ms: u64 },
    /// A daemon is killed.
    KillDaemon { machine: u64, down_ms: u64 },
    /// A daemon ends in order.
    StopDaemon { machine: u64, down_ms: u64 },
    /// One database is followed no more for a while.
    StopOne { database: u64, down_ms: u64 },
    /// A new database is followed.
    AddOne,
    /// A database is deleted, and created anew after a while.
    Recreate { database: u64, after_ms: u64 },
    /// A database is replaced by what it was before.
    Replace { database: u64 },
    /// The store cannot be reached.
    Outage { ms: u64 },
    /// Nobody commits.
    Idle { ms: u64 },
    /// A daemon stands still while its machine's clocks go on.
    Pause { machine: u64, ms: u64 },
    /// All machines sleep: only wall clocks notice.
    Sleep { ms: u64 },
    /// A machine's wall clock is set.
    JumpWall { machine: u64, forward: bool, ms: u64 },
    /// A machine's wall clock runs faster or slower from now on.
    Drift { machine: u64, fast: bool, ppm: u32 },
    /// The second machine begins to follow a copy of a database into the same place.
    StartSecond { database: u64, commits: u32 },
    /// The second machine's copy is written to.
    SecondBurst { database: u64, commits: u32, gap_us: u64 },
    /// The files of a database cannot be used for a while; `restarts`: and it is let go and followed again meanwhile.
    Refuse { database: u64, why: Refusal, ms: u64, restarts: bool },
    /// The disk of a machine's local state fails for a while.
    FailState { machine: u64, ms: u64 },
    /// Page checksums in the local state are damaged.
    DamageState { database: u64, how: Damage },
    /// A database is followed no more, restored from its place, newest or earlier, written to, and followed again.
    RestoreOver { database: u64, earlier: bool, commits: u32 },
    /// Somebody works at a place; `restarts`: while its database is not followed.
    Meddle { database: u64, with: Meddling, restarts: bool },
    /// The second machine takes a place, and its claim is on its way for longer than the name that it wants is taken.
    Race { database: u64 },
    /// A new database is followed, and somebody puts a manifest into its place, for a while; `races`: in the middle of
    /// the first claim.
    AddTo { manifest: Paper, races: bool, ms: u64, refused: Option<Refusal> },
    /// An object of a place is damaged, and the second machine comes to take it.
    TakeDamaged { database: u64, which: Option<u64>, bit: u64, identical: bool },
    /// Somebody compacts or cleans up a place, by the clock of a machine, and is perhaps killed with the nth request
    /// that changes something.
    Chore { database: u64, machine: u64, chore: Chore, dry_run: bool, killed_at_write: Option<u64> },
    /// Somebody restores a place to another file, and takes his time.
    RestoreSlowly { database: u64, restore: SlowRestore },
}

/// A deed, and how long before the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetStep {
    /// What.
    pub deed: Deed,
    /// Simulated microseconds until the next.
    pub then_us: u64,
}

/// The deeds of one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetPlan {
    /// Where contents, faults and configuration come from.
    pub seed: u64,
    /// In order.
    pub steps: Vec<FleetStep>,
}

impl FleetPlan {
    /// Draws the plan of a seed.
    pub fn of_seed(seed: u64, settings: &FleetSettings) -> FleetPlan {
        let mut draw = Random::indexed(seed, Stream::Fleet, 2);
        let steps = (0..settings.deeds).map(|_| step(&mut draw, settings)).collect();
        FleetPlan { seed, steps: by_hand::among(steps, seed, settings) }
    }
}

fn step(draw: &mut Random, settings: &FleetSettings) -> FleetStep {
    if draw.ppm(settings.mischief_ppm) {
        let deed = mischief::deed(draw, settings);
        return FleetStep { deed, then_us: draw.below(settings.pace_us * 4) };
    }
    let process = &settings.faults.process;
    let database = draw.next_u64() >> 32;
    let (machine, then) = (draw.below(2), draw.below(settings.pace_us * 2));
    let deed = match draw.below(100) {
        0..30 => burst(draw, database),
        30..42 => Deed::Round { every: draw.range(1, 4) },
        42..48 => Deed::Checkpoint { database, truncate: draw.ppm(HALF) },
        48..51 => Deed::Shrink { database },
        51..53 => Deed::Grow { database },
        53..56 => Deed::Reopen { database },
        56..62 if process.power_cut_ppm > 0 => Deed::CutPower { machine, down_ms: draw.below(10_000) },
        62..66 if process.kill_daemon_ppm > 0 => Deed::KillDaemon { machine, down_ms: long_ms(draw) },
        66..68 => Deed::StopDaemon { machine, down_ms: long_ms(draw) },
        68..70 => Deed::StopOne { database, down_ms: draw.below(60_000) },
        70..71 => Deed::AddOne,
        71..74 => Deed::Recreate { database, after_ms: draw.below(120_000) },
        74..76 => Deed::Replace { database },
        76..79 => Deed::Outage { ms: long_ms(draw) },
        79..82 => {
            let ms_max = *draw.pick(&[60_000, 3_600_000, 30 * DAY_MS]);
            Deed::Idle { ms: 1 + draw.below(ms_max) }
        }
        82..84 if process.pause_daemon_ppm > 0 => Deed::Pause { machine, ms: long_ms(draw) },
        84..86 => Deed::Sleep { ms: long_ms(draw) },
        86..88 if process.wall_jump_ppm > 0 => {
            Deed::JumpWall { machine, forward: draw.ppm(HALF), ms: draw.below(3_600_000) }
        }
        88 if process.wall_drift_ppm_max > 0 => {
            let ppm = draw.below(u64::from(process.wall_drift_ppm_max)) as u32;
            Deed::Drift { machine, fast: draw.ppm(HALF), ppm }
        }
        89..94 if settings.second_writers => Deed::StartSecond { database, commits: draw.below(4) as u32 },
        94..100 if settings.second_writers => {
            Deed::SecondBurst { database, commits: 1 + draw.below(5) as u32, gap_us: draw.below(50_000) }
        }
        _ => burst(draw, database),
    };
    // Now and then the daemon becomes idle.
    let then_us = if draw.ppm(60_000) { 8_000_000 } else { then };
    FleetStep { deed, then_us }
}

fn burst(draw: &mut Random, database: u64) -> Deed {
    let commits_max = *draw.pick(&[4, 4, 40]);
    let gap_us_max = *draw.pick(&[500, 20_000, 400_000]);
    Deed::Burst { database, commits: 1 + draw.below(commits_max) as u32, gap_us: draw.below(gap_us_max) }
}

/// Mostly seconds, at times hours or days.
fn long_ms(draw: &mut Random) -> u64 {
    let magnitude = draw.range(8, 28);
    draw.below(1 << magnitude)
}

const HALF: u32 = 500_000;
const DAY_MS: u64 = 24 * 3600 * 1000;
