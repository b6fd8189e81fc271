//! The replication machine without SQLite, network or clock: its promises, one scripted story each, and under
//! random trouble.

#![allow(clippy::unwrap_used, reason = "a test's helpers are tests")]

mod belt;
mod continuity;
mod fencing;
mod following;
mod foreign;
mod manifest;
mod migration;
mod pauses;
mod random;
mod reconfigured;
mod restored;
mod retained;
mod snapshot;
mod solo;
mod source;
mod stopping;
mod store;
mod syncing;
mod trouble;
mod unconditional;
mod upkeep;
mod world;
