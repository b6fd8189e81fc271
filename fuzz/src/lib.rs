//! Arbitrary bytes into everything that reads what others wrote, and into the replication machine.
//!
//! A target takes any bytes and returns; what it must not do is panic or allocate by an unchecked length. Where
//! a law is cheap (decode after encode, two readers that must agree) the target asserts it. `tests/corpus.rs`
//! runs all of them over `corpus/` and mutations of it on every `cargo test`; `fuzz/run` runs the binary
//! `fuzz-target`, one target under libFuzzer.

// There are no unit tests here, and those of the sources below are their crate's.
#![cfg(not(test))]

// The command line's reading of the configuration, as source: its crate would bring the network along, and minutes
// of building.
#[allow(dead_code, unreachable_pub, unused_imports, reason = "the command line uses all of it")]
#[path = "../../cli/src/config/mod.rs"]
mod config;
mod configuration;
#[allow(dead_code, unreachable_pub, unused_imports, reason = "the command line uses all of it")]
#[path = "../../cli/src/exit/mod.rs"]
mod exit;
mod input;
mod ltx;
mod machine;
mod manifest;
mod names;
mod plan;
mod wal;

pub use configuration::configuration;
pub use ltx::{ltx_decoder, ltx_index_tail, ltx_of_a_writer, ltx_read_any};
pub use machine::machine;
pub use manifest::manifest_decode;
pub use names::{object_key_parse, text_parse};
pub use plan::place_listing_and_plan;
pub use wal::{wal_header_and_scanner, wal_index_header, wal_of_a_writer};

/// One way in for outside bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and its folder's below `corpus/`.
    pub name: &'static str,
    /// Takes the bytes; panics when a law is broken.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "wal_header_and_scanner", run: wal_header_and_scanner },
    Target { name: "wal_of_a_writer", run: wal_of_a_writer },
    Target { name: "wal_index_header", run: wal_index_header },
    Target { name: "ltx_decoder", run: ltx_decoder },
    Target { name: "ltx_index_tail", run: ltx_index_tail },
    Target { name: "ltx_of_a_writer", run: ltx_of_a_writer },
    Target { name: "ltx_read_any", run: ltx_read_any },
    Target { name: "object_key_parse", run: object_key_parse },
    Target { name: "place_listing_and_plan", run: place_listing_and_plan },
    Target { name: "manifest_decode", run: manifest_decode },
    Target { name: "text_parse", run: text_parse },
    Target { name: "configuration", run: configuration },
    Target { name: "machine", run: machine },
];
