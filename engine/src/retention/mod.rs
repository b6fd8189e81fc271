//! Which objects of a place go under a policy, and which restore points with them, without IO.
//!
//! ```text
//! key::PlaceListing + restore::Knowledge + Arrivals + Policy + the store's time
//!    -> states    what each object would lead to, and whether that restores (restore::points)
//!    -> promises  which of them the policy keeps
//!    -> chains    where something is wrong: nothing around it goes
//!    -> plan      of each object whether it stays and why, proven with restore::points on what is left
//! ```
//!
//! [`plan`] is a pure function. Where it lacks facts it answers with [`crate::restore::Step::Need`], like planning a
//! restore does. Deleting, in the order of [`Retention::stages`], is the driver's. docs/retention.md has the rules.

mod ages;
mod arrivals;
mod broken;
mod calendar;
mod chains;
mod containers;
mod decide;
mod outcome;
mod plan;
mod policy;
mod promise;
#[cfg(test)]
mod tests;
mod trouble;

pub use arrivals::Arrivals;
pub use calendar::Period;
pub use outcome::{Action, Decision, Delete, Keep, Retention};
pub use plan::plan;
pub use policy::Policy;
pub use promise::Promise;
pub use trouble::Trouble;
