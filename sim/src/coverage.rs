//! Which interesting states a run reached: a batch of seeds that never gets somewhere proves nothing about it.

use std::collections::BTreeMap;

/// A state worth reaching.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reached {
    /// A commit of the application.
    Commit,
    /// A slot was announced durable.
    Durable,
    /// The daemon was killed inside a job on SQLite.
    DaemonKilled,
    /// The application was killed inside a statement.
    ApplicationKilled,
    /// The power was cut.
    PowerCut,
    /// A power cut rolled committed transactions back.
    RolledBack,
    /// A power cut left the store ahead of the database.
    StoreAhead,
    /// A write to the store had no clear answer.
    Ambiguous,
    /// A write was refused.
    Refused,
    /// A sync was found in the store although its answer was lost.
    Adopted,
    /// The log no longer held the position.
    LogGone,
    /// A start continued without uploading anything.
    Continued,
    /// An object went up in parts.
    Staged,
    /// The application's checkpoint emptied the log while the daemon followed.
    ForeignTruncate,
    /// The store was unreachable for longer than any retry.
    Outage,
    /// It was, and answered nothing at all.
    Silence,
    /// The database shrank.
    Shrank,
    /// A second daemon was fenced.
    Fenced,
    /// A second daemon took over.
    TakenOver,
    /// An orderly stop.
    Stopped,
    /// The daemon let go of a log that had become too long.
    LogLetGo,
    /// The database's files were replaced or written to by somebody else.
    Replaced,
    /// The store went on with another page size.
    PageSizeHealed,
    /// The newest objects of the place were gone.
    HeadLost,
    /// The database was missing.
    Missing,
    /// The daemon put the database into WAL mode.
    EnteredWalMode,
    /// The application left WAL mode.
    LeftWalMode,
    /// It was refused that, beside the daemon.
    RefusedAlone,
    /// The application had the file for itself.
    LockedExclusively,
    /// The database gained pages without frames.
    GrewWithoutFrames,
    /// The application checkpointed while the daemon was down.
    CheckpointWhileDown,
    /// The state directory was lost.
    StateLost,
    /// A second machine began with a copy of the state directory.
    StateCopied,
    /// A daemon was fenced because a copy of its state directory is in use.
    CopyFenced,
    /// A backup was written over the database through SQLite.
    BackedUpOver,
    /// A start cost nothing, as promised.
    FreeRestart,
    /// An hour without a commit.
    IdleHour,
    /// The writers were kept out for a moment, so that the log begins anew.
    LogDriven,
    /// A full image went up beside the slots.
    SnapshotTaken,
    /// A page of the database file was found rotten.
    RotInDatabase,
    /// A look waited for a checkpoint of the application.
    CopyAwaited,
    /// It ended, and the log could begin anew with the next commit.
    CopyEnded,
    /// Every point of a listing was restored.
    PointsChecked,
    /// A wall clock jumped.
    WallJumped,
    /// Something was refused because the disk was full.
    DiskFull,
    /// A disk did not take what was to be synced.
    SyncFailed,
    /// A slot was announced that a store without conditions took.
    WithoutConditions,
    /// A wrong bit in an object kept a state from being restored.
    RotRefused,
    /// A state was restored around a wrong bit.
    RotAround,
    /// The newest slot was damaged where it lay, before a start.
    HeadRotted,
    /// A state was restored while the run went on.
    Restored,
    /// An old database was replaced, with what lay beside it.
    RestoredOver,
    /// A restore was killed.
    RestoreKilled,
    /// The power was cut during a restore.
    RestorePowerCut,
    /// A restore died when the old database was set aside and the new one had no name.
    RestoreSetAside,
    /// A restore was asked for what is no point.
    RestoreAtNoPoint,
    /// A restore found no room.
    RestoreDiskFull,
    /// A restore met a disk that fails.
    RestoreDiskFailed,
    /// A name could not be moved during a restore.
    RestoreRenameFailed,
    /// A replacement that failed half-way could not be undone, and said so.
    RestoreNotUndone,
    /// A restore was done, and a name that it could not remove stayed.
    RestoreLeftBehind,
    /// SQLite could not remove a name.
    UnlinkFailed,
    /// A restore went around a damaged object.
    RestoreAroundDamage,
    /// A restore ended because of a damaged object.
    RestoreRefusedDamage,
    /// A restore listed again, because an object was not there.
    RestoreListedAgain,
    /// A place that a newer version wrote was not restored.
    NewerRefused,
    /// A slot landed inside what was settled.
    LandedLate,
    /// A fleet of at least a hundred databases.
    Hundreds,
    /// A database was added to a running daemon.
    AddedOne,
    /// One database of many was stopped.
    StoppedOne,
    /// A database was deleted and created anew.
    Recreated,
    /// All machines slept.
    Slept,
    /// A week or more passed without a commit.
    IdleWeek,
    /// Days passed without a commit, and what was asked for was counted.
    IdleDays,
    /// A daemon made an object of level 1.
    LevelMade,
    /// And one of a higher level.
    UpperLevelMade,
    /// Retention deleted objects.
    Retained,
    /// Also of levels above 0.
    RetainedUpper,
    /// A daemon died while it merged, or before what it merged was to be seen.
    KilledInUpkeep,
    /// A level could not be made any further.
    CompactionStopped,
    /// What was merged was damaged as it was written.
    Spoiled,
    /// Somebody compacted a place by hand.
    SoloMerged,
    /// Somebody cleaned it up by hand, and objects went.
    SoloDeleted,
    /// He was killed when he had asked for changes.
    SoloKilled,
    /// A cleanup named points that go, and these were looked at.
    SoloNamesPoints,
    /// A hint that files changed did not come.
    HintLost,
    /// The files of a database could not be used.
    SourceRefused,
    /// Page checksums of a local state were damaged.
    StateDamaged,
    /// Objects of a place were deleted by somebody else.
    ObjectLost,
    /// An object was written over by somebody else.
    ObjectRewritten,
    /// Which was noticed, and healed.
    Overwritten,
    /// Somebody else wrote a manifest.
    ManifestChanged,
    /// One of a newer version, which a daemon left alone.
    TooNew,
    /// Slots were compacted by somebody else.
    Compacted,
    /// A claim was on its way while the name that it wants became free again.
    ClaimHeldBack,
    /// It was taken away again.
    ClaimWithdrawn,
    /// That a place was lost could not be saved at once.
    LossNotSaved,
    /// A place had no folder, yet.
    NoFolder,
    // What only layer B reaches.
    /// The driver was dropped, and its process went on.
    DriverDropped,
    /// The process died with its driver.
    DriverKilled,
    /// It ended while a read was under way.
    DroppedReading,
    /// It ended while a put or a delete was under way.
    DroppedWriting,
    /// It ended while a part of an upload was under way.
    DroppedInPart,
    /// It ended between two parts of an upload, or before its completion.
    DroppedBetweenParts,
    /// It ended while an upload was being completed.
    DroppedCompleting,
    /// It ended while a blocking job was under way, or waited for a thread.
    DroppedInJob,
    /// An orderly end was asked for while an upload was staged.
    FinishedWhileStaging,
    /// An orderly end was asked for while a request was under way.
    FinishedInRequest,
    /// A database was added after the end was asked for.
    AddedAfterFinish,
    /// One database was stopped, and the others went on.
    StoppedAlone,
    /// A job panicked.
    JobPanicked,
    /// A source was let go of after a panic.
    SourceReset,
    /// A request panicked.
    RequestPanicked,
    /// A request was given up after its time limit.
    TimedOut,
    /// As many requests as may be were under way.
    QueueFull,
    /// A job waited for seconds.
    SlowJob,
    /// Several databases saved with one sync.
    SavedTogether,
    /// Uploads of lives that were killed were swept.
    Swept,
}

/// How often each was reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage(BTreeMap<Reached, u64>);

/// What a batch of at least a few hundred seeds must reach.
pub const REQUIRED: &[Reached] = &[
    Reached::Commit,
    Reached::Durable,
    Reached::DaemonKilled,
    Reached::ApplicationKilled,
    Reached::PowerCut,
    Reached::RolledBack,
    Reached::StoreAhead,
    Reached::Ambiguous,
    Reached::Refused,
    Reached::Adopted,
    Reached::LogGone,
    Reached::Continued,
    Reached::Staged,
    Reached::ForeignTruncate,
    Reached::Outage,
    Reached::Silence,
    Reached::Shrank,
    Reached::Fenced,
    Reached::TakenOver,
    Reached::Stopped,
    Reached::LogLetGo,
    Reached::Replaced,
    Reached::PageSizeHealed,
    Reached::HeadLost,
    Reached::Missing,
    Reached::EnteredWalMode,
    Reached::LeftWalMode,
    Reached::RefusedAlone,
    Reached::LockedExclusively,
    Reached::GrewWithoutFrames,
    Reached::CheckpointWhileDown,
    Reached::StateLost,
    Reached::StateCopied,
    Reached::CopyFenced,
    Reached::BackedUpOver,
    Reached::FreeRestart,
    Reached::IdleHour,
    Reached::LogDriven,
    Reached::CopyAwaited,
    Reached::CopyEnded,
    Reached::PointsChecked,
    Reached::WallJumped,
    Reached::DiskFull,
    Reached::SyncFailed,
    Reached::WithoutConditions,
    Reached::RotRefused,
    Reached::RotAround,
    Reached::HeadRotted,
    Reached::Restored,
    Reached::RestoredOver,
    Reached::RestoreKilled,
    Reached::RestorePowerCut,
    Reached::RestoreSetAside,
    Reached::RestoreAtNoPoint,
    Reached::RestoreDiskFull,
    Reached::RestoreDiskFailed,
    Reached::RestoreRenameFailed,
    Reached::RestoreNotUndone,
    Reached::RestoreLeftBehind,
    Reached::UnlinkFailed,
    Reached::RestoreAroundDamage,
    Reached::RestoreRefusedDamage,
    Reached::RestoreListedAgain,
];

/// What a batch of some hundred seeds must reach of places that are kept in shape.
pub const REQUIRED_OF_LIFECYCLES: &[Reached] = &[
    Reached::Durable,
    Reached::DaemonKilled,
    Reached::PowerCut,
    Reached::Ambiguous,
    Reached::Outage,
    Reached::TakenOver,
    Reached::Fenced,
    Reached::IdleDays,
    Reached::LevelMade,
    Reached::UpperLevelMade,
    Reached::Retained,
    Reached::RetainedUpper,
    Reached::KilledInUpkeep,
    Reached::Spoiled,
    Reached::SoloMerged,
    Reached::SoloDeleted,
    Reached::SoloKilled,
    Reached::SoloNamesPoints,
    Reached::Restored,
    Reached::RestoreListedAgain,
];

/// What a batch of some hundred seeds must reach of fleets.
pub const REQUIRED_OF_FLEETS: &[Reached] = &[
    Reached::Commit,
    Reached::Durable,
    Reached::DaemonKilled,
    Reached::PowerCut,
    Reached::RolledBack,
    Reached::Ambiguous,
    Reached::Refused,
    Reached::Adopted,
    Reached::LogGone,
    Reached::Staged,
    Reached::ForeignTruncate,
    Reached::Outage,
    Reached::Shrank,
    Reached::Fenced,
    Reached::TakenOver,
    Reached::Stopped,
    Reached::LogLetGo,
    Reached::Replaced,
    Reached::Missing,
    Reached::GrewWithoutFrames,
    Reached::CheckpointWhileDown,
    Reached::StateCopied,
    Reached::CopyFenced,
    Reached::FreeRestart,
    Reached::Hundreds,
    Reached::AddedOne,
    Reached::StoppedOne,
    Reached::Recreated,
    Reached::Slept,
    Reached::IdleWeek,
    Reached::IdleDays,
    Reached::HintLost,
    Reached::SourceRefused,
    Reached::EnteredWalMode,
    Reached::StateDamaged,
    Reached::ObjectLost,
    Reached::ObjectRewritten,
    Reached::HeadLost,
    Reached::HeadRotted,
    Reached::Overwritten,
    Reached::ManifestChanged,
    Reached::TooNew,
    Reached::NoFolder,
    Reached::LossNotSaved,
    Reached::Compacted,
    Reached::ClaimHeldBack,
    Reached::ClaimWithdrawn,
    Reached::RestoredOver,
];

/// What a batch of some hundred seeds must reach of archives.
pub const REQUIRED_OF_ARCHIVES: &[Reached] = &[
    Reached::PointsChecked,
    Reached::Restored,
    Reached::RestoreAtNoPoint,
    Reached::RestoreAroundDamage,
    Reached::RestoreRefusedDamage,
    Reached::RestoreListedAgain,
    Reached::NewerRefused,
    Reached::LandedLate,
];

/// What a batch of layer B must reach.
pub const REQUIRED_OF_THE_DRIVER: &[Reached] = &[
    Reached::Commit,
    Reached::Durable,
    Reached::Adopted,
    Reached::LogGone,
    Reached::Outage,
    Reached::Stopped,
    Reached::DriverDropped,
    Reached::DriverKilled,
    Reached::DroppedReading,
    Reached::DroppedWriting,
    Reached::DroppedInPart,
    Reached::DroppedBetweenParts,
    Reached::DroppedCompleting,
    Reached::DroppedInJob,
    Reached::FinishedWhileStaging,
    Reached::FinishedInRequest,
    Reached::AddedAfterFinish,
    Reached::StoppedAlone,
    Reached::JobPanicked,
    Reached::SourceReset,
    Reached::RequestPanicked,
    Reached::TimedOut,
    Reached::QueueFull,
    Reached::SlowJob,
    Reached::SavedTogether,
    Reached::Swept,
];

impl Coverage {
    /// Counts one.
    pub fn reached(&mut self, state: Reached) {
        *self.0.entry(state).or_default() += 1;
    }

    /// How often.
    pub fn count(&self, state: Reached) -> u64 {
        self.0.get(&state).copied().unwrap_or(0)
    }

    /// Adds another run's.
    pub fn add(&mut self, other: &Coverage) {
        for (state, count) in &other.0 {
            *self.0.entry(*state).or_default() += count;
        }
    }

    /// One line, `State=count` each.
    pub fn line(&self) -> String {
        let parts: Vec<String> = self.0.iter().map(|(state, count)| format!("{state:?}={count}")).collect();
        parts.join(" ")
    }

    /// Reads [`Coverage::line`].
    pub fn parse(line: &str) -> Coverage {
        let mut coverage = Coverage::default();
        for (name, count) in line.split_whitespace().filter_map(|part| part.split_once('=')) {
            let state = REQUIRED
                .iter()
                .chain(REQUIRED_OF_FLEETS)
                .chain(REQUIRED_OF_LIFECYCLES)
                .chain(REQUIRED_OF_ARCHIVES)
                .chain(REQUIRED_OF_THE_DRIVER)
                .find(|s| format!("{s:?}") == name);
            if let (Some(state), Ok(count)) = (state, count.parse()) {
                coverage.0.insert(*state, count);
            }
        }
        coverage
    }

    /// What is required and was not reached.
    pub fn missing(&self, required: &[Reached]) -> Vec<Reached> {
        required.iter().copied().filter(|state| self.count(*state) == 0).collect()
    }
}
