//! From "I want the database as of ..." to page writes, without IO.
//!
//! ```text
//! key::PlaceListing + Knowledge + Target
//!    -> points   every TXID that restores, by names and by what is known of the objects
//!    -> target   the one that is meant, or why there is none
//!    -> plan     the objects that lead there, every link checked by header
//!    -> apply    each page once, from the newest object that has it, as ranged reads
//! ```
//!
//! [`plan`] and [`points`] are pure functions. Where they lack facts they answer with [`Step::Need`]: the
//! driver fetches these headers or page indexes, adds them to its [`Knowledge`] and asks again. Downloading,
//! decoding and writing are the driver's.

mod apply;
mod error;
mod knowledge;
mod link;
mod page_set;
mod plan;
mod points;
mod reach;
mod reads;
mod target;
#[cfg(test)]
pub(crate) mod world;

pub use apply::{Apply, ApplyError};
pub use error::{Nearest, PlanError, PlanErrorKind, Wanted};
pub use knowledge::{Facts, Knowledge, Needs, Step, is_full_image};
pub use link::Link;
pub use plan::{Plan, PlannedObject, plan};
pub use points::{Point, points};
pub(crate) use reach::{Faults, Reach, is_first_image_unclaimed};
pub use reads::{Fetch, ReadLimits, Reading};
pub use target::Target;
