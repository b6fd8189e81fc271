//! A panic is a bug in walsync: one line, exit 70, in whatever thread it happens.

use super::{Failure, Kind};
use std::panic::PanicHookInfo;

/// Makes every panic end the process with 70 after one line (JSON if `json`) and a hint on standard error.
///
/// Ending at once, instead of unwinding, keeps a thread that no longer knows its state from acknowledging
/// anything; the next start heals from the store as after any kill.
pub fn install_panic_hook(json: bool) {
    std::panic::set_hook(Box::new(move |info| {
        let failure = describe(info);
        if json {
            eprintln!("{}", failure.to_json());
        } else {
            eprintln!("{failure}");
        }
        std::process::exit(i32::from(Kind::Bug.exit_code()));
    }));
}

fn describe(info: &PanicHookInfo<'_>) -> Failure {
    let message = info.payload_as_str().unwrap_or("a panic without a message");
    let failure = Failure::new(Kind::Bug, format!("a bug in walsync: {message}"));
    match info.location() {
        Some(place) => failure.cause(format!("at {}:{}", place.file(), place.line())),
        None => failure,
    }
}
