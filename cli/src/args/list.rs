//! `walsync list`.

use super::store::StoreArgs;
use super::target::Target;
use crate::config::Flags;
use crate::exit::Failure;
use clap::Args;

#[derive(Args, Debug)]
pub(super) struct ListArgs {
    /// Show the snapshots, levels and restorable points of this database: a name, local path or URL
    #[arg(value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    store: StoreArgs,
    /// Show every restorable point
    #[arg(long, requires = "name")]
    points: bool,
}

/// What `list` was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListRequest {
    /// One database; `None`: all.
    pub target: Option<Target>,
    /// Every restorable point of it.
    pub points: bool,
    /// Keys set by flags.
    pub flags: Flags,
}

impl TryFrom<ListArgs> for ListRequest {
    type Error = Failure;

    fn try_from(args: ListArgs) -> Result<ListRequest, Failure> {
        let target = args.name.map(Target::parse).transpose()?;
        Ok(ListRequest { target, points: args.points, flags: args.store.flags() })
    }
}
