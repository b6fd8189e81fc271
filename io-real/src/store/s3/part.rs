//! Parts of objects: what was asked for, what the answer says it is, what arrived.

use super::attributes::text;
use super::request::{Answer, Effect, unknown};
use crate::port::Body;
use crate::store::key::unsupported;
use engine::store::StoreError;
use http::header::CONTENT_RANGE;
use std::ops::Range;

/// Cuts the part out of an answer that is the whole object: some servers do not know ranges. `came` is the range
/// that the answer says it is.
pub(super) fn whole_or(
    mut body: Body,
    came: &Range<u64>,
    part: impl Fn(u64) -> Range<u64>,
    asked: &Range<u64>,
) -> Result<Body, StoreError> {
    let part = part(body.object_bytes);
    if part.is_empty() {
        return Err(unsupported(format!(
            "nothing of the object's {} bytes is in {asked:?}",
            body.object_bytes
        )));
    }
    let part_bytes = part.end - part.start;
    if *came == (0..body.object_bytes) && part_bytes < body.object_bytes {
        // Both are within the length, which is in memory.
        body.bytes = body.bytes.slice(part.start as usize..part.end as usize);
    } else if *came != part {
        return Err(unknown(Effect::None, format!("the bytes {came:?} came, not {part:?}")));
    }
    assert_eq!(body.bytes.len() as u64, part_bytes, "as long as the range that it is");
    Ok(body)
}

/// `Content-Range: bytes first-last/size`
pub(super) fn content_range(answer: &Answer) -> Option<(Range<u64>, u64)> {
    let described = text(&answer.headers, &CONTENT_RANGE)?.strip_prefix("bytes ")?;
    let (part, size) = described.split_once('/')?;
    let (first, last) = part.split_once('-')?;
    let (first, last, size): (u64, u64, u64) = (first.parse().ok()?, last.parse().ok()?, size.parse().ok()?);
    (first <= last && last < size).then(|| (first..last + 1, size))
}
