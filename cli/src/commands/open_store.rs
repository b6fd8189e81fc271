//! From `[store]` to an open store.

use crate::config::{PathStyle, Sse, StoreSettings, StoreUrl};
use crate::exit::Failure;
use io_real::port::Store;
use io_real::store::{self, CustomerKey, Encryption, Secret, StoreOptions};
use std::sync::Arc;

/// Opens the store. Nothing is sent yet.
///
/// # Errors
/// Exit 2: the URL, an option, or the file of a key.
pub(crate) fn open_store(settings: &StoreSettings) -> Result<Arc<dyn Store>, Failure> {
    let url = match &settings.url {
        StoreUrl::S3 { bucket, prefix } => {
            store::StoreUrl::S3 { bucket: bucket.clone(), prefix: prefix.clone() }
        }
        StoreUrl::File { dir } => store::StoreUrl::File { root: dir.clone() },
    };
    let options = StoreOptions {
        endpoint: settings.endpoint.clone(),
        region: settings.region.clone(),
        access_key_id: settings.access_key_id.clone(),
        secret_access_key: settings.secret_access_key.as_ref().map(|s| Secret::new(s.expose())),
        session_token: settings.session_token.as_ref().map(|s| Secret::new(s.expose())),
        profile: settings.profile.clone(),
        path_style: match settings.path_style {
            PathStyle::Auto => store::PathStyle::Auto,
            PathStyle::Always => store::PathStyle::Always,
            PathStyle::Never => store::PathStyle::Never,
        },
        allow_http: Some(settings.allow_http),
        timeout: settings.timeout,
        part_bytes: usize::try_from(settings.part_size_bytes).unwrap_or(usize::MAX),
        storage_class: settings.storage_class.clone(),
        encryption: encryption(settings)?,
        proxy: settings.proxy.as_ref().map(|proxy| proxy.expose().to_owned()),
        ca_file: settings.ca_file.as_ref().map(Into::into),
    };
    store::open(&url, &options).map_err(|error| {
        Failure::usage(format!("the store {} cannot be used", settings.url))
            .because(&error)
            .hint("walsync config show")
    })
}

fn encryption(settings: &StoreSettings) -> Result<Encryption, Failure> {
    Ok(match settings.sse {
        Sse::None => Encryption::BucketDefault,
        Sse::Aes256 => Encryption::Aes256,
        Sse::Kms => Encryption::Kms { key_id: settings.kms_key_id.clone() },
        Sse::Customer => Encryption::Customer { key: customer_key(settings)? },
    })
}

/// The file holds the 32 bytes as they are.
fn customer_key(settings: &StoreSettings) -> Result<CustomerKey, Failure> {
    let failure = |cause: &dyn std::fmt::Display| {
        Failure::usage("`store.sse_key_file` has no key").cause(cause).hint("walsync config show")
    };
    let path = settings.sse_key_file.as_ref().ok_or_else(|| failure(&"it is not set"))?;
    let bytes = std::fs::read(path).map_err(|error| failure(&format!("{path}: {error}")))?;
    let length = bytes.len();
    let key = bytes.try_into().map_err(|_| failure(&format!("{path}: {length} bytes instead of 32")))?;
    Ok(CustomerKey(key))
}
