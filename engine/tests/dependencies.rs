//! The engine's whole dependency tree, name by name: what links into it could bring a clock, a thread or IO.
//!
//! A new name fails this test on purpose: say here why the engine may link it.

#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "the test asks cargo")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Every crate that a normal build of the engine links or runs at compile time, and why.
const ALLOWED: &[(&str, &str)] = &[
    ("engine", "itself"),
    ("bytes", "page and object bytes shared without copies"),
    ("crc-fast", "CRC-64/GO-ISO of pages and files, vectorised"),
    ("crc", "of crc-fast: tables"),
    ("crc-catalog", "of crc: parameters by name"),
    ("spin", "of crc-fast: caches its tables; no thread is started"),
    ("jiff", "months of the calendar, without its clock: that is behind its feature `std`, which is off"),
    ("jiff-core", "of jiff: the arithmetic"),
    ("litetx", "the vocabulary types of LTX, and version 1 files"),
    ("bitflags", "of litetx: header flags"),
    ("lz4_flex", "LZ4 blocks and frames; litetx brings an older one beside ours"),
    ("twox-hash", "of lz4_flex: checksums of LZ4 frames"),
    ("serde", "the manifest's fields"),
    ("serde_core", "of serde"),
    ("serde_derive", "of serde, at compile time"),
    ("serde_json", "the manifest's text"),
    ("itoa", "of serde_json: numbers to text"),
    ("zmij", "of serde_json: floats to text"),
    ("memchr", "of serde_json: strings"),
    ("sha2", "SHA-256 of objects"),
    ("digest", "of sha2 and crc-fast: the hash traits"),
    ("block-buffer", "of sha2"),
    ("crypto-common", "of digest; its random-number features are off"),
    ("generic-array", "of the older digest"),
    ("hybrid-array", "of the newer digest"),
    ("typenum", "of generic-array and hybrid-array"),
    ("const-oid", "of digest"),
    ("cpufeatures", "of sha2: asks the processor for SHA instructions"),
    ("cfg-if", "of sha2 and crc-fast"),
    ("thiserror", "error texts"),
    ("thiserror-impl", "of thiserror, at compile time"),
    ("proc-macro2", "at compile time"),
    ("quote", "at compile time"),
    ("syn", "at compile time"),
    ("unicode-ident", "at compile time"),
];

#[test]
fn engine_links_these_crates_and_no_others() {
    let found = tree(&["--package", "engine"]);
    let allowed: BTreeMap<&str, &str> = ALLOWED.iter().copied().collect();
    assert_eq!(allowed.len(), ALLOWED.len(), "a crate is listed twice");
    let new: Vec<&String> = found.iter().filter(|name| !allowed.contains_key(name.as_str())).collect();
    assert!(new.is_empty(), "the engine links {new:?}: give a reason in this file, or do without");
    let gone: Vec<&str> = allowed.into_keys().filter(|name| !found.contains(*name)).collect();
    assert!(gone.is_empty(), "no longer linked, remove from this file: {gone:?}");
}

/// Names of all crates that cargo links for normal builds, by `cargo tree`, without the network.
fn tree(arguments: &[&str]) -> BTreeSet<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "--offline", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p}"])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs: it runs this test");
    assert!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("crate names are ASCII");
    let names = text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned);
    names.collect()
}
