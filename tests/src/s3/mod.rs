//! An S3 server for tests: conditional writes decided under one lock, signatures and checksums checked.
//!
//! ```text
//! client -> HTTP -> server: log, script of faults -> s3s: signatures, XML -> service -> memory
//! ```
//!
//! It starts in milliseconds on a port of its own and forgets everything when dropped. What it leaves out:
//! versions, access lists, encryption (but a customer's key must come with every request for bytes), virtual-hosted addressing.

mod fault;
mod memory;
mod operation;
mod server;
mod service;

pub use fault::{Fault, Rule};
pub use operation::{Operation, RequestRecord};
pub use server::{ACCESS_KEY, S3Server, SECRET_KEY};
