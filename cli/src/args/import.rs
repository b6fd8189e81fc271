//! `walsync config import`.

use clap::Args;
use std::path::PathBuf;

/// What `config import` was asked for.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct ImportRequest {
    /// Litestream's configuration, of version 0.5 or 0.3
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "OUT")]
    pub output: Option<PathBuf>,
    /// Replace OUT if it exists
    #[arg(long, requires = "output")]
    pub force: bool,
}
