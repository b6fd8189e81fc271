//! What the simulation links of io-real: the ports, the SQLite access code and the driver, no network.
//!
//! `--no-default-features --features driver` must stay free of everything that talks to a real network or
//! waits on real file events. `tokio` is there because `madsim-tokio` is a name for it unless the cfg `madsim`
//! is set; of its features only time, sync, macros and the runtimes are on, so it links no reactor (`mio`,
//! `socket2`).

use std::collections::BTreeSet;
use std::process::Command;

/// Every crate of the `driver` build beyond what the engine's own test pins, and why.
const DRIVER: &[(&str, &str)] = &[
    ("io-real", "itself"),
    ("async-trait", "the store port's async methods, at compile time"),
    ("futures", "streams and joins in the driver"),
    ("futures-channel", "of futures"),
    ("futures-core", "of futures"),
    ("futures-io", "of futures"),
    ("futures-macro", "of futures, at compile time"),
    ("futures-sink", "of futures"),
    ("futures-task", "of futures"),
    ("futures-util", "of futures"),
    ("slab", "of futures-util"),
    ("madsim-tokio", "tokio, or its simulation under the cfg `madsim`"),
    ("tokio", "of madsim-tokio: runtimes, timers and channels, no reactor"),
    ("tokio-macros", "of tokio, at compile time"),
    ("pin-project-lite", "of tokio and futures"),
    ("rusqlite", "SQLite"),
    ("libsqlite3-sys", "of rusqlite: the bundled SQLite"),
    ("fallible-iterator", "of rusqlite"),
    ("fallible-streaming-iterator", "of rusqlite"),
    ("hashlink", "of rusqlite: its statement cache"),
    ("hashbrown", "of hashlink"),
    ("foldhash", "of hashbrown"),
    ("smallvec", "of rusqlite"),
    ("rustix", "file identities and locks without libc calls of our own"),
    ("linux-raw-sys", "of rustix"),
    ("tracing", "what is told to the log"),
    ("tracing-core", "of tracing"),
    ("once_cell", "of tracing-core"),
];

/// What must never come in, whatever the list above says.
const FORBIDDEN: &[&str] = &[
    "aws-sigv4",
    "h2",
    "hyper",
    "hyper-util",
    "inotify",
    "mio",
    "notify",
    "object_store",
    "openssl",
    "quinn",
    "rand",
    "reqwest",
    "ring",
    "rustls",
    "socket2",
    "url",
];

#[test]
fn driver_build_links_no_network_and_no_reactor() {
    let found = tree("io-real", &["--no-default-features", "--features", "driver"]);
    let forbidden: Vec<&&str> = FORBIDDEN.iter().filter(|name| found.contains(**name)).collect();
    assert!(forbidden.is_empty(), "the simulation would link {forbidden:?}");
}

#[test]
fn driver_build_links_these_crates_and_no_others() {
    let found = tree("io-real", &["--no-default-features", "--features", "driver"]);
    let engine = tree("engine", &[]);
    let own: BTreeSet<&str> = found.difference(&engine).map(String::as_str).collect();
    let allowed: BTreeSet<&str> = DRIVER.iter().map(|(name, _)| *name).collect();
    let new: Vec<_> = own.difference(&allowed).collect();
    assert!(new.is_empty(), "the driver links {new:?}: give a reason in this file, or do without");
    let gone: Vec<_> = allowed.difference(&own).collect();
    assert!(gone.is_empty(), "no longer linked, remove from this file: {gone:?}");
}

/// Names of all crates that cargo links for normal builds, by `cargo tree`, without the network.
fn tree(package: &str, features: &[&str]) -> BTreeSet<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "--offline", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p}"])
        .args(["--package", package])
        .args(features)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs: it runs this test");
    assert!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("crate names are ASCII");
    let names = text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned);
    names.collect()
}
