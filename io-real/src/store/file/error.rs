//! What the file system's errors mean to the engine.

use engine::store::{Fatal, StoreError};
use std::io;
use std::path::Path;

/// The meaning of an error that happened before anything took effect.
pub(super) fn classify(path: &Path, error: &io::Error) -> StoreError {
    let message: Box<str> = format!("{}: {error}", path.display()).into();
    let fatal = |kind| StoreError::Fatal { kind, message: message.clone() };
    match error.kind() {
        io::ErrorKind::NotFound => StoreError::Missing,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => fatal(Fatal::Denied),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => fatal(Fatal::Full),
        io::ErrorKind::NotADirectory => fatal(Fatal::NoBucket),
        io::ErrorKind::InvalidFilename | io::ErrorKind::IsADirectory => fatal(Fatal::Unsupported),
        _ => StoreError::Retryable(message),
    }
}

/// The meaning of an error after the name changed but before the directory was synced: it may or may not
/// survive a power cut.
pub(super) fn ambiguous(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Ambiguous(format!("{}: {error}", path.display()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_must_mend_is_told_apart() {
        for (kind, expected) in [
            (io::ErrorKind::PermissionDenied, Fatal::Denied),
            (io::ErrorKind::ReadOnlyFilesystem, Fatal::Denied),
            (io::ErrorKind::StorageFull, Fatal::Full),
            (io::ErrorKind::QuotaExceeded, Fatal::Full),
            (io::ErrorKind::NotADirectory, Fatal::NoBucket),
        ] {
            let error = classify(Path::new("/store/key"), &kind.into());
            assert!(matches!(error, StoreError::Fatal { kind, .. } if kind == expected), "{kind}: {error:?}");
            assert!(error.to_string().starts_with("/store/key: "));
        }
        assert_eq!(classify(Path::new("x"), &io::ErrorKind::NotFound.into()), StoreError::Missing);
        let other = classify(Path::new("x"), &io::Error::from_raw_os_error(5));
        assert!(matches!(other, StoreError::Retryable(_)), "{other:?}");
    }
}
