//! A merge of objects that are in memory.

use super::{Merge, MergeError, Merged, Progress};
use crate::key::ObjectKey;
use crate::types::LockByte;

/// Merges whole objects, oldest first; the object and what is known of it.
///
/// # Errors
/// As those of [`Merge`].
///
/// # Panics
/// As [`Merge::new`].
pub fn merge_whole(
    inputs: &[(ObjectKey, &[u8])],
    lock_byte: LockByte,
) -> Result<(Merged, Vec<u8>), MergeError> {
    let keys: Vec<ObjectKey> = inputs.iter().map(|(key, _)| *key).collect();
    let mut left: Vec<&[u8]> = inputs.iter().map(|(_, bytes)| *bytes).collect();
    let mut merge = Merge::new(&keys, lock_byte);
    let mut object = Vec::new();
    loop {
        match merge.poll(&mut object)? {
            Progress::Done(merged) => return Ok((merged, object)),
            Progress::Wrote => {}
            Progress::Needs(input) if left[input].is_empty() => merge.close(input)?,
            Progress::Needs(input) => merge.feed(input, &mut left[input])?,
        }
    }
}
