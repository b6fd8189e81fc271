//! The workload without SQLite: fleets of databases over weeks and months.
//!
//! ```text
//! seed ──► plan ──► world: applications (page versions), logs (engine::wal::WalWriter), daemons (engine::Fleet),
//!                     │    source jobs, local state in memory, the simulated network and store
//!                     ▼
//!                   oracles: mirror (each slot is a state that was committed), watch (what a daemon may ask for), ...
//! ```
//!
//! What it gives up against the other workload: SQLite itself and the code that talks to it. `source` keeps the contract
//! of io-real's session; the logs are those of the engine's writer, which SQLite reads.

pub mod by_hand;
pub mod custody;
pub mod database;
pub mod image;
pub mod life;
pub mod log;
pub mod mirror;
pub mod mischief;
pub mod page;
pub mod place;
pub mod plan;
pub mod settings;
pub mod sound;
pub mod source;
pub mod state;
pub mod watch;
mod world;

pub use plan::FleetPlan;
pub use settings::FleetSettings;
pub use world::run;
