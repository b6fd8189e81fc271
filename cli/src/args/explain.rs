//! `walsync explain`.

use super::store::StoreArgs;
use crate::config::Flags;
use crate::exit::Failure;
use clap::Args;
use std::path::PathBuf;

#[derive(Args, Debug)]
pub(super) struct ExplainArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// Commits that the estimate assumes of each database [default: 1]
    #[arg(long, value_name = "N")]
    commits_per_second: Option<String>,
    /// A price table that comes before the built-in one, as TOML
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
}

/// What `explain` was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct ExplainRequest {
    /// What the estimate assumes; finite, 0 or more.
    pub commits_per_second: f64,
    /// A price table of the user's.
    pub prices: Option<PathBuf>,
    /// Keys set by flags.
    pub flags: Flags,
}

impl TryFrom<ExplainArgs> for ExplainRequest {
    type Error = Failure;

    fn try_from(args: ExplainArgs) -> Result<ExplainRequest, Failure> {
        let ExplainArgs { store, commits_per_second, prices } = args;
        let commits_per_second = match commits_per_second {
            None => COMMITS_PER_SECOND,
            Some(text) => rate(&text).ok_or_else(|| {
                Failure::usage(format!("--commits-per-second: `{text}` is not a number from 0 to {RATE_MAX}"))
                    .hint("walsync explain --commits-per-second 0.5")
            })?,
        };
        Ok(ExplainRequest { commits_per_second, prices, flags: store.flags() })
    }
}

fn rate(text: &str) -> Option<f64> {
    text.parse().ok().filter(|rate| (0.0..=RATE_MAX).contains(rate))
}

const COMMITS_PER_SECOND: f64 = 1.0;
/// More than SQLite can do.
const RATE_MAX: f64 = 1_000_000.0;
