//! What a month costs: requests and bytes that follow from the settings and from how much is written, as a pure function.
//! An estimate: it assumes commits at an even rate that change pages all over the database, and prices without tiers.

use super::outcome::{DAY, HOUR, MONTH, WEEK};
use super::prices::Provider;
use crate::config::{DatabaseSettings, RetentionSettings};
use serde::Serialize;
use std::time::Duration;

/// What is not known and assumed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Assumed {
    /// Commits of the application; 0: none.
    pub commits_per_second: f64,
    /// Size of the database file.
    pub database_bytes: u64,
    /// Size of parts of large uploads.
    pub part_bytes: u64,
}

/// A month of one database. As the JSON contract has it, and what was assumed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// Objects and parts that are written.
    pub puts_per_month: u64,
    /// Listings.
    pub lists_per_month: u64,
    /// Objects and ranges that are read.
    pub gets_per_month: u64,
    /// Bytes in the store when the oldest points begin to go.
    pub stored_bytes: u64,
    /// Requests and storage; null: the prices are not known.
    pub usd_per_month: Option<f64>,
    /// What was assumed.
    pub assumed_commits_per_second: f64,
    /// The same.
    pub assumed_database_bytes: u64,
    /// Whose prices.
    pub provider: Option<String>,
    /// Of which day.
    pub prices_as_of: Option<String>,
}

/// Pages that a commit changes: a row, its index, what leads there.
const PAGES_PER_COMMIT: f64 = 3.0;
const PAGE_BYTES: f64 = 4096.0;
/// Pages compress to about half.
const COMPRESSED: f64 = 0.5;
/// Header, page index and trailer of an object.
const OBJECT_BYTES: f64 = 150.0;
const SECONDS_PER_MONTH: f64 = MONTH.as_secs() as f64;

/// Estimates a month.
pub fn estimate(settings: &DatabaseSettings, assumed: Assumed, provider: Option<&Provider>) -> Estimate {
    let load = Load { settings, commits: assumed.commits_per_second.max(0.0), assumed };
    let (puts, lists, gets) = load.requests_per_second();
    let per_month = |per_second: f64| (per_second * SECONDS_PER_MONTH).round() as u64;
    let (puts, gets) = (per_month(puts), per_month(gets));
    // And one a day, whatever happens.
    let lists = per_month(lists + 1.0 / DAY.as_secs_f64());
    let stored = load.stored_bytes();
    let usd = provider.map(|provider| {
        let thousands = |count: u64, price: f64| count as f64 / 1000.0 * price;
        let requests = thousands(puts, provider.puts_per_thousand)
            + thousands(lists, provider.lists_per_thousand)
            + thousands(gets, provider.gets_per_thousand);
        rounded(requests + stored / 1e9 * provider.storage_per_gb)
    });
    Estimate {
        puts_per_month: puts,
        lists_per_month: lists,
        gets_per_month: gets,
        stored_bytes: stored.round() as u64,
        usd_per_month: usd,
        assumed_commits_per_second: load.commits,
        assumed_database_bytes: assumed.database_bytes,
        provider: provider.map(|provider| provider.name.clone()),
        prices_as_of: provider.map(|provider| provider.as_of.clone()),
    }
}

fn rounded(usd: f64) -> f64 {
    (usd * 10_000.0).round() / 10_000.0
}

struct Load<'a> {
    settings: &'a DatabaseSettings,
    /// Per second.
    commits: f64,
    assumed: Assumed,
}

impl Load<'_> {
    /// Writes, listings and reads.
    fn requests_per_second(&self) -> (f64, f64, f64) {
        let mut puts = self.slots_per_second();
        let mut gets = 0.0;
        // Each level reads every object of the one below once, and what it wrote once.
        let mut below = puts;
        let mut lists = 0.0;
        let mut top = 0.0;
        for (at, interval) in self.settings.compaction.intervals.iter().enumerate() {
            let made = self.passes_per_second(*interval);
            puts += made;
            gets += below + made;
            // The levels that are due at one moment share a listing.
            lists = if at == 0 { made } else { lists };
            (below, top) = (made, made);
        }
        let snapshots = self.settings.snapshots.interval.map_or(0.0, |every| self.passes_per_second(every));
        puts += snapshots * self.puts_of_an_image();
        // The manifest names the objects of the highest level and the snapshots.
        puts += (top + snapshots).min(1.0 / 60.0);
        (puts, lists, gets)
    }

    /// Slots: due so long after the first commit that is not uploaded, or when enough frames have come.
    fn slots_per_second(&self) -> f64 {
        if self.commits == 0.0 {
            return 0.0;
        }
        let sync = &self.settings.sync;
        let mut waits = sync.max_interval.as_secs_f64();
        if let Some(frames) = sync.max_changes {
            let commits_first = (frames as f64 / PAGES_PER_COMMIT - 1.0).max(0.0);
            waits = waits.min(commits_first / self.commits);
        }
        let cycle = (waits + 1.0 / self.commits).max(sync.min_interval.as_secs_f64());
        1.0 / cycle
    }

    /// How often something happens that is due so often, but only after changes.
    fn passes_per_second(&self, every: Duration) -> f64 {
        let seconds = every.as_secs_f64();
        if seconds == 0.0 { 0.0 } else { (1.0 - (-self.commits * seconds).exp()) / seconds }
    }

    /// One, or its parts, the beginning and the end.
    fn puts_of_an_image(&self) -> f64 {
        let parts = (self.image_bytes() / self.assumed.part_bytes.max(1) as f64).ceil();
        if parts <= 1.0 { 1.0 } else { parts + 2.0 }
    }

    fn image_bytes(&self) -> f64 {
        self.assumed.database_bytes as f64 * COMPRESSED + OBJECT_BYTES
    }

    /// An object that holds what was changed in so many seconds. A page that is changed twice is in it once.
    fn object_bytes(&self, seconds: f64) -> f64 {
        let commits = (self.commits * seconds).max(1.0);
        let pages = (self.assumed.database_bytes as f64 / PAGE_BYTES).max(1.0);
        let changed = pages * (1.0 - (-PAGES_PER_COMMIT * commits / pages).exp());
        changed * PAGE_BYTES * COMPRESSED + OBJECT_BYTES
    }

    /// Bytes of the objects of a level that lie there for so many seconds.
    fn level_bytes(&self, every: Duration, seconds: f64) -> f64 {
        self.passes_per_second(every) * seconds * self.object_bytes(every.as_secs_f64())
    }

    fn stored_bytes(&self) -> f64 {
        if self.commits == 0.0 {
            return self.image_bytes();
        }
        let retention = &self.settings.retention;
        let intervals = &self.settings.compaction.intervals;
        let pitr = retention.pitr.as_secs_f64();
        let slots = self.slots_per_second();
        let first = intervals.first().copied().unwrap_or_default().as_secs_f64();
        let mut bytes = slots
            * (retention.l0.as_secs_f64() + first)
            * self.object_bytes(1.0 / slots.max(f64::MIN_POSITIVE));
        let Kept { snapshots, top_seconds } = self.kept(retention);
        for (at, interval) in intervals.iter().enumerate() {
            let is_top = at + 1 == intervals.len();
            let stays = if is_top { pitr + top_seconds } else { pitr.max(interval.as_secs_f64()) };
            bytes += self.level_bytes(*interval, stays.max(interval.as_secs_f64()));
        }
        bytes + snapshots * self.image_bytes()
    }

    /// What the policy keeps: snapshots, and seconds of the highest level beyond `pitr`. A point needs the newest
    /// snapshot before it and what lies between, half an interval of snapshots on average.
    fn kept(&self, retention: &RetentionSettings) -> Kept {
        let Some(every) = self.settings.snapshots.interval.map(|every| every.as_secs_f64()) else {
            // One image, and everything since.
            return Kept { snapshots: 1.0, top_seconds: SECONDS_PER_MONTH };
        };
        let pitr = retention.pitr.as_secs_f64();
        let mut kept = Kept { snapshots: (pitr / every).ceil() + 1.0, top_seconds: every };
        let mut covered = pitr;
        for (count, period) in [
            (retention.hourly, HOUR),
            (retention.daily, DAY),
            (retention.weekly, WEEK),
            (retention.monthly, MONTH),
        ] {
            let (count, period) = (count as f64, period.as_secs_f64());
            let beyond = count * period - covered;
            if beyond <= 0.0 {
                continue;
            }
            let points = (beyond / period).min(count);
            kept.snapshots += points.min(beyond / every);
            kept.top_seconds += (points * every / 2.0).min(beyond);
            covered = count * period;
        }
        kept
    }
}

struct Kept {
    snapshots: f64,
    top_seconds: f64,
}
