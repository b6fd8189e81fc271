//! What SQLite and the system say, in the engine's words.

use super::raw::{self, Failure};
use crate::port::LockError;
use engine::replicate::SourceError;
use rusqlite::{Connection, Error, ffi};
use std::ffi::c_int;
use std::io::ErrorKind;

/// A failed statement.
pub(super) fn from_statement(connection: &Connection, error: Error) -> SourceError {
    match error {
        Error::SqliteFailure(e, message) => from_failure(Failure {
            code: e.extended_code,
            errno: raw::errno(connection),
            message: message.unwrap_or_else(|| ffi::code_to_str(e.extended_code).to_owned()),
        }),
        other => SourceError::Io(other.to_string().into()),
    }
}

/// A failed call.
pub(super) fn from_failure(failure: Failure) -> SourceError {
    let errno = std::io::Error::from_raw_os_error(failure.errno);
    let said = match failure.errno {
        0 => failure.message,
        _ => format!("{} ({errno})", failure.message),
    };
    let text: Box<str> = said.into();
    match failure.code {
        ffi::SQLITE_READONLY_DBMOVED => return SourceError::Replaced(text),
        ffi::SQLITE_CANTOPEN_ISDIR => return SourceError::NotADatabase(text),
        _ => {}
    }
    match failure.code & 0xff {
        ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED | ffi::SQLITE_PROTOCOL => SourceError::Busy,
        ffi::SQLITE_NOTADB | ffi::SQLITE_CORRUPT => SourceError::NotADatabase(text),
        ffi::SQLITE_READONLY | ffi::SQLITE_PERM | ffi::SQLITE_AUTH => SourceError::Denied(text),
        ffi::SQLITE_CANTOPEN => match errno.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => SourceError::Denied(text),
            ErrorKind::NotFound => SourceError::Missing,
            _ => SourceError::Io(text),
        },
        _ => SourceError::Io(text),
    }
}

/// A bare result code of a file method.
pub(super) fn from_code(code: c_int) -> SourceError {
    from_failure(Failure { code, errno: 0, message: ffi::code_to_str(code).to_owned() })
}

/// The file system's answer about a path.
pub(super) fn from_system(what: &str, error: &std::io::Error) -> SourceError {
    match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            SourceError::Denied(format!("{what}: {error}").into())
        }
        ErrorKind::NotFound | ErrorKind::NotADirectory => SourceError::Missing,
        _ => SourceError::Io(format!("{what}: {error}").into()),
    }
}

/// The lock was not taken.
pub(super) fn from_lock(error: LockError) -> SourceError {
    match error {
        LockError::Held { holder } => SourceError::Held(holder.into()),
        LockError::Io(e) => from_system("lock file", &e),
    }
}

/// Says where an error of the last kind came from; the others speak for themselves.
pub(super) fn io(what: &str, error: SourceError) -> SourceError {
    match error {
        SourceError::Io(text) => SourceError::Io(format!("{what}: {text}").into()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: c_int, errno: i32) -> SourceError {
        from_failure(Failure { code, errno, message: "said".to_owned() })
    }

    #[test]
    fn passing_trouble_is_busy() {
        for code in [5, 15, 261, 517, 773, 6] {
            assert_eq!(of(code, 0), SourceError::Busy, "{code}");
        }
    }

    #[test]
    fn errno_tells_why_a_file_cannot_be_opened() {
        assert_eq!(of(14, 13), SourceError::Denied("said (Permission denied (os error 13))".into()));
        assert_eq!(of(14, 2), SourceError::Missing);
        assert!(matches!(of(14, 24), SourceError::Io(_)));
    }

    #[test]
    fn encrypted_and_malformed_are_not_databases() {
        assert_eq!(of(26, 0), SourceError::NotADatabase("said".into()));
        assert_eq!(of(11, 0), SourceError::NotADatabase("said".into()));
    }

    #[test]
    fn write_to_a_moved_file_is_a_replacement() {
        assert_eq!(of(1032, 0), SourceError::Replaced("said".into()));
        assert_eq!(of(8, 0), SourceError::Denied("said".into()));
    }
}
