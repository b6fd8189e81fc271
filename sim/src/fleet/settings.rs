//! The configuration of one run, drawn from its seed.

use engine::compact::{Levels, Limits};
use engine::replicate::{TakeOver, UpkeepConfig};
use engine::retention::Policy;
use engine::types::{Level, PageSize};
use io_sim::faults::Faults;
use io_sim::random::{Random, Stream};
use std::time::Duration;

/// Everything about a run that is not a deed of its plan.
#[derive(Clone, Debug)]
pub struct FleetSettings {
    /// Databases at the start.
    pub databases: usize,
    /// Deeds of the plan.
    pub deeds: usize,
    /// Microseconds between most deeds.
    pub pace_us: u64,
    /// The daemon's.
    pub max_interval: Duration,
    /// The daemon's.
    pub min_interval: Duration,
    /// The daemon's.
    pub max_changes: u32,
    /// Page bytes in memory: small enough that transactions spill.
    pub memory_bytes: u64,
    /// Objects above this go up in parts.
    pub part_bytes: u64,
    /// The daemon's.
    pub checkpoint_pages: u32,
    /// The daemon's.
    pub wal_bytes_max: u64,
    /// The daemon's.
    pub l0_retention: Duration,
    /// Behind so many of a million deeds somebody asks for a full image.
    pub image_ppm: u32,
    /// Keys of one page of a listing.
    pub list_keys_max: usize,
    /// Second writers join.
    pub second_writers: bool,
    /// They begin with a copy of the local state.
    pub clones_state: bool,
    /// What the first machine may do with a place that is another's.
    pub take_over: TakeOver,
    /// Of a million deeds so many are what hosts, people and other programs do.
    pub mischief_ppm: u32,
    /// People and other programs work at places of the store, too.
    pub meddles: bool,
    /// The store keeps no conditions.
    pub unconditional: bool,
    /// The store keeps folders: one that nothing was written to is missing, and times say nothing of arrival.
    pub folders: bool,
    /// The daemon's.
    pub enter_wal_mode: bool,
    /// The first database has so many pages, of the smallest size.
    pub large: u32,
    /// Jobs on a source that fail, of a million.
    pub source_fault_ppm: u32,
    /// Jobs that wait for a thread, for up to seconds.
    pub slow_jobs_ppm: u32,
    /// Reads and writes of the local state that fail.
    pub state_fault_ppm: u32,
    /// Hints that files changed and do not come.
    pub lost_hint_ppm: u32,
    /// Days without a commit at the end.
    pub idle_days: u64,
    /// What goes wrong on the way to the store.
    pub faults: Faults,
    /// Objects above level 0 that are damaged as they are written, of a million.
    pub spoils_ppm: u32,
    /// Behind so many of a million deeds somebody does by hand what daemons do, or restores.
    pub by_hand_ppm: u32,
    /// Compaction and retention.
    pub upkeep: Option<UpkeepConfig>,
}

impl FleetSettings {
    /// Draws them; `databases`: so many, not what the seed says.
    pub fn of_seed(seed: u64, databases: Option<usize>) -> FleetSettings {
        let mut draw = Random::indexed(seed, Stream::Fleet, 1);
        let size = draw.below(100);
        let drawn = match size {
            0..80 => 3 + draw.below_usize(10),
            80..97 => 10 + draw.below_usize(40),
            _ => 100 + draw.below_usize(201),
        };
        let databases = databases.unwrap_or(drawn).max(1);
        let deeds = 8 + draw.below_usize(if databases > 60 { 12 } else { 52 });
        let memory_bytes = *draw.pick(&[3_000, 30_000, 64 << 20]);
        let (half, second) = (500_000, Duration::from_secs(1));
        let mut faults = Faults::swarm(seed);
        let unconditional = draw.ppm(120_000);
        if unconditional {
            // Such a store does not keep a write apart that lands late; a read must tell what is there.
            (faults.network.late_ppm, faults.network.stale_ppm) = (0, 0);
        }
        FleetSettings {
            databases,
            deeds,
            pace_us: *draw.pick(&[5_000, 200_000, 2_000_000]),
            max_interval: *draw.pick(&[second / 200, second / 20, second, 60 * second]),
            // A few pages every ten seconds would be no bound at all.
            min_interval: *draw.pick(&[Duration::ZERO, Duration::ZERO, 10 * second])
                * u32::from(memory_bytes > 30_000),
            max_changes: *draw.pick(&[0, 0, 10]),
            memory_bytes,
            part_bytes: *draw.pick(&[4_000, 8 << 20]),
            checkpoint_pages: *draw.pick(&[8, 100, 1000]),
            wal_bytes_max: *draw.pick(&[60_000, 1 << 30]),
            l0_retention: *draw.pick(&[300 * second, 3_600 * second, 24 * 3_600 * second]),
            image_ppm: *Random::indexed(seed, Stream::Fleet, 9).pick(&[0, 200_000, 700_000]),
            list_keys_max: *draw.pick(&[3, 1000, 1000]),
            second_writers: draw.ppm(half) && !unconditional,
            clones_state: draw.ppm(250_000),
            take_over: *draw.pick(&[TakeOver::Never, TakeOver::IfIdentical, TakeOver::Always]),
            mischief_ppm: *draw.pick(&[0, 0, 100_000, 300_000]),
            meddles: draw.ppm(half),
            unconditional,
            folders: draw.ppm(150_000),
            enter_wal_mode: draw.ppm(700_000),
            large: *draw.pick(&LARGE),
            source_fault_ppm: *draw.pick(&[0, 0, 10_000, 60_000]),
            slow_jobs_ppm: *draw.pick(&[0, 0, 3_000, 30_000]),
            state_fault_ppm: *draw.pick(&[0, 0, 20_000]),
            lost_hint_ppm: *draw.pick(&[0, 200_000, 1_000_000]),
            idle_days: if draw.ppm(half) { draw.range(1, 40) } else { 0 },
            faults,
            spoils_ppm: 0,
            by_hand_ppm: 0,
            upkeep: None,
        }
    }

    /// Draws those of a run in which places are kept in shape; `two_writers`: over which two machines fight.
    pub fn of_lifecycle(seed: u64, two_writers: bool) -> FleetSettings {
        let mut draw = Random::indexed(seed, Stream::Fleet, 20);
        let second = Duration::from_secs(1);
        let (minute, hour, day) = (60 * second, 3_600 * second, 24 * 3_600 * second);
        let levels = *draw.pick::<&[Duration]>(&LEVELS);
        let l0 = *draw.pick(&[10 * second, minute, 5 * minute]);
        let policy = Policy {
            l0,
            pitr: *draw.pick(&[Duration::ZERO, minute, hour, day]),
            hourly: *draw.pick(&[0, 3, 24]),
            daily: *draw.pick(&[0, 2, 7]),
            weekly: *draw.pick(&[0, 2]),
            monthly: *draw.pick(&[0, 2]),
        };
        let numbered = (1..).zip(levels.iter().copied());
        let levels = numbered.map(|(number, interval)| (Level::new(number).expect("a level"), interval));
        let limits = Limits {
            inputs_max: *draw.pick(&[2, 8, 64]),
            input_bytes_max: *draw.pick(&[4_000, 1 << 30]),
            outputs_max: *draw.pick(&[1, 16]),
        };
        let levels = Levels::new(levels).expect("they grow");
        let upkeep = UpkeepConfig { levels, limits, policy: Some(policy) };
        let of_seed = FleetSettings::of_seed(seed, Some(1 + draw.below_usize(4)));
        FleetSettings {
            deeds: 10 + draw.below_usize(30),
            pace_us: *draw.pick(&[200_000, 2_000_000, 10_000_000, 60_000_000]),
            max_interval: *draw.pick(&[second / 20, second, 10 * second]),
            min_interval: Duration::ZERO,
            l0_retention: l0,
            second_writers: two_writers || draw.ppm(300_000),
            mischief_ppm: 0,
            meddles: false,
            unconditional: false,
            large: 0,
            idle_days: if draw.ppm(300_000) { draw.range(1, 4) } else { 0 },
            spoils_ppm: *draw.pick(&[0, 0, 50_000]),
            by_hand_ppm: *Random::indexed(seed, Stream::Fleet, 23).pick(&[0, 100_000, 300_000]),
            upkeep: Some(upkeep),
            ..of_seed
        }
    }

    /// What the engine is told.
    pub fn upkeep(&self) -> UpkeepConfig {
        self.upkeep.clone().unwrap_or_else(UpkeepConfig::none)
    }

    /// Draws the page size of a database: mostly small, because what is replicated does not depend on it.
    pub fn page_size(draw: &mut Random) -> PageSize {
        let bytes = if draw.ppm(LARGEST_PPM) { 65_536 } else { *draw.pick(&[512, 512, 512, 1024, 4096]) };
        PageSize::new(bytes).expect("a page size")
    }

    /// One line for the head of a report.
    pub fn line(&self) -> String {
        format!("{self:?}")
    }
}

/// How often levels are made.
const LEVELS: [&[Duration]; 4] = [
    &[Duration::from_secs(2), Duration::from_secs(10), Duration::from_secs(60)],
    &[Duration::from_secs(30), Duration::from_secs(300), Duration::from_secs(3_600)],
    &[Duration::from_secs(5)],
    &[Duration::from_secs(1), Duration::from_secs(20), Duration::from_secs(300), Duration::from_secs(3_600)],
];
/// Nothing, or several chunks of page checksums.
const LARGE: [u32; 24] =
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 600, 600, 1200, 1200, 2000];
/// Pages so large that some of them fill a slot.
const LARGEST_PPM: u32 = 10_000;
