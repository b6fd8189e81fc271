//! From many small objects to few large ones, without IO, clock or randomness.
//!
//! ```text
//! key::PlaceListing + restore::Knowledge + Levels
//!    -> due     when a level wants to be compacted
//!    -> plan    which objects become which, or the headers that are lacking, or why it stops
//!    -> Merge   the bytes of the inputs in, piece by piece; the bytes of the output out
//! ```
//!
//! [`plan`] and [`due`] are pure functions; [`Merge`] is a codec. Fetching, uploading and deleting are the
//! driver's, and who may write to the place at all is `replicate`'s. Snapshots (level 9) are not made here, and
//! what may be deleted afterwards is not decided here. `docs/compaction.md` tells the rules.

mod due;
mod error;
mod heading;
mod input;
mod joint;
mod levels;
mod limits;
mod merge;
mod plan;
mod runs;
mod way;
mod whole;

pub use due::{Pending, due};
pub use error::MergeError;
pub use levels::{Levels, LevelsError};
pub use limits::Limits;
pub use merge::{Merge, Merged, Progress};
pub use plan::{Compaction, End, Plan, Stop, plan};
pub use whole::merge_whole;

#[cfg(test)]
mod tests;
