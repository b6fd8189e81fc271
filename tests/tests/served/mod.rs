//! How a store on the in-process S3 server is opened.

use io_real::store::{Secret, StoreOptions};
use std::time::Duration;
use tests::s3::{ACCESS_KEY, S3Server, SECRET_KEY};

/// Options with which its stores are opened.
pub(crate) fn options(server: &S3Server) -> StoreOptions {
    StoreOptions {
        endpoint: Some(server.endpoint()),
        region: Some("eu-west-3".to_owned()),
        access_key_id: Some(ACCESS_KEY.to_owned()),
        secret_access_key: Some(Secret::new(SECRET_KEY)),
        timeout: Duration::from_secs(5),
        ..StoreOptions::default()
    }
}
