//! Grading the simulator: each named bug must be caught within a budget of seeds.

use crate::runner::Grade;
use engine::mutants::Mutant;

/// The bug of this name.
pub fn by_name(name: &str) -> Option<Mutant> {
    Mutant::ALL.iter().copied().find(|m| m.name() == name)
}

/// The bugs that layer A runs: neither those of the async driver nor those of what no daemon does yet.
pub fn of_the_loop() -> Vec<Mutant> {
    let elsewhere = [Mutant::OF_THE_DRIVER, Mutant::OF_COMPACTION, Mutant::OF_RETENTION].concat();
    Mutant::ALL.iter().copied().filter(|mutant| !elsewhere.contains(mutant)).collect()
}

/// Says how many were caught and which of those that a workload must catch were not; whether there is no such. The
/// `only` one that was asked for must be caught.
///
/// # Errors
/// The list names a bug that does not exist.
pub fn judge(workload: &str, grades: &[Grade], only: bool) -> Result<bool, Box<dyn std::error::Error>> {
    let must = if only { grades.iter().map(|grade| grade.mutant).collect() } else { must_catch(workload)? };
    let caught = |mutant: Mutant| grades.iter().any(|grade| grade.mutant == mutant && grade.caught > 0);
    let count = grades.iter().filter(|grade| grade.caught > 0).count();
    println!("caught {count} of {} mutants", grades.len());
    let missed: Vec<&str> = must.into_iter().filter(|mutant| !caught(*mutant)).map(Mutant::name).collect();
    for name in &missed {
        println!("not caught, and must be (sim/mutants-caught.txt): {name}");
    }
    Ok(missed.is_empty())
}

/// The bugs that a workload has to catch.
///
/// # Errors
/// The list names a bug that does not exist.
pub fn must_catch(workload: &str) -> Result<Vec<Mutant>, String> {
    let lines = CAUGHT.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let named = lines.filter_map(|line| line.split_once(' ')).filter(|(of, _)| *of == workload);
    named.map(|(_, name)| by_name(name).ok_or_else(|| format!("no mutant is called {name}"))).collect()
}

const CAUGHT: &str = include_str!("../mutants-caught.txt");

#[cfg(test)]
mod tests {
    use super::{CAUGHT, judge, must_catch};
    use crate::runner::Grade;

    #[test]
    fn every_workload_must_catch_mutants_that_exist() {
        let of = |workload| must_catch(workload).unwrap().len();
        let lines = CAUGHT.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).count();
        let all = ["swarm", "fleet", "archive", "driver", "lifecycle"].map(of);
        assert!(all.iter().all(|count| *count > 0));
        assert_eq!(all.iter().sum::<usize>(), lines, "a line of no workload");
    }

    #[test]
    fn one_that_is_no_longer_caught_fails() {
        let grade = |mutant, caught| Grade {
            mutant,
            caught,
            by_panic: 0,
            of: 50,
            first: None,
            median: None,
            why: String::new(),
        };
        let mut grades: Vec<Grade> =
            must_catch("driver").unwrap().into_iter().map(|mutant| grade(mutant, 1)).collect();
        assert!(judge("driver", &grades, false).unwrap());
        grades[0].caught = 0;
        assert!(!judge("driver", &grades, false).unwrap());
    }
}
