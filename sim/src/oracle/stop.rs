//! Property 29 of an orderly end: it leaves out nothing that was committed before it was asked for, says so when it
//! must, and has a reason then.

use super::states::States;
use crate::outcome::Violation;

/// An end that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The states that the application had gone through then.
    pub states: usize,
}

/// Checked when a daemon says that it has ended. `troubles`: what the daemon told in this life of trouble with store,
/// source or state.
pub fn check(
    asked: Option<Asked>,
    complete: bool,
    states: &States,
    fenced: bool,
    troubles: u64,
) -> Result<(), Violation> {
    if fenced {
        return Ok(());
    }
    let everything = asked.is_none_or(|asked| states.reached(asked.states));
    match (complete, everything) {
        (true, false) => {
            let message = "an orderly end left out what was committed before it was asked for";
            Err(Violation::new(29, message))
        }
        // What is committed after the request need not be waited for.
        (false, _) if troubles == 0 && asked.is_none_or(|asked| asked.states == states.len()) => {
            Err(Violation::new(29, "an orderly end is not complete, and nothing was in its way"))
        }
        _ => Ok(()),
    }
}
