//! What an object store can be told and can answer: facts, not IO.
//!
//! Every answer is one of: done, refused (a condition), missing, throttled, retryable, ambiguous (sent, no
//! answer) and fatal. The engine decides on these words alone; `io-real` and `io-sim` translate into them.

mod error;
mod object;

pub use error::{Fatal, StoreError};
pub use object::{Attributes, Condition, ETag, ObjectMeta, Sha256};
