//! What keeps a place in shape while it is followed: compaction and retention.
//!
//! ```text
//! slots that were confirmed -> schedule   when a level, or retention, is due
//!    -> a listing, which is a head check  (follow/listing)
//!    -> compacting  plan, merge, complete, read back; level by level, from the lowest up
//!    -> retaining   manifest, plan, prove what makes up for what goes, delete, write the index
//! ```
//!
//! What is merged and what goes is planned by [`crate::compact`] and [`crate::retention`], which are pure; here is the order in
//! which it is done, and what an answer means. Nothing that is followed waits for it, but the one slot that a listing
//! holds up.

mod compacting;
mod config;
mod index;
mod machine;
mod merging;
mod outcome;
mod reads;
mod retaining;
mod schedule;
mod solo;
mod versions;

pub use config::UpkeepConfig;
pub(super) use machine::{Listed, Upkeep};
pub use outcome::Outcome;
pub use solo::{Solo, SoloOutput, Task};
