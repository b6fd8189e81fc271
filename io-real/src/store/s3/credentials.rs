//! Who signs: options, environment, shared files, web identity, container, machine; the first that is there.

use super::profile::{ProfileFiles, ProfileProvider};
use crate::store::OpenError;
use crate::store::options::StoreOptions;
use object_store::aws::{AmazonS3Builder, AwsCredential, AwsCredentialProvider};
use object_store::{BackoffConfig, ClientOptions, RetryConfig, StaticCredentialProvider};
use std::sync::Arc;
use std::time::Duration;

type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Where credentials come from, and the region that goes with them.
pub(super) struct Chosen {
    pub(super) source: Source,
    pub(super) region: String,
}

/// One way to credentials.
#[derive(Debug)]
pub(super) enum Source {
    /// Keys that do not change.
    Static(AwsCredential),
    /// A profile of the shared files.
    Profile(ProfileProvider),
    /// Web identity, container or machine: object_store asks.
    Ambient,
}

impl Chosen {
    /// Decides, without asking anybody. A profile that is named in the options wins over keys in the
    /// environment, these over one that the environment names.
    pub(super) fn by(options: &StoreOptions, environment: Environment<'_>) -> Result<Chosen, OpenError> {
        let environment = |name: &str| environment(name).filter(|value| !value.is_empty());
        let files = ProfileFiles::of(&environment);
        let profile_name = options.profile.clone().or_else(|| environment("AWS_PROFILE"));
        let shown = profile_name.clone().unwrap_or_else(|| "default".to_owned());
        // An unreadable file matters only where it is needed: for credentials.
        let profile = files.read(&shown);
        let region = options
            .region
            .clone()
            .or_else(|| environment("AWS_REGION"))
            .or_else(|| environment("AWS_DEFAULT_REGION"))
            .or_else(|| profile.as_ref().ok()?.as_ref()?.region.clone())
            .unwrap_or_else(|| REGION_DEFAULT.to_owned());
        let source = if let Some(credential) = from_options(options)? {
            Source::Static(credential)
        } else if let Some(name) = &options.profile {
            Source::Profile(ProfileProvider::open(files, name).map_err(OpenError::Credentials)?)
        } else if let Some(credential) = from_environment(&environment)? {
            Source::Static(credential)
        } else if let Some(name) = &profile_name {
            Source::Profile(ProfileProvider::open(files, name).map_err(OpenError::Credentials)?)
        } else if environment("AWS_WEB_IDENTITY_TOKEN_FILE").is_some() {
            Source::Ambient
        } else if profile.map_err(OpenError::Credentials)?.is_some_and(|found| found.credential.is_some()) {
            Source::Profile(ProfileProvider::open(files, &shown).map_err(OpenError::Credentials)?)
        } else {
            Source::Ambient
        };
        Ok(Chosen { source, region })
    }
}

impl Source {
    /// Makes the provider. Still nothing is sent.
    pub(super) fn provider(
        self,
        client: &ClientOptions,
        region: &str,
    ) -> Result<AwsCredentialProvider, OpenError> {
        match self {
            Source::Static(credential) => Ok(Arc::new(StaticCredentialProvider::new(credential))),
            Source::Profile(profile) => Ok(Arc::new(profile)),
            Source::Ambient => {
                let retry = RetryConfig {
                    backoff: BackoffConfig::default(),
                    max_retries: 2,
                    retry_timeout: ASK_FOR_MAX,
                };
                let store = AmazonS3Builder::from_env()
                    .with_bucket_name("unused")
                    .with_region(region)
                    .with_client_options(client.clone())
                    .with_retry(retry)
                    .build()
                    .map_err(|error| OpenError::Credentials(error.to_string()))?;
                Ok(store.credentials().clone())
            }
        }
    }
}

fn from_options(options: &StoreOptions) -> Result<Option<AwsCredential>, OpenError> {
    let missing = |key, other| OpenError::Option { key, message: format!("is missing, but {other} is set") };
    match (&options.access_key_id, &options.secret_access_key) {
        (Some(key_id), Some(secret)) => Ok(Some(AwsCredential {
            key_id: key_id.clone(),
            secret_key: secret.reveal().to_owned(),
            token: options.session_token.as_ref().map(|token| token.reveal().to_owned()),
        })),
        (Some(_), None) => Err(missing("secret_access_key", "access_key_id")),
        (None, Some(_)) => Err(missing("access_key_id", "secret_access_key")),
        (None, None) => Ok(None),
    }
}

fn from_environment(environment: Environment<'_>) -> Result<Option<AwsCredential>, OpenError> {
    let missing =
        |name: &str, other: &str| OpenError::Credentials(format!("{name} is not set, but {other} is"));
    match (environment("AWS_ACCESS_KEY_ID"), environment("AWS_SECRET_ACCESS_KEY")) {
        (Some(key_id), Some(secret_key)) => {
            Ok(Some(AwsCredential { key_id, secret_key, token: environment("AWS_SESSION_TOKEN") }))
        }
        (Some(_), None) => Err(missing("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID")),
        (None, Some(_)) => Err(missing("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")),
        (None, None) => Ok(None),
    }
}

/// Where AWS sends requests that name no region.
const REGION_DEFAULT: &str = "us-east-1";

/// Asking container or machine for credentials takes at most this long: not on such a machine is the usual
/// reason, and then nobody answers.
const ASK_FOR_MAX: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
