//! An explicit-state model of docs/design.md section 4: who may write to a place, and what is left of it.
//!
//! ```text
//! scenario ──► state ──► moves (world) ──► state ──► ...     breadth first: the shortest trace that ends badly
//!                          │ look, slot, answer: what writers decide, as the rules say
//!                          ▼
//!                        oracle: what was announced restores, no restore mixes two histories, ...
//! ```
//!
//! Every rule is a name ([`Rule`]) that can be switched off; the search then finds the trace that the rule
//! prevents. `cargo protocol` searches, docs/protocol.md tells the rules and their traces. The model knows
//! nothing of WAL, pages beyond two, times in headers or encryption; and it is not the engine: where it differs
//! from `engine/src/replicate`, docs/protocol.md says so.

pub mod answer;
pub mod look;
pub mod message;
pub mod object;
pub mod oracle;
pub mod restore;
pub mod rule;
pub mod scenario;
pub mod search;
pub mod slot;
pub mod state;
pub mod step;
pub mod store;
pub mod upkeep;
pub mod world;
pub mod writer;

pub use oracle::Violation;
pub use rule::{Rule, Rules, Shown};
pub use scenario::Scenario;
pub use search::{Failure, Outcome, search};
