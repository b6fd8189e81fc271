//! `walsync compact` and `walsync cleanup`.

use super::store::StoreArgs;
use super::target::Target;
use crate::config::Flags;
use crate::exit::Failure;
use clap::Args;

#[derive(Args, Debug)]
pub(super) struct CompactArgs {
    /// The databases: names in the store, local paths, or URLs of places [default: all in the store]
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    store: StoreArgs,
    /// Up to this level [default: the highest that is configured]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=8))]
    level: Option<u8>,
    /// Say what would be merged, and do nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Args, Debug)]
pub(super) struct CleanupArgs {
    /// The databases: names in the store, local paths, or URLs of places [default: all in the store]
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    store: StoreArgs,
    /// Name each object and each point that would go, with the reason, and delete nothing
    #[arg(long)]
    dry_run: bool,
    /// Keep less than the place's writer wants to
    #[arg(long)]
    force: bool,
}

/// What `compact` or `cleanup` was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpkeepRequest {
    /// These databases; none: all.
    pub targets: Vec<Target>,
    /// What to do with them.
    pub task: UpkeepTask,
    /// Only say it.
    pub dry_run: bool,
    /// Keys set by flags.
    pub flags: Flags,
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpkeepTask {
    /// `compact`.
    Compact {
        /// `--level`: 1 to 8.
        level: Option<u8>,
    },
    /// `cleanup`.
    Cleanup {
        /// `--force`.
        force: bool,
    },
}

impl TryFrom<CompactArgs> for UpkeepRequest {
    type Error = Failure;

    fn try_from(args: CompactArgs) -> Result<UpkeepRequest, Failure> {
        let CompactArgs { names, store, level, dry_run } = args;
        let task = UpkeepTask::Compact { level };
        Ok(UpkeepRequest { targets: targets(names)?, task, dry_run, flags: store.flags() })
    }
}

impl TryFrom<CleanupArgs> for UpkeepRequest {
    type Error = Failure;

    fn try_from(args: CleanupArgs) -> Result<UpkeepRequest, Failure> {
        let CleanupArgs { names, store, dry_run, force } = args;
        let task = UpkeepTask::Cleanup { force };
        Ok(UpkeepRequest { targets: targets(names)?, task, dry_run, flags: store.flags() })
    }
}

fn targets(names: Vec<String>) -> Result<Vec<Target>, Failure> {
    names.into_iter().map(Target::parse).collect()
}
