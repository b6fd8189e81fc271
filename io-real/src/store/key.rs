//! Which texts are keys. The same rule for every kind of store, so that a key that one takes all take.

use engine::store::{Fatal, StoreError};

/// A key is relative, has no empty part and no part `.` or `..` (a directory would be left), no control
/// character and at most [`KEY_BYTES_MAX`] bytes.
pub(super) fn check_key(key: &str) -> Result<(), StoreError> {
    let legal = key.len() <= KEY_BYTES_MAX
        && key.split('/').all(|part| !matches!(part, "" | "." | ".."))
        && !key.chars().any(char::is_control);
    if legal { Ok(()) } else { Err(unsupported(format!("`{}` is not a key", key.escape_debug()))) }
}

/// A listing's prefix is empty, or a key followed by `/`.
pub(super) fn check_prefix(prefix: &str) -> Result<(), StoreError> {
    match prefix.strip_suffix('/') {
        Some(folder) => check_key(folder),
        None if prefix.is_empty() => Ok(()),
        None => Err(unsupported(format!("`{}` does not end in `/`", prefix.escape_debug()))),
    }
}

/// A request that no store can serve.
pub(super) fn unsupported(message: impl Into<Box<str>>) -> StoreError {
    StoreError::Fatal { kind: Fatal::Unsupported, message: message.into() }
}

/// Objects that are asked for whole are documents of ours, which are far smaller; so is what a store without ranges
/// may send instead of a part.
pub(super) const WHOLE_BYTES_MAX: u64 = 64 << 20;

/// S3's limit.
const KEY_BYTES_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_never_leave_the_store() {
        for key in ["a", "a/b.ltx", "0000/x", "ü b"] {
            assert_eq!(check_key(key), Ok(()), "{key}");
        }
        for key in ["", "/a", "a/", "a//b", "..", "a/../b", "./a", "a\nb", &"k".repeat(1025)] {
            assert!(check_key(key).is_err(), "{key}");
        }
    }

    #[test]
    fn prefixes_end_in_a_slash() {
        assert_eq!(check_prefix(""), Ok(()));
        assert_eq!(check_prefix("a/b/"), Ok(()));
        for prefix in ["a", "/", "a//", "../"] {
            assert!(check_prefix(prefix).is_err(), "{prefix}");
        }
    }
}
