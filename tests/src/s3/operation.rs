//! What kind of request came in, told from method, path and query alone: the script of faults and the log
//! need it before signatures and XML are looked at.

use http::{HeaderMap, Method, Request};
use percent_encoding::percent_decode_str;

/// The kinds of requests that the server tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    /// `PUT /bucket/key`
    PutObject,
    /// `GET /bucket/key`
    GetObject,
    /// `HEAD /bucket/key`
    HeadObject,
    /// `DELETE /bucket/key`
    DeleteObject,
    /// `POST /bucket?delete`
    DeleteObjects,
    /// `GET /bucket`
    ListObjects,
    /// `POST /bucket/key?uploads`
    CreateUpload,
    /// `PUT /bucket/key?partNumber&uploadId`
    UploadPart,
    /// `POST /bucket/key?uploadId`
    CompleteUpload,
    /// `DELETE /bucket/key?uploadId`
    AbortUpload,
    /// `GET /bucket?uploads`
    ListUploads,
    /// Anything else.
    Other,
}

/// One request, as it arrived.
#[derive(Clone, Debug)]
pub struct RequestRecord {
    /// Its kind.
    pub operation: Operation,
    /// The bucket, from the path.
    pub bucket: String,
    /// The key, decoded; empty for requests to the bucket.
    pub key: String,
    /// The raw query.
    pub query: String,
    /// All headers.
    pub headers: HeaderMap,
}

impl RequestRecord {
    /// Reads a request's kind and names off its head.
    pub(crate) fn of<B>(request: &Request<B>) -> RequestRecord {
        let path = request.uri().path().trim_start_matches('/');
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let query = request.uri().query().unwrap_or("");
        RequestRecord {
            operation: operation(request.method(), !key.is_empty(), query),
            bucket: bucket.to_owned(),
            key: percent_decode_str(key).decode_utf8_lossy().into_owned(),
            query: query.to_owned(),
            headers: request.headers().clone(),
        }
    }
}

fn operation(method: &Method, has_key: bool, query: &str) -> Operation {
    let has = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
    match (method.as_str(), has_key) {
        ("PUT", true) if has("partNumber") => Operation::UploadPart,
        ("PUT", true) => Operation::PutObject,
        ("POST", true) if has("uploads") => Operation::CreateUpload,
        ("POST", true) if has("uploadId") => Operation::CompleteUpload,
        ("POST", false) if has("delete") => Operation::DeleteObjects,
        ("GET", false) if has("uploads") => Operation::ListUploads,
        ("GET", false) => Operation::ListObjects,
        ("GET", true) => Operation::GetObject,
        ("HEAD", true) => Operation::HeadObject,
        ("DELETE", true) if has("uploadId") => Operation::AbortUpload,
        ("DELETE", true) => Operation::DeleteObject,
        _ => Operation::Other,
    }
}
