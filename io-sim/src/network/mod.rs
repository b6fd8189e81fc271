//! The way between the daemons and the store. A request has two moments: when it acts on the store, which may
//! be after its client has died, and when the answer arrives, which may be never.
//!
//! ```text
//! submit ──► fate drawn ──► acts (0, 1 or 2 times) ──► answer, or the client's time-out ──► poll
//! ```
//!
//! Every request of a living client is answered exactly once. What the answer means is decided here, in the
//! words of `engine::store`: a write without a clear answer is ambiguous, a read is retryable.

mod fate;
mod flight;

pub use flight::{Answered, ClientId, Network, RequestId};

#[cfg(test)]
mod tests;
