//! Whether what a store holds is what it claims to be: the reads for `engine::verify`.
//!
//! ```text
//! Verifier   one place: again from the start where manifest.json was rewritten meanwhile
//!   -> Pass      listing, manifest, findings; carries the engine's needs to `restore`'s reading code
//! ```
//!
//! What is a fault, and what must be read to know, is the engine's decision. Nothing here writes to a store, and nothing
//! stays on the disk.

mod pass;
mod verifier;

pub use verifier::{Verified, Verifier};
