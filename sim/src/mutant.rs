//! Grading the simulator: each named bug must be caught within a budget of seeds.

use engine::mutants::Mutant;

/// The bug of this name.
pub fn by_name(name: &str) -> Option<Mutant> {
    Mutant::ALL.iter().copied().find(|m| m.name() == name)
}

/// The bugs of everything but the async driver: layer A's.
pub fn of_the_loop() -> Vec<Mutant> {
    Mutant::ALL.iter().copied().filter(|mutant| !Mutant::OF_THE_DRIVER.contains(mutant)).collect()
}
