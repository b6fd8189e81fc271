//! The configuration of one run, drawn from its seed: swarm testing switches whole classes on and off.

mod operator;

pub use operator::OperatorSwarm;

use engine::replicate::{OnStartup, SnapshotSchedule};
use io_sim::faults::Faults;
use io_sim::random::{Random, Stream};
use std::time::Duration;

/// Everything about a run that is not an operation.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Page size of the application's database.
    pub page_size: u32,
    /// `PRAGMA synchronous`: 1 or 2.
    pub synchronous: u32,
    /// `PRAGMA wal_autocheckpoint`; 0 is off.
    pub autocheckpoint: u32,
    /// `PRAGMA auto_vacuum`: 0, 1 or 2.
    pub auto_vacuum: u32,
    /// `PRAGMA cache_size`: small spills inside transactions, large leaves pages unwritten that are freed at once.
    pub cache_pages: u32,
    /// The daemon's.
    pub max_interval: Duration,
    /// The daemon's.
    pub max_changes: u32,
    /// Page bytes in memory: small enough that transactions spill.
    pub memory_bytes: u64,
    /// Objects above this go up in parts.
    pub part_bytes: u64,
    /// The daemon's.
    pub checkpoint_pages: u32,
    /// The daemon's: when full images are written.
    pub snapshots: SnapshotSchedule,
    /// Keys of one page of a listing.
    pub list_keys_max: usize,
    /// Pages of the lock byte at 64 KiB.
    pub lock_page_moved: bool,
    /// Operations of the plan.
    pub operations: usize,
    /// A second machine with a copy of the database joins.
    pub second_machine: bool,
    /// The second machine may take over.
    pub second_takes_over: bool,
    /// The store takes every write, whatever its condition.
    pub unconditional: bool,
    /// What operators and unusual applications do.
    pub operator: OperatorSwarm,
    /// What goes wrong.
    pub faults: Faults,
}

impl Settings {
    /// Draws them.
    pub fn of_seed(seed: u64) -> Settings {
        let mut draw = Random::indexed(seed, Stream::Swarm, 1);
        let half = 500_000;
        let mut faults = Faults::swarm(seed);
        let mut settings = Settings {
            page_size: *draw.pick(&[512, 1024, 4096, 4096, 8192, 65536]),
            synchronous: *draw.pick(&[1, 2]),
            autocheckpoint: *draw.pick(&[0, 10, 1000]),
            auto_vacuum: *draw.pick(&[0, 0, 1, 2]),
            cache_pages: *draw.pick(&[20, 2_000]),
            max_interval: Duration::from_millis(*draw.pick(&[5, 50, 1000])),
            max_changes: *draw.pick(&[0, 0, 10]),
            memory_bytes: *draw.pick(&[20_000, 200_000, 64 << 20]),
            part_bytes: *draw.pick(&[20_000, 8 << 20]),
            checkpoint_pages: *draw.pick(&[8, 100, 1000]),
            snapshots: snapshots(Random::indexed(seed, Stream::Swarm, 6)),
            list_keys_max: *draw.pick(&[2, 1000]),
            lock_page_moved: draw.ppm(300_000),
            operations: 30 + draw.below_usize(70),
            second_machine: draw.ppm(250_000),
            second_takes_over: draw.ppm(half),
            unconditional: false,
            operator: OperatorSwarm::default(),
            faults: Faults::default(),
        };
        // Such a store does not keep two writers apart, nor a write that lands late; a read must tell what is there.
        settings.unconditional =
            Random::indexed(seed, Stream::Swarm, 3).ppm(80_000) && !settings.second_machine;
        if settings.unconditional {
            faults.network.late_ppm = 0;
            faults.network.stale_ppm = 0;
        }
        settings.operator = OperatorSwarm::of_seed(seed, settings.second_machine);
        if settings.operator.idle_hour {
            // What that hour may cost is counted.
            settings.snapshots = SnapshotSchedule::default();
        }
        if settings.operator.leaves_wal {
            // Without a log a sync that fails leaves a journal, and who comes next decides what was committed.
            faults.application_disk.fsync_eio_ppm = 0;
            // One that cannot be removed stays: SQLite says that it has left WAL mode, and reads the old log again.
            faults.application_disk.unlink_fails_ppm = 0;
        }
        settings.faults = faults;
        // A local state that is misread can be lost, and with it the numbers that were used.
        settings.operator.loses_head &= faults.daemon_disk.read_flip_ppm == 0;
        settings.operator.rots &= faults.daemon_disk.read_flip_ppm == 0;
        settings
    }

    /// One line for the head of a report.
    pub fn line(&self) -> String {
        format!("{self:?}")
    }
}

/// Draws when full images are written: a run takes seconds to minutes.
fn snapshots(mut draw: Random) -> SnapshotSchedule {
    let second = Duration::from_secs(1);
    SnapshotSchedule {
        interval: *draw.pick(&[None, Some(second / 2), Some(5 * second), Some(60 * second)]),
        on_idle: *draw.pick(&[None, None, Some(second / 5), Some(2 * second)]),
        on_startup: *draw.pick(&[OnStartup::Auto, OnStartup::Auto, OnStartup::Always, OnStartup::Never]),
    }
}
