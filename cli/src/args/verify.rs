//! `walsync verify`.

use super::store::StoreArgs;
use super::target::Target;
use crate::config::Flags;
use crate::exit::Failure;
use clap::Args;

#[derive(Args, Debug)]
pub(super) struct VerifyArgs {
    /// The databases: names in the store, local paths, or URLs of places [default: all in the store]
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    store: StoreArgs,
    /// Read every object whole, restore every snapshot and the newest point, and run integrity_check
    #[arg(long)]
    deep: bool,
    #[arg(long, hide = true)]
    local: bool,
}

/// What `verify` was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyRequest {
    /// These databases; none: all.
    pub targets: Vec<Target>,
    /// Read everything.
    pub deep: bool,
    /// Keys set by flags.
    pub flags: Flags,
}

impl TryFrom<VerifyArgs> for VerifyRequest {
    type Error = Failure;

    fn try_from(args: VerifyArgs) -> Result<VerifyRequest, Failure> {
        if args.local {
            return Err(Failure::not_in_this_version("verify --local").hint("walsync verify --help"));
        }
        let targets = args.names.into_iter().map(Target::parse).collect::<Result<_, _>>()?;
        Ok(VerifyRequest { targets, deep: args.deep, flags: args.store.flags() })
    }
}
