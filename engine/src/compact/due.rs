//! When a level is compacted.
//!
//! At the boundaries of its interval on the wall clock, as Litestream does it: so each UTC hour has exactly one
//! level-3 object that ends in it, which is what hourly points are made of. The wall clock decides about that
//! alone. Whatever it says or however it jumps, what is pending waits at most one interval on the clock that never
//! goes back.

use crate::types::{Instant, Now, Timestamp};
use std::time::Duration;

/// The oldest input that waits for a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// When it was sealed: the timestamp of its header.
    pub sealed: Timestamp,
    /// Since when this process knows that it is there, confirmed.
    pub seen: Instant,
}

/// When a level is due: at the first boundary after its oldest pending input was sealed; `now` if that has passed.
/// `None`: nothing is pending, there is nothing to do, and nothing to be woken for.
///
/// `pending` is the first input of the [`super::Plan`]. (A plan may have none although objects are there: a full
/// image as the newest slot is not compacted.) Boundaries are `offset` after the multiples of `interval` since
/// 1970 UTC. Give all levels of one database the same offset, less than the shortest interval and different for
/// each database: the levels then follow each other at the same moment, and databases do not all come at once.
///
/// Asked again later it tells the same moment, as long as the wall clock runs. `interval` is above zero
/// ([`super::Levels`] checks that).
pub fn due(interval: Duration, offset: Duration, pending: Option<Pending>, now: Now) -> Option<Instant> {
    let Pending { sealed, seen } = pending?;
    let by_wall = now.wall.as_millis().saturating_sub(sealed.as_millis()).max(0);
    let by_wall = Duration::from_millis(by_wall.unsigned_abs());
    // A clock that went back makes an input younger than it is: then it counts how long we have known it.
    let waited = by_wall.max(now.mono.since(seen));
    let since_1970 = i128::from(now.wall.as_millis()) * MICROS_PER_MILLI - micros(waited);
    let interval_us = micros(interval).max(1);
    let into_interval = (since_1970 - micros(offset)).rem_euclid(interval_us);
    let to_boundary = u64::try_from(interval_us - into_interval).unwrap_or(u64::MAX);
    Some(now.mono.after(Duration::from_micros(to_boundary).saturating_sub(waited)))
}

fn micros(duration: Duration) -> i128 {
    i128::try_from(duration.as_micros()).unwrap_or(i128::from(u64::MAX))
}

const MICROS_PER_MILLI: i128 = 1000;
