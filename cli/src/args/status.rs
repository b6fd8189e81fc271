//! `walsync status`.

use crate::config::TimeSpan;
use crate::exit::Failure;
use clap::Args;
use std::time::Duration;

#[derive(Args, Debug)]
pub(super) struct StatusArgs {
    /// Show it again every second, until interrupted
    #[arg(long)]
    watch: bool,
    /// A database is unhealthy as well when a commit waits for longer than this to be in the store
    #[arg(long, value_name = "TIME")]
    max_lag: Option<String>,
}

/// What `status` was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusRequest {
    /// Again every second.
    pub watch: bool,
    /// More is unhealthy.
    pub lag_max: Option<Duration>,
}

impl TryFrom<StatusArgs> for StatusRequest {
    type Error = Failure;

    fn try_from(args: StatusArgs) -> Result<StatusRequest, Failure> {
        let lag_max = args.max_lag.map(|text| {
            text.parse::<TimeSpan>().map(TimeSpan::get).map_err(|error| {
                Failure::usage("--max-lag is no duration").because(&error).hint("walsync status --max-lag 1m")
            })
        });
        Ok(StatusRequest { watch: args.watch, lag_max: lag_max.transpose()? })
    }
}
