//! The ports: what the driver asks of the world. `io-real` implements them for real, the simulator for the
//! simulated world; the async driver is generic over them.

mod clock;
mod files;
mod output;
mod source;
mod state;
mod store;
mod work;

pub use clock::Clock;
pub use files::{FileIdentity, FileLock, Files, LockError};
pub use output::{FileKind, OutputFile, OutputFiles};
pub use source::{Source, StagedObject};
pub use state::State;
pub use store::{Body, KeyFilter, Listing, PutDone, Store, Upload};
pub use work::Work;
