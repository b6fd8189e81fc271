//! Swarm testing: each seed switches whole classes of faults on or off before it draws their rates, so that
//! runs with few kinds of trouble go deep and none hides another.

use super::{CrashPolicy, DiskFaults, NetworkFaults};
use crate::random::{Random, Stream};

/// Everything that goes wrong in one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// The application's disk operations.
    pub application_disk: DiskFaults,
    /// The daemon's disk operations.
    pub daemon_disk: DiskFaults,
    /// What power cuts leave.
    pub crash: CrashPolicy,
    /// The way to the store.
    pub network: NetworkFaults,
    /// Machines, processes and clocks.
    pub process: ProcessFaults,
    /// Inode numbers are used again at once, as ext4 does: the same number does not prove the same file.
    pub reuse_inodes: bool,
}

/// Rates in parts per million of a run's steps. The default strikes none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessFaults {
    /// The power goes, at one of the next disk operations.
    pub power_cut_ppm: u32,
    /// The application is killed, at one of its next disk operations.
    pub kill_application_ppm: u32,
    /// The daemon is killed, at one of its next disk operations.
    pub kill_daemon_ppm: u32,
    /// The daemon is paused, up to hours.
    pub pause_daemon_ppm: u32,
    /// A wall clock jumps.
    pub wall_jump_ppm: u32,
    /// Wall clocks drift by up to so much.
    pub wall_drift_ppm_max: u32,
    /// Other programs fill the disk for a while.
    pub fills_disk: bool,
}

impl Faults {
    /// A world in which nothing goes wrong.
    pub fn none() -> Faults {
        Faults::default()
    }

    /// What goes wrong under this seed. Never what breaks SQLite itself: a failing fsync together with power
    /// cuts, a lying fsync, or wrong bits in the application's reads.
    pub fn swarm(seed: u64) -> Faults {
        let mut draw = Random::new(seed, Stream::Swarm);
        let mut process = process_faults(&mut draw);
        let mut application_disk = DiskFaults {
            read_eio_ppm: rate(&mut draw, 2_000),
            write_eio_ppm: rate(&mut draw, 2_000),
            slow_ppm: rate(&mut draw, 1_000),
            ..DiskFaults::default()
        };
        let fsync_eio_ppm = rate(&mut draw, 20_000);
        if process.power_cut_ppm == 0 {
            application_disk.fsync_eio_ppm = fsync_eio_ppm;
        }
        let mut daemon_disk = DiskFaults {
            short_read_ppm: rate(&mut draw, 20_000),
            read_flip_ppm: rate(&mut draw, 5_000),
            ..application_disk
        };
        let crash = CrashPolicy {
            sector_bytes: *draw.pick(&[512, 4096]),
            keep_ppm: *draw.pick(&[0, 100_000, 500_000, 900_000, 1_000_000]),
            directory_in_order: draw.ppm(HALF),
            garbage_in_holes: draw.ppm(HALF),
            ..CrashPolicy::default()
        };
        let mut network = network_faults(&mut draw);
        process.fills_disk = draw.ppm(100_000);
        if draw.ppm(100_000) {
            network.stale_ppm = rate(&mut draw, 400_000);
        }
        let reuse_inodes = draw.ppm(HALF);
        // Names came later than all else that fails: what others draw stays as it was.
        let mut draw = Random::indexed(seed, Stream::Swarm, NAMES);
        daemon_disk.rename_fails_ppm = rate(&mut draw, 100_000);
        daemon_disk.unlink_fails_ppm = rate(&mut draw, 100_000);
        application_disk.unlink_fails_ppm = rate(&mut draw, 200_000);
        Faults { application_disk, daemon_disk, crash, network, process, reuse_inodes }
    }
}

fn process_faults(draw: &mut Random) -> ProcessFaults {
    ProcessFaults {
        power_cut_ppm: rate(draw, 20_000),
        kill_application_ppm: rate(draw, 10_000),
        kill_daemon_ppm: rate(draw, 10_000),
        pause_daemon_ppm: rate(draw, 3_000),
        wall_jump_ppm: rate(draw, 3_000),
        wall_drift_ppm_max: rate(draw, 500),
        fills_disk: false,
    }
}

fn network_faults(draw: &mut Random) -> NetworkFaults {
    NetworkFaults {
        error_before_ppm: rate(draw, 50_000),
        error_after_ppm: rate(draw, 50_000),
        throttled_ppm: rate(draw, 100_000),
        lost_request_ppm: rate(draw, 20_000),
        lost_answer_ppm: rate(draw, 50_000),
        late_ppm: rate(draw, 20_000),
        duplicate_ppm: rate(draw, 50_000),
        conflict_ppm: rate(draw, 50_000),
        denied_ppm: rate(draw, 2_000),
        truncated_ppm: rate(draw, 50_000),
        flipped_ppm: rate(draw, 20_000),
        short_page_ppm: rate(draw, 200_000),
        partial_delete_ppm: rate(draw, 50_000),
        outage_ppm: rate(draw, 1_000),
        ..NetworkFaults::default()
    }
}

/// Off in half of the seeds.
fn rate(draw: &mut Random, max_ppm: u32) -> u32 {
    let on = draw.ppm(HALF);
    let ppm = draw.range(1, u64::from(max_ppm));
    if on { u32::try_from(ppm).expect("at most max_ppm") } else { 0 }
}

const HALF: u32 = 500_000;
/// The sub-stream of what happens to names.
const NAMES: u32 = 5;
