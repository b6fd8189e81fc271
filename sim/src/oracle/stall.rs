//! Property 20: the application does not wait for the daemon, and is told "busy" only where any other open connection
//! would have caused it.

use crate::outcome::Violation;

/// What the application asked of SQLite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statement {
    /// A read or a write like any other.
    Ordinary,
    /// A checkpoint of its own.
    Checkpoint,
    /// The file for itself: EXCLUSIVE locking mode, leaving WAL mode.
    Alone,
}

/// Checked after each statement beside an attached daemon: how long SQLite slept in it, and whether it came back busy.
pub fn check(statement: Statement, slept_us: u64, busy: bool) -> Result<(), Violation> {
    let (slept_us_max, may_be_busy) = match statement {
        Statement::Ordinary => (ORDINARY_SLEEP_US_MAX, false),
        Statement::Checkpoint | Statement::Alone => (ALONE_SLEEP_US_MAX, true),
    };
    if slept_us > slept_us_max || (busy && !may_be_busy) {
        let message = format!("a statement ({statement:?}) waited {slept_us} us, busy: {busy}");
        return Err(Violation::new(20, message));
    }
    Ok(())
}

/// SQLite's own retries when a lock of the wal-index is held for a moment.
const ORDINARY_SLEEP_US_MAX: u64 = 10_000;
/// The application's busy timeout, once for the writers and once for the readers.
const ALONE_SLEEP_US_MAX: u64 = 1_000_000;
