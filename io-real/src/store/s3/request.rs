//! One request: signed, sent once, its answer read and classified.

use super::attributes::read_date;
use super::classify::classify;
use bytes::{Bytes, BytesMut};
use engine::store::{Fatal, Sha256, StoreError};
use engine::types::Timestamp;
use futures::StreamExt as _;
use http::{HeaderMap, Method, Request, StatusCode};
use object_store::aws::{AwsAuthorizer, AwsCredentialProvider};
use object_store::client::{HttpClient, HttpError, HttpErrorKind, HttpRequestBody, HttpResponseBody};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What it would mean if a request took effect although its answer is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing that anybody sees: reads, parts of an upload.
    None,
    /// An object appears, changes or goes away.
    Visible,
}

/// A request to a bucket.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    /// The whole key, or empty for the bucket itself.
    pub(super) key: String,
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// SHA-256 of the body, if it is known already.
    pub(super) sha256: Option<Sha256>,
    pub(super) effect: Effect,
    /// More bytes than this in an answer are nonsense.
    pub(super) answer_bytes_max: u64,
    /// More bytes than this in an answer that is a part of an object are nonsense.
    pub(super) part_bytes_max: u64,
}

/// A successful answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// One bucket: its connections, credentials and URL.
#[derive(Debug)]
pub(super) struct Bucket {
    pub(super) http: HttpClient,
    pub(super) credentials: AwsCredentialProvider,
    /// They were given at some time: who gave them is only away.
    pub(super) has_had_credentials: AtomicBool,
    pub(super) region: String,
    /// Without `/` at the end.
    pub(super) url: String,
    pub(super) timeout: Duration,
}

impl Call {
    /// A request without query, headers and body.
    pub(super) fn new(method: Method, key: String, effect: Effect) -> Call {
        Call {
            method,
            key,
            query: Vec::new(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            sha256: None,
            effect,
            answer_bytes_max: DOCUMENT_BYTES_MAX,
            part_bytes_max: 0,
        }
    }

    /// Adds a query parameter.
    pub(super) fn query(mut self, name: &'static str, value: impl Into<String>) -> Call {
        self.query.push((name, value.into()));
        self
    }

    /// Gives it a body.
    pub(super) fn body(mut self, body: impl Into<Bytes>) -> Call {
        self.body = body.into();
        self
    }
}

impl Answer {
    /// The store's clock when it answered.
    pub(super) fn store_time(&self) -> Option<Timestamp> {
        read_date(&self.headers)
    }
}

impl Bucket {
    /// Signs and sends, once. Every answer but success is an error.
    pub(super) async fn send(&self, call: Call) -> Result<Answer, StoreError> {
        let effect = call.effect;
        let (answer_bytes_max, part_bytes_max) = (call.answer_bytes_max, call.part_bytes_max);
        let is_head = call.method == Method::HEAD;
        // A slow line needs its time for a large body.
        let patience = self.timeout + Duration::from_secs(call.body.len() as u64 / LINE_BYTES_PER_SECOND_MIN);
        let request = self.sign(call).await?;
        let response = match tokio::time::timeout(patience, self.http.execute(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(transport(&error, effect)),
            Err(_) => return Err(unknown(effect, format!("no answer within {patience:?}"))),
        };
        let (parts, body) = response.into_parts();
        if !parts.status.is_success() {
            // An error whose text cannot be read still has its status.
            let body = self.read(body, ERROR_BYTES_MAX, Effect::None).await.unwrap_or_default();
            return Err(classify(parts.status, &parts.headers, &body, effect));
        }
        let body = match is_head {
            true => Bytes::new(),
            false => {
                let is_part = parts.status == StatusCode::PARTIAL_CONTENT;
                let bytes_max = if is_part { part_bytes_max } else { answer_bytes_max };
                self.read(body, bytes_max, effect).await?
            }
        };
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }

    async fn sign(&self, call: Call) -> Result<Request<HttpRequestBody>, StoreError> {
        let denied = |message: String| StoreError::Fatal { kind: Fatal::Denied, message: message.into() };
        // Providers give up by themselves, the slowest after some ten seconds.
        let credential = self.credentials.get_credential().await;
        let had = self.has_had_credentials.load(Ordering::Relaxed);
        let credential = credential.map_err(|error| no_credentials(&error, had))?;
        self.has_had_credentials.store(true, Ordering::Relaxed);
        let mut url = self.url.clone();
        if !call.key.is_empty() {
            write!(url, "/{}", utf8_percent_encode(&call.key, PATH)).expect("a string takes any text");
        }
        for (at, (name, value)) in call.query.iter().enumerate() {
            let separator = if at == 0 { '?' } else { '&' };
            write!(url, "{separator}{name}={}", utf8_percent_encode(value, QUERY))
                .expect("a string takes any text");
        }
        let sha256 = call.sha256.unwrap_or_else(|| Sha256::of(&call.body));
        let mut request = Request::new(HttpRequestBody::from(call.body));
        *request.method_mut() = call.method;
        *request.headers_mut() = call.headers;
        *request.uri_mut() = url.parse().map_err(|error| StoreError::Fatal {
            kind: Fatal::Unsupported,
            message: format!("{url}: {error}").into(),
        })?;
        AwsAuthorizer::new(&credential, "s3", &self.region)
            .try_authorize(&mut request, Some(&sha256.0))
            .map_err(|error| denied(chain(&error)))?;
        Ok(request)
    }

    async fn read(
        &self,
        body: HttpResponseBody,
        bytes_max: u64,
        effect: Effect,
    ) -> Result<Bytes, StoreError> {
        let mut chunks = body.bytes_stream();
        let mut whole = BytesMut::new();
        loop {
            let chunk = match tokio::time::timeout(self.timeout, chunks.next()).await {
                Ok(None) => return Ok(whole.freeze()),
                Ok(Some(Ok(chunk))) => chunk,
                Ok(Some(Err(error))) => return Err(unknown(effect, chain(&error))),
                Err(_) => return Err(unknown(effect, format!("the answer stopped for {:?}", self.timeout))),
            };
            if whole.len() as u64 + chunk.len() as u64 > bytes_max {
                return Err(too_much(bytes_max, effect));
            }
            whole.extend_from_slice(&chunk);
        }
    }
}

/// The error of a request whose outcome cannot be told.
pub(super) fn unknown(effect: Effect, message: impl Into<Box<str>>) -> StoreError {
    match effect {
        Effect::None => StoreError::Retryable(message.into()),
        Effect::Visible => StoreError::Ambiguous(message.into()),
    }
}

/// An answer that is longer than anything asked for.
fn too_much(bytes_max: u64, effect: Effect) -> StoreError {
    unknown(effect, format!("the answer has more than {bytes_max} bytes"))
}

/// Only a connection that never was has surely sent nothing.
fn transport(error: &HttpError, effect: Effect) -> StoreError {
    match error.kind() {
        HttpErrorKind::Connect => StoreError::Retryable(chain(error).into()),
        _ => unknown(effect, chain(error)),
    }
}

/// Who cannot be asked now, and has answered before, may be asked again; who says no, or was never there to be asked
/// (a machine that is none of AWS's), is for a person.
fn no_credentials(error: &(dyn std::error::Error + 'static), had: bool) -> StoreError {
    let message: Box<str> = format!("no credentials: {}", chain(error)).into();
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    let is_passing = causes.any(|cause| {
        cause.is::<HttpError>() || PASSING_STATUS.iter().any(|status| cause.to_string().starts_with(status))
    });
    match is_passing && had {
        true => StoreError::Retryable(message),
        false => StoreError::Fatal { kind: Fatal::Denied, message },
    }
}

/// An error and its causes on one line, each said once.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        source = error.source();
    }
    text
}

/// What AWS signs unencoded.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const PATH: &AsciiSet = &QUERY.remove(b'/');

/// A thousand keys of the greatest length, with all that is said about each, are under 4 MiB.
const DOCUMENT_BYTES_MAX: u64 = 16 << 20;
/// How object_store begins the text of an answer after which one may ask again; the type is not public.
const PASSING_STATUS: [&str; 2] =
    ["Server returned non-2xx status code: 5", "Server returned non-2xx status code: 429"];
const ERROR_BYTES_MAX: u64 = 64 << 10;
/// Slower lines are taken for dead.
const LINE_BYTES_PER_SECOND_MIN: u64 = 64 << 10;

#[cfg(test)]
mod tests;
