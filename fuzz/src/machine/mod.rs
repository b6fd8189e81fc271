//! The replication machine, driven by bytes: which command is answered next, how, and what happens in between.
//!
//! Database and store are those of the engine's own tests (`engine/tests/replicate`), which keep their promises;
//! `script` takes the trouble out of the bytes, `run` plays it, `laws` says what holds whatever they are. The world
//! of those tests is not used: its answers come in an order of its own.

mod digest;
mod host;
mod laws;
mod run;
mod script;
#[expect(dead_code, reason = "the engine's tests use more of it")]
#[allow(clippy::unwrap_used, reason = "code of tests")]
#[path = "../../../engine/tests/replicate/source.rs"]
mod source;
#[expect(dead_code, reason = "the engine's tests use more of it")]
#[allow(clippy::unwrap_used, reason = "code of tests")]
#[path = "../../../engine/tests/replicate/store.rs"]
mod store;

use run::Run;

/// Plays the bytes as a list of events, and then lets all end well. Some inputs run twice, and must do the same.
pub fn machine(data: &[u8]) {
    let twice = data.len().is_multiple_of(TWICE_EVERY);
    let digest = Run::new(data, twice).play();
    if twice {
        assert_eq!(Run::new(data, true).play(), digest, "the same events give the same commands");
    }
}

const TWICE_EVERY: usize = 8;
