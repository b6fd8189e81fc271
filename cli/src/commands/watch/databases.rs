//! From the settings of a database to what the engine and the session must be told.

use super::{WatchJob, host};
use crate::commands::upkeep_policy::policy;
use crate::config::{
    DatabaseSettings, DatabaseSpec, OnStartup, Origin, SnapshotSettings, StoreUrl, TakeOver, WalMode,
};
use crate::exit::{Failure, Kind};
use engine::compact::{self, Levels};
use engine::key::{Layout, ModifiedIs, Place};
use engine::replicate::{DatabaseConfig, SnapshotSchedule, UpkeepConfig};
use engine::types::{Level, LockByte};
use io_real::files::RealFiles;
use io_real::sqlite::{Session, SessionConfig};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What the engine must be told.
///
/// # Errors
/// A place that is none, or no randomness.
pub(super) fn config(
    spec: &DatabaseSpec,
    job: &WatchJob,
    memory_bytes_max: u64,
    conditional_writes: bool,
) -> Result<DatabaseConfig, Failure> {
    let sync = &spec.settings.sync;
    let (layout, modified_is) = match job.store.url {
        StoreUrl::S3 { .. } => (Layout::S3, ModifiedIs::StoreTime),
        StoreUrl::File { .. } => (Layout::Tree, ModifiedIs::HeaderTime),
    };
    let place = Place::new(spec.place.as_str())
        .map_err(|error| Failure::usage("a database has no usable place").because(&error))?;
    let no_random =
        |error: std::io::Error| Failure::new(Kind::Unavailable, "no random numbers").because(&error);
    Ok(DatabaseConfig {
        place,
        layout,
        modified_is,
        node: host::node_id().map_err(no_random)?,
        database: host::database_id().map_err(no_random)?,
        host: host::name(),
        store_name: job.store.url.to_string(),
        max_interval: sync.max_interval,
        max_changes: u32_or_max(sync.max_changes.unwrap_or(0)),
        min_interval: sync.min_interval,
        enter_wal_mode: sync.wal_mode == WalMode::Enter,
        checkpoint_pages: u32_or_max(sync.checkpoint_pages),
        max_wal_bytes: sync.wal_bytes_max,
        memory_bytes_max,
        conditional_writes,
        take_over: take_over(job.store.take_over, &job.store.take_over_origin),
        l0_retention: spec.settings.retention.l0,
        list_interval: LIST_INTERVAL,
        lock_byte: LockByte::SQLITE,
        part_bytes: job.store.part_size_bytes,
        upkeep: upkeep(&spec.settings),
        snapshots: snapshots(&spec.settings.snapshots),
    })
}

/// What is compacted, and what stays.
pub(in crate::commands) fn upkeep(settings: &DatabaseSettings) -> UpkeepConfig {
    let numbered = (1..).zip(settings.compaction.intervals.iter().copied());
    let levels = numbered.map(|(number, interval)| (Level::new(number).expect("at most 8 levels"), interval));
    UpkeepConfig {
        levels: Levels::new(levels).expect("the key table demands growing intervals"),
        limits: compact::Limits::DEFAULT,
        policy: Some(policy(&settings.retention)),
    }
}

fn snapshots(settings: &SnapshotSettings) -> SnapshotSchedule {
    let on_startup = match settings.on_startup {
        OnStartup::Auto => engine::replicate::OnStartup::Auto,
        OnStartup::Always => engine::replicate::OnStartup::Always,
        OnStartup::Never => engine::replicate::OnStartup::Never,
    };
    SnapshotSchedule { interval: settings.interval, on_idle: settings.on_idle, on_startup }
}

/// The session of a database. Opens nothing yet.
pub(super) fn session(spec: &DatabaseSpec, files: &RealFiles) -> Session {
    Session::new(SessionConfig {
        vfs: None,
        path: spec.path.clone(),
        files: Arc::new(files.clone()),
        lock_byte: LockByte::SQLITE,
        pause: io_real::files::pause,
    })
}

/// A database's key in the local state: its path without symbolic links, as far as it exists, and its place.
pub(super) fn state_key(path: &Path, store: &StoreUrl, place: &str) -> String {
    let real = std::fs::canonicalize(path).or_else(|_| {
        let parent = std::fs::canonicalize(path.parent().unwrap_or(Path::new("/")))?;
        Ok::<PathBuf, std::io::Error>(parent.join(path.file_name().unwrap_or_default()))
    });
    let path = real.unwrap_or_else(|_| path.to_owned());
    io_real::state::state_key(&path.to_string_lossy(), &store.to_string(), place)
}

/// Each database's share of the memory for what is read and not yet acknowledged: half of `limits.memory`, the
/// rest is for page indexes, bodies under way and connections.
pub(super) fn memory_share(memory_bytes: u64, databases: usize) -> u64 {
    (memory_bytes / 2 / databases.max(1) as u64).clamp(SHARE_MIN, SHARE_MAX)
}

/// So often a place is looked at that has no other reason to be.
const LIST_INTERVAL: Duration = Duration::from_secs(24 * 3600);
/// A few of the largest pages.
const SHARE_MIN: u64 = 256 << 10;
/// What may wait beside a store that is away.
const SHARE_MAX: u64 = 64 << 20;

/// `always` on the command line was said just now and means everybody; in a configuration that stays it must not
/// make two daemons take a place from each other for ever.
fn take_over(word: TakeOver, origin: &Origin) -> engine::replicate::TakeOver {
    match (word, origin) {
        (TakeOver::Never, _) => engine::replicate::TakeOver::Never,
        (TakeOver::IfIdentical, _) => engine::replicate::TakeOver::IfIdentical,
        (TakeOver::Always, Origin::Flag { .. }) => engine::replicate::TakeOver::Insist,
        (TakeOver::Always, _) => engine::replicate::TakeOver::Always,
    }
}

fn u32_or_max(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
