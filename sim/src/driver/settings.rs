//! The configuration of one run of layer B, drawn from its seed.

use crate::settings::Settings;
use io_real::driver::Limits;
use io_sim::faults::{DiskFaults, NetworkFaults};
use io_sim::random::{Random, Stream};
use std::time::Duration;

/// Everything about a run that is not an operation.
#[derive(Clone, Debug)]
pub struct DriverSettings {
    /// One for each database: what its application does, and how it is followed.
    pub databases: Vec<Settings>,
    /// The driver's.
    pub limits: Limits,
    /// The way to the store.
    pub network: NetworkFaults,
    /// What goes wrong in the daemon's own disk operations.
    pub daemon_disk: DiskFaults,
    /// Jobs that wait for seconds before they begin.
    pub slow_jobs_ppm: u32,
    /// Lives end in the middle of things.
    pub ends: bool,
    /// Jobs and requests panic.
    pub panics: bool,
    /// Operations of the plan.
    pub operations: usize,
}

impl DriverSettings {
    /// Draws them.
    pub fn of_seed(seed: u64) -> DriverSettings {
        let mut draw = Random::indexed(seed, Stream::Driver, SETTINGS);
        let count = *draw.pick(&[1, 1, 2, 3, 4]);
        let databases = (0..count).map(|n| of_database(seed, n)).collect::<Vec<Settings>>();
        let timeout_ms = *draw.pick(&[800, 5_000, 40_000]);
        let limits = Limits {
            requests_in_flight: *draw.pick(&[1, 1, 2, 3, 8]),
            source_jobs: *draw.pick(&[1, 1, 2, 8]),
            source_jobs_long: *draw.pick(&[1, 1, 2, 4]),
            upload_bytes_per_second: 0,
            request_timeout: Duration::from_millis(timeout_ms),
        };
        let network = network(&mut draw, databases[0].faults.network, timeout_ms);
        let daemon_disk = DiskFaults { read_flip_ppm: 0, ..databases[0].faults.daemon_disk };
        DriverSettings {
            daemon_disk: if draw.ppm(300_000) { daemon_disk } else { DiskFaults::default() },
            slow_jobs_ppm: *draw.pick(&[0, 0, 5_000, 50_000]),
            ends: draw.ppm(700_000),
            panics: draw.ppm(300_000),
            operations: 8 + draw.below_usize(14),
            databases,
            limits,
            network,
        }
    }
}

/// As in layer A, but small: a seed of it for each.
fn of_database(seed: u64, number: u64) -> Settings {
    let settings = Settings::of_seed(seed.wrapping_mul(DATABASES_MAX).wrapping_add(number));
    let lock_page_moved = Settings::of_seed(seed.wrapping_mul(DATABASES_MAX)).lock_page_moved;
    let page_size = settings.page_size.min(4096);
    Settings { page_size, lock_page_moved, unconditional: false, operator: Default::default(), ..settings }
}

/// Answers that never come: the client below the port gives up before the driver does, or after it, or never.
fn network(draw: &mut Random, faults: NetworkFaults, timeout_ms: u64) -> NetworkFaults {
    let faults = if draw.ppm(200_000) { NetworkFaults::default() } else { faults };
    let is_slow = draw.ppm(300_000);
    NetworkFaults {
        timeout_us: timeout_ms * 1000 * *draw.pick(&[1, 3, 9]) / 2,
        outage_us_max: 20_000_000,
        late_us_max: 100_000_000,
        latency_us_max: if is_slow { 400_000 } else { faults.latency_us_max },
        ..faults
    }
}

const DATABASES_MAX: u64 = 4;
/// Sub-stream of the draws.
const SETTINGS: u32 = 1;
