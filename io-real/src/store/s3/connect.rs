//! From options and environment to a bucket that requests can be sent to.

use super::credentials::Chosen;
use super::endpoint::Endpoint;
use super::request::{Bucket, chain};
use crate::store::options::StoreOptions;
use crate::store::{OpenError, install_crypto_provider};
use http::HeaderValue;
use object_store::client::HttpClient;
use object_store::{Certificate, ClientOptions};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Puts options and environment together. Sends nothing.
pub(super) fn connect(bucket: &str, options: &StoreOptions) -> Result<Bucket, OpenError> {
    install_crypto_provider();
    let environment = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let chosen = Chosen::by(options, &environment)?;
    let endpoint = options
        .endpoint
        .clone()
        .or_else(|| environment("AWS_ENDPOINT_URL_S3"))
        .or_else(|| environment("AWS_ENDPOINT_URL"));
    let endpoint = Endpoint::of(bucket, &chosen.region, endpoint.as_deref(), options)?;
    let client = client_options(options, endpoint.is_http)?;
    Ok(Bucket {
        http: HttpClient::new(http_client(options, endpoint.is_http)?),
        credentials: chosen.source.provider(&client, &chosen.region)?,
        has_had_credentials: AtomicBool::new(false),
        region: chosen.region,
        url: endpoint.bucket_url,
        timeout: options.timeout,
    })
}

/// What sends the requests to the bucket. It follows no redirects: a signature is for one host, and a write must
/// not go where nobody meant it to.
fn http_client(options: &StoreOptions, is_http: bool) -> Result<reqwest::Client, OpenError> {
    // Time-outs are ours: they must not count the time that a large body takes.
    let mut client = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        // One connection for all requests would be one that a firewall can forget.
        .http1_only()
        .redirect(reqwest::redirect::Policy::none())
        .https_only(!allows_http(options, is_http))
        .connect_timeout(connect_timeout(options));
    if let Some(proxy) = &options.proxy {
        let proxy = reqwest::Proxy::all(proxy);
        client = client.proxy(proxy.map_err(|error| wrong("proxy", chain(&error)))?);
    }
    if let Some(pem) = ca_file(options)? {
        let certificates = reqwest::Certificate::from_pem_bundle(&pem);
        client = client.tls_certs_merge(certificates.map_err(|error| wrong("ca_file", chain(&error)))?);
    }
    client.build().map_err(|error| wrong("proxy", chain(&error)))
}

/// The same for what asks for credentials.
fn client_options(options: &StoreOptions, is_http: bool) -> Result<ClientOptions, OpenError> {
    let mut client = ClientOptions::new()
        .with_user_agent(HeaderValue::from_static(USER_AGENT))
        .with_allow_http(allows_http(options, is_http))
        .with_connect_timeout(connect_timeout(options))
        .with_timeout_disabled()
        .with_read_timeout_disabled();
    if let Some(proxy) = &options.proxy {
        client = client.with_proxy_url(proxy);
    }
    if let Some(pem) = ca_file(options)? {
        let certificates =
            Certificate::from_pem_bundle(&pem).map_err(|error| wrong("ca_file", chain(&error)))?;
        if certificates.is_empty() {
            let path = options.ca_file.as_ref().expect("it was read").display();
            return Err(wrong("ca_file", format!("{path} has no certificate")));
        }
        client = certificates.into_iter().fold(client, ClientOptions::with_root_certificate);
    }
    Ok(client)
}

fn allows_http(options: &StoreOptions, is_http: bool) -> bool {
    is_http || options.allow_http == Some(true)
}

/// Shorter than ours, so that a host that does not answer is told from a lost answer.
fn connect_timeout(options: &StoreOptions) -> Duration {
    (options.timeout / 2).min(CONNECT_TIMEOUT_MAX)
}

fn ca_file(options: &StoreOptions) -> Result<Option<Vec<u8>>, OpenError> {
    let read = |path: &std::path::PathBuf| {
        std::fs::read(path).map_err(|error| wrong("ca_file", format!("{}: {error}", path.display())))
    };
    options.ca_file.as_ref().map(read).transpose()
}

fn wrong(key: &'static str, message: String) -> OpenError {
    OpenError::Option { key, message }
}

const USER_AGENT: &str = concat!("walsync/", env!("CARGO_PKG_VERSION"));
const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(10);
