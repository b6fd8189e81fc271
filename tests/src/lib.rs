//! The real parts that end-to-end tests run against.
//!
//! [`s3`] is an S3 server inside the test's own process: real HTTP, real signatures, objects in memory, and a
//! script of the ways in which object storage goes wrong. [`sequence`] makes numbers that are the same in each run.

pub mod s3;
pub mod sequence;
