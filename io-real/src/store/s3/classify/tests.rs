//! Every answer that was ever seen, and what it means.

use super::*;

fn meaning(status: u16, code: &str, effect: Effect) -> StoreError {
    let body = match code {
        "" => String::new(),
        code => format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>m</Message></Error>"),
    };
    classify(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes(), effect)
}

fn fatal(error: &StoreError) -> Option<Fatal> {
    match error {
        StoreError::Fatal { kind, .. } => Some(*kind),
        _ => None,
    }
}

#[test]
fn a_conflict_is_not_an_object_that_exists() {
    assert_eq!(meaning(409, "ConditionalRequestConflict", Effect::Visible), StoreError::Conflict);
    assert_eq!(meaning(409, "OperationAborted", Effect::Visible), StoreError::Conflict);
    assert_eq!(meaning(409, "ObjectAlreadyExists", Effect::Visible), StoreError::Refused);
    assert_eq!(meaning(412, "PreconditionFailed", Effect::Visible), StoreError::Refused);
    assert_eq!(meaning(412, "", Effect::Visible), StoreError::Refused);
}

#[test]
fn a_servers_trouble_leaves_a_write_unknown_and_a_read_undone() {
    for (status, code) in [(500, "InternalError"), (500, ""), (502, ""), (504, ""), (200, "InternalError")] {
        assert!(
            matches!(meaning(status, code, Effect::Visible), StoreError::Ambiguous(_)),
            "{status} {code}"
        );
        assert!(matches!(meaning(status, code, Effect::None), StoreError::Retryable(_)), "{status} {code}");
    }
}

#[test]
fn slow_down_promises_that_nothing_was_done_and_a_bare_503_does_not() {
    let throttled = StoreError::Throttled { retry_after: None };
    assert_eq!(meaning(503, "SlowDown", Effect::Visible), throttled);
    assert_eq!(meaning(429, "", Effect::Visible), throttled);
    assert_eq!(meaning(503, "", Effect::None), throttled);
    assert!(matches!(meaning(503, "", Effect::Visible), StoreError::Ambiguous(_)));
}

#[test]
fn retry_after_is_passed_on() {
    let headers = HeaderMap::from_iter([(RETRY_AFTER, http::HeaderValue::from_static("7"))]);
    let error = classify(StatusCode::TOO_MANY_REQUESTS, &headers, b"", Effect::Visible);
    assert_eq!(error, StoreError::Throttled { retry_after: Some(Duration::from_secs(7)) });
}

#[test]
fn what_a_person_must_mend_is_told_apart() {
    assert_eq!(fatal(&meaning(403, "", Effect::None)), Some(Fatal::Denied));
    assert_eq!(fatal(&meaning(403, "SignatureDoesNotMatch", Effect::None)), Some(Fatal::Denied));
    assert_eq!(fatal(&meaning(400, "ExpiredToken", Effect::None)), Some(Fatal::Denied));
    assert_eq!(fatal(&meaning(404, "NoSuchBucket", Effect::None)), Some(Fatal::NoBucket));
    assert_eq!(fatal(&meaning(301, "PermanentRedirect", Effect::None)), Some(Fatal::NoBucket));
    assert_eq!(fatal(&meaning(507, "", Effect::Visible)), Some(Fatal::Full));
    assert_eq!(fatal(&meaning(501, "NotImplemented", Effect::Visible)), Some(Fatal::Unsupported));
    assert_eq!(fatal(&meaning(400, "InvalidArgument", Effect::Visible)), Some(Fatal::Unsupported));
    assert_eq!(meaning(404, "NoSuchKey", Effect::None), StoreError::Missing);
    assert_eq!(meaning(404, "", Effect::None), StoreError::Missing);
}

#[test]
fn any_bytes_have_a_meaning() {
    for body in [&b"<Error><Code>"[..], b"\xff\xfe", b"<html>oops</html>", b"{}"] {
        let error = classify(StatusCode::BAD_GATEWAY, &HeaderMap::new(), body, Effect::Visible);
        assert!(matches!(error, StoreError::Ambiguous(_)), "{error:?}");
    }
}
