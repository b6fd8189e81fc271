//! `--store` and what goes with it, for every command that reaches the store.

use crate::config::Flags;
use clap::Args;

#[derive(Args, Debug, Default)]
pub(super) struct StoreArgs {
    /// Where objects live: s3://BUCKET/PREFIX, file:///DIR or a path [default: ./walsync-store; env: WALSYNC_STORE]
    #[arg(short = 'b', long, visible_alias = "bucket", value_name = "URL", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    store: Option<String>,
    /// Base URL of an S3-compatible service [env: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL]
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// Region of the bucket [env: AWS_REGION]
    #[arg(long)]
    region: Option<String>,
}

impl StoreArgs {
    pub(super) fn flags(&self) -> Flags {
        let mut flags = Flags::default();
        flags.set("store.url", "--store", self.store.as_deref());
        flags.set("store.endpoint", "--endpoint", self.endpoint.as_deref());
        flags.set("store.region", "--region", self.region.as_deref());
        flags
    }
}
