//! What an answer other than success means to the engine.

use super::request::{Effect, unknown};
use super::xml::ErrorDocument;
use engine::store::{Fatal, StoreError};
use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use std::time::Duration;

/// The meaning of an answer that is an error. The code decides where there is one that is known: a 409 can
/// be a conflict or an object that exists, a 404 a missing object or a missing bucket.
pub(super) fn classify(status: StatusCode, headers: &HeaderMap, body: &[u8], effect: Effect) -> StoreError {
    let document = std::str::from_utf8(body).ok().and_then(|text| quick_xml::de::from_str(text).ok());
    let document: ErrorDocument = document.unwrap_or_default();
    let retry_after = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let retry_after = retry_after.map(Duration::from_secs);
    let message = describe(status, &document, headers);
    by_code(&document.code, &message, retry_after, effect)
        .unwrap_or_else(|| by_status(status, &document.code, &message, retry_after, effect))
}

/// The meaning of one key's error inside a successful DeleteObjects answer.
pub(super) fn classify_code(code: &str, message: &str, effect: Effect) -> StoreError {
    let message = format!("{code}: {message}");
    by_code(code, &message, None, effect).unwrap_or_else(|| unknown(effect, message))
}

fn by_code(code: &str, message: &str, retry_after: Option<Duration>, effect: Effect) -> Option<StoreError> {
    let fatal = |kind| StoreError::Fatal { kind, message: message.into() };
    Some(match code {
        "PreconditionFailed" => StoreError::Refused,
        "ConditionalRequestConflict" | "OperationAborted" => StoreError::Conflict,
        "NoSuchKey" | "NoSuchUpload" => StoreError::Missing,
        "NoSuchBucket" | "PermanentRedirect" | "TemporaryRedirect" => fatal(Fatal::NoBucket),
        "SlowDown"
        | "SlowDownRead"
        | "SlowDownWrite"
        | "Throttling"
        | "ThrottlingException"
        | "RequestLimitExceeded"
        | "TooManyRequests" => StoreError::Throttled { retry_after },
        "AccessDenied"
        | "AllAccessDisabled"
        | "AccountProblem"
        | "AuthorizationHeaderMalformed"
        | "ExpiredToken"
        | "InvalidAccessKeyId"
        | "InvalidSecurity"
        | "InvalidToken"
        | "NotSignedUp"
        | "RequestTimeTooSkewed"
        | "SignatureDoesNotMatch"
        | "TokenRefreshRequired" => fatal(Fatal::Denied),
        "InsufficientStorage" | "QuotaExceeded" | "XMinioAdminBucketQuotaExceeded" | "XMinioStorageFull" => {
            fatal(Fatal::Full)
        }
        "NotImplemented" | "MethodNotAllowed" => fatal(Fatal::Unsupported),
        // The request did not arrive whole.
        "BadDigest" | "IncompleteBody" | "RequestTimeout" | "XAmzContentSHA256Mismatch" => {
            StoreError::Retryable(message.into())
        }
        "InternalError" => unknown(effect, message),
        _ => return None,
    })
}

fn by_status(
    status: StatusCode,
    code: &str,
    message: &str,
    retry_after: Option<Duration>,
    effect: Effect,
) -> StoreError {
    let fatal = |kind| StoreError::Fatal { kind, message: message.into() };
    match status.as_u16() {
        // A gateway may give up on a write that goes on behind it; only `SlowDown` promises that it does not.
        503 if effect == Effect::None => StoreError::Throttled { retry_after },
        304 | 412 => StoreError::Refused,
        300..=399 => fatal(Fatal::NoBucket),
        401 | 403 => fatal(Fatal::Denied),
        404 => StoreError::Missing,
        405 | 501 => fatal(Fatal::Unsupported),
        409 if code.contains("Exists") => StoreError::Refused,
        409 => StoreError::Conflict,
        429 => StoreError::Throttled { retry_after },
        507 => fatal(Fatal::Full),
        // A successful status with an error inside, a server's trouble, a time-out.
        200..=299 | 408 | 500.. => unknown(effect, message),
        _ => fatal(Fatal::Unsupported),
    }
}

fn describe(status: StatusCode, document: &ErrorDocument, headers: &HeaderMap) -> String {
    let mut text = match (document.code.as_str(), document.message.as_str()) {
        ("", _) => format!("HTTP {status}"),
        (code, "") => format!("{code} (HTTP {})", status.as_u16()),
        (code, message) => format!("{code}: {message} (HTTP {})", status.as_u16()),
    };
    let region = headers.get("x-amz-bucket-region").and_then(|value| value.to_str().ok());
    if let (true, Some(region)) = (status.is_redirection(), region) {
        text.push_str(&format!("; the bucket is in region {region}"));
    }
    text
}

#[cfg(test)]
mod tests;
