//! Many seeds: spread over processes, because SQLite's random generator is one per process.

use crate::coverage::Coverage;
use crate::outcome::Outcome;
use crate::panics;
use crate::profile::Profile;
use crate::world::Options;
use engine::mutants::Mutant;
use std::io::{BufRead as _, BufReader};
use std::ops::Range;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Runs one seed in this process.
pub fn run_seed(profile: Profile, seed: u64, options: Options) -> Outcome {
    profile.run(&profile.plan(seed), seed, options)
}

/// What a batch found.
#[derive(Debug, Default)]
pub struct Batch {
    /// Lines of failed seeds, with what was broken.
    pub failures: Vec<String>,
    /// Processes that ended without a result: killed, out of memory. They say nothing about the code under test.
    pub died: Vec<String>,
    /// Every seed's line, by seed.
    pub lines: Vec<(u64, String)>,
    /// What all seeds reached together.
    pub coverage: Coverage,
    /// Simulated time of all seeds.
    pub simulated: Duration,
    /// Events and commands of all engines.
    pub happened: u64,
}

/// More than any image.
pub const KEPT_BYTES: &str = "1000000000";

/// Runs seeds in `jobs` processes of this executable; seed n goes to process n mod `jobs`.
pub fn run_batch(
    profile: Profile,
    seeds: Range<u64>,
    jobs: u64,
    mutant: Option<Mutant>,
) -> std::io::Result<Batch> {
    let executable = std::env::current_exe()?;
    let mut children = Vec::new();
    for job in 0..jobs {
        let mut command = Command::new(&executable);
        command.arg("--worker").args(["--seeds", &format!("{}..{}", seeds.start, seeds.end)]);
        command.args(profile.arguments());
        command.args(["--jobs", &jobs.to_string(), "--job", &job.to_string()]);
        if let Some(mutant) = mutant {
            command.args(["--mutant", mutant.name()]);
        }
        // Images come and go with each statement: memory that goes back to the kernel each time costs a tenth of a run.
        command.envs([("MALLOC_MMAP_THRESHOLD_", KEPT_BYTES), ("MALLOC_TRIM_THRESHOLD_", KEPT_BYTES)]);
        children.push(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?);
    }
    let mut batch = Batch::default();
    for mut child in children {
        let stdout = child.stdout.take().expect("piped");
        let mut why = String::new();
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            if let Some(coverage) = line.strip_prefix("coverage ") {
                batch.coverage.add(&Coverage::parse(coverage));
            } else if let Some(seconds) = line.strip_prefix("simulated ") {
                batch.simulated += Duration::from_secs(seconds.parse().unwrap_or(0));
            } else if let Some(happened) = line.strip_prefix("happened ") {
                batch.happened += happened.parse::<u64>().unwrap_or(0);
            } else if let Some(message) = line.strip_prefix("died ") {
                batch.died.push(message.to_owned());
            } else if let Some(message) = line.strip_prefix("broken ") {
                why = message.to_owned();
            } else if let Some(seed) = seed_of(&line) {
                if line.contains(" FAILED ") {
                    batch.failures.push(format!("{line}: {why}"));
                }
                batch.lines.push((seed, line));
            }
        }
        let status = child.wait()?;
        if !status.success() {
            batch.died.push(format!("a worker ended with {status}"));
        }
    }
    batch.lines.sort();
    Ok(batch)
}

/// Runs every 20th seed once more, in a process of its own.
pub fn same_again(profile: Profile, lines: &[(u64, String)]) -> std::io::Result<bool> {
    let executable = std::env::current_exe()?;
    let mut good = true;
    for (seed, line) in lines.iter().step_by(20) {
        let mut again = Command::new(&executable);
        let again = again.args(["--seed", &seed.to_string()]).args(profile.arguments()).output()?;
        let text = String::from_utf8_lossy(&again.stdout);
        if text.lines().last() != Some(line) {
            println!("seed {seed} differs in another process: {line} / {:?}", text.lines().last());
            good = false;
        }
    }
    println!("determinism: {} seeds ran twice, in two processes", lines.len().div_ceil(20));
    Ok(good)
}

/// The work of one process of a batch.
pub fn work(profile: Profile, seeds: Range<u64>, jobs: u64, job: u64, mutant: Option<Mutant>) {
    panics::are_results();
    let (mut coverage, mut happened) = (Coverage::default(), 0);
    let mut simulated = Duration::ZERO;
    for seed in seeds.filter(|seed| seed % jobs == job) {
        let outcome = run_seed(profile, seed, Options { mutant, keep_events: 0 });
        coverage.add(&outcome.coverage);
        simulated += outcome.simulated;
        happened += outcome.happened;
        if let Some(violation) = &outcome.violation {
            println!("broken {}", violation.to_string().replace('\n', " "));
        }
        println!("{}", outcome.line());
    }
    println!("simulated {}", simulated.as_secs());
    println!("coverage {}", coverage.line());
    println!("happened {happened}");
}

/// How well one mutant is caught.
#[derive(Debug)]
pub struct Grade {
    /// The mutant.
    pub mutant: Mutant,
    /// Seeds that caught it.
    pub caught: usize,
    /// Of these, seeds in which an assertion of the code under test did.
    pub by_panic: usize,
    /// Seeds that were run.
    pub of: usize,
    /// The first seed that caught it.
    pub first: Option<u64>,
    /// The median of the seeds that it takes from one that caught it to the next, where three did at least.
    pub median: Option<u64>,
    /// What the first one said.
    pub why: String,
}

impl Grade {
    /// How many seeds catch it, which is the first, and what it saw.
    pub fn line(&self) -> String {
        let median = self.median.map_or(String::new(), |median| format!(", median {median}"));
        let first = self.first.map_or("never".to_owned(), |seed| format!("first {seed}{median}"));
        let (name, caught, of) = (self.mutant.name(), self.caught, self.of);
        let by_panic =
            if self.by_panic > 0 { format!(", {} by panic", self.by_panic) } else { String::new() };
        format!("{name:32} {caught:3} of {of:3} seeds{by_panic}, {first}  {}", self.why)
    }

    /// Its row in `docs/mutants.md`: name, seeds that caught it, the first of them, the median to the next, the property it
    /// broke.
    pub fn row(&self) -> String {
        let number = |number: Option<u64>| number.map_or("none".to_owned(), |number| number.to_string());
        let (first, median) = (number(self.first), self.median.map_or(String::new(), |m| m.to_string()));
        let property = self.why.split("property=").nth(1).and_then(|rest| rest.split_whitespace().next());
        let by_panic = panics::of_the_code(&self.why).then_some("panic");
        let (name, property) = (self.mutant.name(), by_panic.or(property).unwrap_or("none"));
        format!("| `{name}` | {} of {} | {first} | {median} | {property} |", self.caught, self.of)
    }
}

/// Runs mutants on the seeds, in order, each until a portion of them catches it. A panic of the simulator itself
/// catches nothing.
///
/// # Errors
/// A process that ended without a result.
pub fn grade(
    profile: Profile,
    chosen: Vec<Mutant>,
    seeds: Range<u64>,
    jobs: u64,
) -> std::io::Result<Vec<Grade>> {
    chosen.into_iter().map(|mutant| grade_one(profile, mutant, &seeds, jobs)).collect()
}

fn grade_one(profile: Profile, mutant: Mutant, seeds: &Range<u64>, jobs: u64) -> std::io::Result<Grade> {
    let why = String::new();
    let mut grade = Grade { mutant, caught: 0, by_panic: 0, of: 0, first: None, median: None, why };
    let mut start = seeds.start;
    while start < seeds.end && grade.caught == 0 {
        let end = seeds.end.min(start + PORTION);
        let batch = run_batch(profile, start..end, jobs, Some(mutant))?;
        if let Some(died) = batch.died.first() {
            return Err(std::io::Error::other(format!("{}, seeds {start}..{end}: {died}", mutant.name())));
        }
        let mut caught: Vec<&String> =
            batch.failures.iter().filter(|line| !panics::of_the_simulator(line)).collect();
        // A seed that fails without the mutant catches nothing. Of the first one that is certain; the others are counted.
        caught.sort_by_key(|line| seed_of(line));
        while let Some(seed) = caught.first().and_then(|line| seed_of(line))
            && !passes(profile, seed)?
        {
            caught.remove(0);
        }
        grade.caught = caught.len();
        grade.by_panic = caught.iter().filter(|line| panics::of_the_code(line)).count();
        grade.of += batch.lines.len();
        let numbers: Vec<u64> = caught.iter().filter_map(|line| seed_of(line)).collect();
        grade.first = numbers.first().copied();
        grade.median = median_gap(seeds.start, &numbers);
        grade.why = caught.into_iter().next().cloned().unwrap_or_default();
        start = end;
    }
    Ok(grade)
}

/// Whether a seed passes without a mutant.
fn passes(profile: Profile, seed: u64) -> std::io::Result<bool> {
    let batch = run_batch(profile, seed..seed + 1, 1, None)?;
    match batch.died.first() {
        Some(died) => Err(std::io::Error::other(format!("seed {seed} without the mutant: {died}"))),
        None => Ok(batch.failures.is_empty()),
    }
}

/// Seeds that are run before looking whether one of them has caught the mutant.
const PORTION: u64 = 50;

/// The command that runs the seed of a line again.
pub fn again(profile: Profile, line: &str) -> Option<String> {
    let seed = format!("--seed {}", seed_of(line)?);
    Some([vec!["cargo sim".to_owned(), seed], profile.arguments()].concat().join(" "))
}

/// The median distance from one to the next of ascending numbers, the first counted from `start`; of three at least, because
/// who looks until somebody is found sees short distances.
fn median_gap(start: u64, numbers: &[u64]) -> Option<u64> {
    let befores = std::iter::once(start.wrapping_sub(1)).chain(numbers.iter().copied());
    let mut gaps: Vec<u64> =
        numbers.iter().zip(befores).map(|(number, before)| number.wrapping_sub(before)).collect();
    gaps.sort_unstable();
    gaps.get(gaps.len() / 2).copied().filter(|_| gaps.len() >= 3)
}

fn seed_of(line: &str) -> Option<u64> {
    line.strip_prefix("seed ")?.split_whitespace().next()?.parse().ok()
}

/// Reads `A..B`.
///
/// # Errors
/// What is wrong with it.
pub fn parse_range(text: &str) -> Result<Range<u64>, String> {
    let (start, end) = text.split_once("..").ok_or("write A..B")?;
    let number = |part: &str| part.parse::<u64>().map_err(|error| format!("{part}: {error}"));
    let range = number(start)?..number(end)?;
    if range.is_empty() { Err("A must be below B".to_owned()) } else { Ok(range) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_names_its_command() {
        let line = "seed 12 FAILED property=1 trace=00";
        assert_eq!(again(Profile::default(), line).as_deref(), Some("cargo sim --seed 12"));
        assert_eq!(again(Profile::Archive, line).as_deref(), Some("cargo sim --seed 12 --profile archive"));
        assert_eq!(again(Profile::default(), "nothing"), None);
    }

    #[test]
    fn median_counts_seeds_from_one_catch_to_the_next() {
        assert_eq!(median_gap(0, &[]), None);
        assert_eq!(median_gap(0, &[3, 9]), None);
        assert_eq!(median_gap(0, &[0, 1, 2]), Some(1));
        assert_eq!(median_gap(100, &[101, 121, 124]), Some(3));
    }
}
