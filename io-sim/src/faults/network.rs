//! Faults between the daemons and the object store.

use std::time::Duration;

/// Rates in parts per million of the requests that they can strike, and the times of a network. The default
/// strikes none and answers within 5 to 50 ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkFaults {
    /// 500 instead of acting.
    pub error_before_ppm: u32,
    /// The request acts, then 500.
    pub error_after_ppm: u32,
    /// 429 or 503, half of them with `Retry-After`.
    pub throttled_ppm: u32,
    /// The request never arrives.
    pub lost_request_ppm: u32,
    /// The request acts, the answer never arrives.
    pub lost_answer_ppm: u32,
    /// The request acts after its client has given up, perhaps long after the client died.
    pub late_ppm: u32,
    /// The request acts twice and the second answer arrives: a conditional write is refused because of itself.
    pub duplicate_ppm: u32,
    /// 409 ConditionalRequestConflict to a conditional write that did nothing.
    pub conflict_ppm: u32,
    /// 403.
    pub denied_ppm: u32,
    /// A body ends early.
    pub truncated_ppm: u32,
    /// One bit of a body is wrong.
    pub flipped_ppm: u32,
    /// A listing's page ends early (with the key after which to go on).
    pub short_page_ppm: u32,
    /// A key of a multi-delete fails alone, inside a success.
    pub partial_delete_ppm: u32,
    /// An object that was written within the last [`NetworkFaults::STALE_MAX`] is not found by a read.
    pub stale_ppm: u32,
    /// The store is unreachable for a while: starts at so many of the requests.
    pub outage_ppm: u32,
    /// The longest outage.
    pub outage_us_max: u64,
    /// The longest time by which a late request is late.
    pub late_us_max: u64,
    /// One way takes at least this long.
    pub latency_us_min: u64,
    /// One way takes at most this long.
    pub latency_us_max: u64,
    /// Bytes per second of bodies, in both directions.
    pub bytes_per_second: u64,
    /// After this the client gives up waiting.
    pub timeout_us: u64,
}

impl Default for NetworkFaults {
    fn default() -> NetworkFaults {
        NetworkFaults {
            error_before_ppm: 0,
            error_after_ppm: 0,
            throttled_ppm: 0,
            lost_request_ppm: 0,
            lost_answer_ppm: 0,
            late_ppm: 0,
            duplicate_ppm: 0,
            conflict_ppm: 0,
            denied_ppm: 0,
            truncated_ppm: 0,
            flipped_ppm: 0,
            short_page_ppm: 0,
            partial_delete_ppm: 0,
            stale_ppm: 0,
            outage_ppm: 0,
            outage_us_max: 3 * 3600 * 1_000_000,
            late_us_max: 26 * 3600 * 1_000_000,
            latency_us_min: 2_500,
            latency_us_max: 25_000,
            bytes_per_second: 100 << 20,
            timeout_us: 30_000_000,
        }
    }
}

impl NetworkFaults {
    /// For so long a new object may be missing for those who read it.
    pub const STALE_MAX: Duration = Duration::from_secs(5);
}
