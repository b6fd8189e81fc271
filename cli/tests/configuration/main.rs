//! The configuration as users meet it: the real binary, real SQLite writers, a directory as the store.
#![allow(clippy::unwrap_used, reason = "helpers of tests; a failure is a failed test")]

mod coming_and_going;
mod explain;
mod import;
mod reload;
#[path = "../walsync/mod.rs"]
mod walsync;

use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use walsync::{Run, World};

/// Writes `walsync.toml`.
fn configure(world: &World, text: &str) {
    fs::write(world.path("walsync.toml"), text).unwrap();
}

/// Writes it while a daemon runs, and waits until it was read.
fn reload(world: &World, daemon: &mut Run, text: &str) -> Value {
    configure(world, text);
    daemon.signal(Signal::HUP);
    daemon.until("reloaded", |_| true)
}

fn following(daemon: &mut Run, database: &str) {
    daemon.until("status", |line| line["database"] == database && line["state"] == "following");
}

/// Waits for all of them, in whatever order they come.
fn all_following(daemon: &mut Run, databases: &[&str]) {
    let mut left = databases.to_vec();
    while !left.is_empty() {
        let is_left = |line: &Value| left.iter().any(|name| line["database"] == *name);
        let found = daemon.until("status", |line| line["state"] == "following" && is_left(line));
        left.retain(|name| found["database"] != *name);
    }
}

fn databases(names: &[&str]) -> String {
    names.iter().map(|name| format!("[[databases]]\npath = \"{name}\"\n")).collect()
}
