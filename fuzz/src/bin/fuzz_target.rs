//! One target under libFuzzer, chosen by the environment variable `FUZZ_TARGET` (the first without it).
//! `fuzz/run` builds it, with LLVM's coverage passes, and calls it.

#![no_main]

use fuzz::{TARGETS, Target};
use std::sync::LazyLock;

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let Ok(name) = std::env::var("FUZZ_TARGET") else { return TARGETS[0] };
    let target = TARGETS.iter().find(|target| target.name == name);
    *target.unwrap_or_else(|| {
        panic!("no target `{name}`; there are {:?}", TARGETS.iter().map(|t| t.name).collect::<Vec<_>>())
    })
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    (TARGET.run)(data);
});
