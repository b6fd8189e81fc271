//! `walsync sync` and `walsync snapshot`.

use super::store::StoreArgs;
use super::target::Target;
use crate::config::Flags;
use crate::exit::Failure;
use clap::Args;

#[derive(Args, Debug)]
pub(super) struct SyncArgs {
    /// The database: a local path, a name, or the URL of its place [default: all]
    #[arg(value_name = "DB")]
    database: Option<String>,
    #[command(flatten)]
    store: StoreArgs,
    /// Return when everything committed by now is in the store
    #[arg(long)]
    wait: bool,
}

/// What `sync` was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncRequest {
    /// One database; `None`: all.
    pub target: Option<Target>,
    /// Return when it is done.
    pub wait: bool,
    /// Keys set by flags.
    pub flags: Flags,
}

impl TryFrom<SyncArgs> for SyncRequest {
    type Error = Failure;

    fn try_from(args: SyncArgs) -> Result<SyncRequest, Failure> {
        let target = args.database.map(Target::parse).transpose()?;
        Ok(SyncRequest { target, wait: args.wait, flags: args.store.flags() })
    }
}

#[derive(Args, Debug)]
pub(super) struct SnapshotArgs {
    /// The database: a local path, a name, or the URL of its place
    #[arg(value_name = "DB")]
    database: String,
    #[command(flatten)]
    store: StoreArgs,
}

/// What `snapshot` was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotRequest {
    /// The database.
    pub target: Target,
    /// Keys set by flags.
    pub flags: Flags,
}

impl TryFrom<SnapshotArgs> for SnapshotRequest {
    type Error = Failure;

    fn try_from(args: SnapshotArgs) -> Result<SnapshotRequest, Failure> {
        Ok(SnapshotRequest { target: Target::parse(args.database)?, flags: args.store.flags() })
    }
}
