//! Where a bucket answers: its URL, from endpoint, region and path style.

use crate::store::OpenError;
use crate::store::options::{PathStyle, StoreOptions};
use url::Url;

/// A bucket's URL, without `/` at the end, and whether it is plain HTTP.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) bucket_url: String,
    pub(super) is_http: bool,
}

impl Endpoint {
    /// Puts the parts together. `endpoint` is the option's or the environment's.
    pub(super) fn of(
        bucket: &str,
        region: &str,
        endpoint: Option<&str>,
        options: &StoreOptions,
    ) -> Result<Endpoint, OpenError> {
        let in_path = match options.path_style {
            PathStyle::Always => true,
            PathStyle::Never => false,
            PathStyle::Auto => endpoint.is_some() || !is_host_label(bucket),
        };
        let Some(endpoint) = endpoint else {
            let bucket_url = match in_path {
                true => format!("https://s3.{region}.amazonaws.com/{bucket}"),
                false => format!("https://{bucket}.s3.{region}.amazonaws.com"),
            };
            return Ok(Endpoint { bucket_url, is_http: false });
        };
        let wrong = |message: String| OpenError::Option { key: "endpoint", message };
        let url = Url::parse(endpoint).map_err(|error| wrong(format!("`{endpoint}`: {error}")))?;
        let is_http = match url.scheme() {
            "http" => true,
            "https" => false,
            _ => return Err(wrong(format!("`{endpoint}` does not begin with http:// or https://"))),
        };
        if is_http && options.allow_http == Some(false) {
            return Err(wrong(format!("`{endpoint}` is not encrypted, and allow_http is false")));
        }
        if !url.username().is_empty() || url.query().is_some() || url.fragment().is_some() {
            return Err(wrong(format!("`{endpoint}` has more than scheme, host, port and path")));
        }
        let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
        let (scheme, path) = (url.scheme(), url.path().trim_end_matches('/'));
        let bucket_url = match in_path {
            true => format!("{scheme}://{authority}{path}/{bucket}"),
            false => format!("{scheme}://{bucket}.{authority}{path}"),
        };
        Ok(Endpoint { bucket_url, is_http })
    }
}

/// Whether the bucket's name can be the first label of a host that AWS's certificate covers.
fn is_host_label(bucket: &str) -> bool {
    (3..=63).contains(&bucket.len())
        && bucket.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(bucket: &str, endpoint: Option<&str>, path_style: PathStyle) -> String {
        let options = StoreOptions { path_style, ..StoreOptions::default() };
        Endpoint::of(bucket, "eu-west-1", endpoint, &options).unwrap().bucket_url
    }

    #[test]
    fn aws_gets_the_bucket_in_the_host_and_others_in_the_path() {
        assert_eq!(url("my-b", None, PathStyle::Auto), "https://my-b.s3.eu-west-1.amazonaws.com");
        assert_eq!(url("my.b", None, PathStyle::Auto), "https://s3.eu-west-1.amazonaws.com/my.b");
        assert_eq!(url("my-b", None, PathStyle::Always), "https://s3.eu-west-1.amazonaws.com/my-b");
        let local = Some("http://127.0.0.1:9000/");
        assert_eq!(url("my-b", local, PathStyle::Auto), "http://127.0.0.1:9000/my-b");
        assert_eq!(url("my-b", Some("https://s3.example/x"), PathStyle::Never), "https://my-b.s3.example/x");
    }

    #[test]
    fn endpoints_that_cannot_be_meant_are_refused() {
        let no_http = StoreOptions { allow_http: Some(false), ..StoreOptions::default() };
        assert!(Endpoint::of("b", "r", Some("http://h"), &no_http).is_err());
        for endpoint in ["127.0.0.1:9000", "localhost:9000", "ftp://h", "https://u:p@h", "https://h?x"] {
            assert!(Endpoint::of("b", "r", Some(endpoint), &StoreOptions::default()).is_err(), "{endpoint}");
        }
    }
}
