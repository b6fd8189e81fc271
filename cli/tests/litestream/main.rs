//! Both ways with the real Litestream: it restores what walsync wrote, walsync restores what it wrote, and each
//! continues a place that the other began. In a directory and on S3, byte for byte.
//!
//! `./test` installs the binary and names it in `LITESTREAM_BIN`; without it these tests fail.
#![allow(clippy::unwrap_used, reason = "a failing test is the report")]

mod compacted;
mod continued;
mod litestream;
mod migrated;
#[path = "../real/mod.rs"]
mod real;
mod restored;
mod scene;
mod source;
