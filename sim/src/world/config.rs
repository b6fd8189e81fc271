//! What the engine is told about a database of a run: the same for both layers of the simulation.

use crate::settings::Settings;
use engine::key::{Layout, ModifiedIs, Place};
use engine::manifest::DatabaseId;
use engine::replicate::{DatabaseConfig, TakeOver};
use engine::types::{LockByte, NodeId};
use std::time::Duration;

/// Who follows, and where to.
pub(crate) struct Identity {
    pub(crate) place: Place,
    pub(crate) node: NodeId,
    pub(crate) database: DatabaseId,
    pub(crate) host: String,
}

/// The configuration of one database in one life of a daemon.
pub(crate) fn database_config(settings: &Settings, of: Identity, take_over: TakeOver) -> DatabaseConfig {
    DatabaseConfig {
        place: of.place,
        layout: Layout::S3,
        modified_is: ModifiedIs::StoreTime,
        node: of.node,
        database: of.database,
        host: of.host,
        store_name: "s3://simulated".to_owned(),
        max_interval: settings.max_interval,
        max_changes: settings.max_changes,
        min_interval: Duration::ZERO,
        enter_wal_mode: true,
        checkpoint_pages: settings.checkpoint_pages,
        max_wal_bytes: settings.operator.wal_bytes_max,
        memory_bytes_max: settings.memory_bytes,
        conditional_writes: !settings.unconditional,
        take_over,
        l0_retention: Duration::from_secs(300),
        // A day, or, where that has something to find, less than a run.
        list_interval: Duration::from_secs(if settings.operator.loses_objects { 60 } else { 24 * 3600 }),
        lock_byte: lock_byte(settings),
        part_bytes: settings.part_bytes,
        upkeep: engine::replicate::UpkeepConfig::none(),
        snapshots: settings.snapshots,
    }
}

/// Where SQLite's lock page is in this run.
pub(crate) fn lock_byte(settings: &Settings) -> LockByte {
    if settings.lock_page_moved { LockByte::moved(65536) } else { LockByte::SQLITE }
}
