//! Following: every commit is read under the pin and goes up, slot by slot.
//!
//! `machine` owns the state and routes answers; `slots` decides what goes up when; `pace` decides when to look
//! at the log and when to checkpoint, `drive` what to do when that is not enough; `schedule` when a full image is due,
//! `snapshot` how it is made beside all that; `sync` hurries it on request, `stop` ends it in order.

mod drive;
mod image;
mod let_go;
mod listing;
mod machine;
mod others;
mod pace;
mod schedule;
mod slots;
mod snapshot;
mod standing;
mod stop;
mod sync;

pub(super) use machine::{Follow, FollowEnd, Fresh, Position};
pub(super) use schedule::{LastSnapshot, Schedule};
pub(super) use snapshot::given_up_answered;
