//! The laws of the target `machine` see what they are for: with a bug switched on, some input of the corpus breaks one.

use engine::mutants::{Mutant, set_mutant};
use std::panic::catch_unwind;
use std::path::Path;

#[test]
fn every_law_is_broken_by_a_mutant() {
    for (mutant, law) in [
        (Mutant::DurableAtSend, "is called durable"),
        (Mutant::AmbiguousTakenForDone, "is called durable"),
        (Mutant::NoPendingRecord, "before its record is durable"),
        (Mutant::StopWithoutDraining, "left something out"),
    ] {
        let broken = broken_with(mutant);
        assert!(broken.iter().any(|message| message.contains(law)), "{mutant:?} broke no law: {broken:?}");
    }
}

/// What the inputs of the corpus say with this bug.
fn broken_with(mutant: Mutant) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/machine");
    let entries = std::fs::read_dir(folder).expect("the target has a corpus");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
    paths.sort();
    let mut broken = Vec::new();
    set_mutant(Some(mutant));
    for path in paths {
        let input = std::fs::read(path).expect("readable");
        if let Err(panic) = catch_unwind(|| fuzz::machine(&input)) {
            let message = panic.downcast_ref::<String>().cloned();
            broken.push(message.unwrap_or_else(|| panic.downcast_ref::<&str>().unwrap_or(&"").to_string()));
        }
    }
    set_mutant(None);
    broken
}
