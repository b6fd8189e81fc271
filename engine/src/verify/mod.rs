//! Whether a place holds what it claims to hold, without IO.
//!
//! ```text
//! key::PlaceListing + Recorded (manifest.json) + Findings
//!    -> inspect   what must still be read: page indexes, whole objects, restored points
//!    -> chain     gaps, links that headers contradict, the claim of the first image
//!    -> index     manifest.json against the objects
//!    -> Report    every problem by name; what is only left over is a note, and no fault
//! ```
//!
//! [`inspect`] is a pure function in the style of [`crate::restore::plan`]: where it lacks facts it answers with
//! [`Step::Need`], the driver reads, adds what it found to its [`Findings`] and asks again. It changes nothing in a store,
//! and does not compare a live database with what is stored.

mod chain;
mod findings;
mod index;
mod inspect;
mod report;

pub use findings::{Depth, Findings, Look, Recorded, Whole};
pub use inspect::{Needs, Step, inspect};
pub use report::{Kind, Problem, Report};

#[cfg(test)]
mod tests;
