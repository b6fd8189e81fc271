//! The parts of tests with real processes: the binary under test, and an application in Python that uses the database.
//!
//! Test programs include this with `#[path]`; what a part must do, and what is compared, is theirs.
#![allow(dead_code, reason = "each test program uses its own share")]

pub(crate) mod application;
pub(crate) mod database;
pub(crate) mod walsync;
