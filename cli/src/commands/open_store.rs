//! From `[store]` to an open store.

use crate::config::{PathStyle, Sse, StoreSettings, StoreUrl};
use crate::exit::Failure;
use io_real::port::Store;
use io_real::store::{self, CustomerKey, Encryption, OpenError, Secret, StoreOptions};
use std::sync::Arc;

/// Why a store cannot be opened.
enum Unusable {
    /// The file of a key.
    Key(String),
    /// Anything else.
    Store(OpenError),
}

/// Opens the store. Nothing is sent yet.
///
/// # Errors
/// Exit 2: the URL, an option, or the file of a key.
pub(crate) fn open_store(settings: &StoreSettings) -> Result<Arc<dyn Store>, Failure> {
    open(settings).map_err(|unusable| match unusable {
        Unusable::Key(cause) => {
            Failure::usage("`store.sse_key_file` has no key").cause(cause).hint("walsync config show")
        }
        Unusable::Store(error) => Failure::usage(format!("the store {} cannot be used", settings.url))
            .because(&error)
            .hint("walsync config show"),
    })
}

/// What keeps the store from being opened: the key, and what is wrong with it. Nothing is sent.
pub(super) fn fault_of_a_key(settings: &StoreSettings) -> Option<(String, String)> {
    match open(settings).err()? {
        Unusable::Key(cause) => Some(("store.sse_key_file".to_owned(), cause)),
        Unusable::Store(OpenError::Option { key, message }) => Some((format!("store.{key}"), message)),
        Unusable::Store(OpenError::Url(error)) => Some(("store.url".to_owned(), error.to_string())),
        // They may come from the machine that it will run on.
        Unusable::Store(OpenError::Credentials(_)) => None,
    }
}

fn open(settings: &StoreSettings) -> Result<Arc<dyn Store>, Unusable> {
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
    store::open(&url, &options).map_err(Unusable::Store)
}

fn encryption(settings: &StoreSettings) -> Result<Encryption, Unusable> {
    Ok(match settings.sse {
        Sse::None => Encryption::BucketDefault,
        Sse::Aes256 => Encryption::Aes256,
        Sse::Kms => Encryption::Kms { key_id: settings.kms_key_id.clone() },
        Sse::Customer => Encryption::Customer { key: customer_key(settings).map_err(Unusable::Key)? },
    })
}

/// The file holds the 32 bytes as they are.
fn customer_key(settings: &StoreSettings) -> Result<CustomerKey, String> {
    let path = settings.sse_key_file.as_ref().ok_or("it is not set")?;
    let bytes = std::fs::read(path).map_err(|error| format!("{path}: {error}"))?;
    let length = bytes.len();
    let key = bytes.try_into().map_err(|_| format!("{path}: {length} bytes instead of 32"))?;
    Ok(CustomerKey(key))
}
