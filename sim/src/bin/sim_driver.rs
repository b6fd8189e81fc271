//! `cargo sim-driver`: layer B of the simulation, one seed, many seeds, or its grading by the mutants of the driver.

#![expect(
    clippy::disallowed_types,
    reason = "the command line tells how long a batch took; no run depends on it"
)]

use clap::Parser;
use engine::mutants::Mutant;
use sim::coverage::REQUIRED_OF_THE_DRIVER;
use sim::driver::{DriverSettings, Options, run};
use sim::profile::Profile;
use sim::{mutant, panics, runner};
use std::ops::Range;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

#[derive(Parser)]
#[command(about = "Runs walsync's async driver under madsim, with real SQLite, in a world made from a seed")]
struct Args {
    /// Run one seed, and say everything about it.
    #[arg(long)]
    seed: Option<u64>,
    /// Run the seeds A..B, without B.
    #[arg(long, value_parser = runner::parse_range, value_name = "A..B")]
    seeds: Option<Range<u64>>,
    /// Run fresh seeds for so many minutes; the first one is printed.
    #[arg(long)]
    minutes: Option<f64>,
    /// Seeds that run at one time, each in a process of its own.
    #[arg(long, default_value_t = 2)]
    jobs: u64,
    /// Switch a seeded bug on.
    #[arg(long)]
    mutant: Option<String>,
    /// Grade the simulation: run every mutant of the driver (or that of --mutant) on the seeds, 0..2000 unless told.
    /// Those that sim/mutants-caught.txt names must be caught.
    #[arg(long)]
    mutants: bool,
    /// With --mutants: print the rows of the table in docs/mutants.md.
    #[arg(long, requires = "mutants")]
    markdown: bool,
    /// Print every event.
    #[arg(long)]
    trace: bool,
    /// Demand that the batch reaches every interesting state.
    #[arg(long)]
    coverage: bool,
    /// Run every 20th seed again: the hashes must agree.
    #[arg(long)]
    check_determinism: bool,
    /// Says what a batch needs to know of a seed, and no more.
    #[arg(long, hide = true)]
    brief: bool,
    #[arg(long, hide = true)]
    worker: bool,
    #[arg(long, hide = true, default_value_t = 0)]
    job: u64,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match go(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

type Done = Result<bool, Box<dyn std::error::Error>>;

fn go(args: &Args) -> Done {
    let mutant = match &args.mutant {
        None => None,
        Some(name) => Some(mutant::by_name(name).ok_or_else(|| format!("no mutant is called {name}"))?),
    };
    if let Some(seed) = args.seed {
        return one(seed, args, mutant);
    }
    if args.worker {
        return work(args);
    }
    if args.mutants {
        return grade(args, mutant);
    }
    if let Some(minutes) = args.minutes {
        return for_minutes(minutes, args, mutant);
    }
    let seeds = args.seeds.clone().ok_or("give --seed N, --seeds A..B, --minutes M or --mutants")?;
    batch(seeds, args, mutant)
}

/// Runs one seed, in this process: it must be the only one.
fn one(seed: u64, args: &Args, mutant: Option<Mutant>) -> Done {
    panics::are_results();
    let all = args.trace && !args.brief;
    let keep_events = if all { usize::MAX } else { LAST_EVENTS };
    let outcome = run(seed, Options { mutant, keep_events });
    if !args.brief {
        println!("{:?}", DriverSettings::of_seed(seed));
        if all || outcome.violation.is_some() {
            outcome.events.iter().for_each(|event| println!("{event}"));
        }
    }
    if let Some(violation) = &outcome.violation {
        println!("broken {}", violation.to_string().replace('\n', " "));
        let with = mutant.map(|mutant| format!(" --mutant {}", mutant.name())).unwrap_or_default();
        println!("again: cargo sim-driver --seed {seed}{with}");
    }
    println!("simulated {}", outcome.simulated.as_secs());
    println!("coverage {}", outcome.coverage.line());
    println!("{}", outcome.line());
    Ok(outcome.violation.is_none())
}

/// The work of one of a batch's processes: its seeds one after the other, each in a process of its own.
fn work(args: &Args) -> Done {
    let executable = std::env::current_exe()?;
    let seeds = args.seeds.clone().ok_or("a worker needs seeds")?;
    for seed in seeds.filter(|seed| seed % args.jobs == args.job) {
        let mut command = Command::new(&executable);
        command.args(["--brief", "--seed", &seed.to_string()]);
        // Images come and go: whoever gives their memory back at once asks for it again.
        for limit in ["MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"] {
            command.env(limit, runner::KEPT_BYTES);
        }
        if let Some(mutant) = &args.mutant {
            command.args(["--mutant", mutant]);
        }
        let ended = command.stderr(Stdio::null()).output()?;
        let said = String::from_utf8_lossy(&ended.stdout);
        print!("{said}");
        if !said.lines().any(|line| line.starts_with("seed ")) {
            println!("died the process of seed {seed} ended with {}", ended.status);
        }
    }
    Ok(true)
}

fn batch(seeds: Range<u64>, args: &Args, mutant: Option<Mutant>) -> Done {
    let started = Instant::now();
    let batch = runner::run_batch(Profile::default(), seeds.clone(), args.jobs, mutant)?;
    for failure in batch.failures.iter().chain(&batch.died) {
        println!("{failure}");
    }
    let mut good = batch.failures.is_empty() && batch.died.is_empty();
    if args.check_determinism {
        good &= runner::same_again(Profile::default(), &batch.lines)?;
    }
    println!("reached {}", batch.coverage.line());
    if args.coverage {
        let missing = batch.coverage.missing(REQUIRED_OF_THE_DRIVER);
        if !missing.is_empty() {
            println!("never reached: {missing:?}");
            good = false;
        }
    }
    let (count, seconds) = (batch.lines.len(), started.elapsed().as_secs_f64());
    let failed = batch.failures.len();
    println!("seeds {}..{}: {count} run, {failed} failed, {seconds:.1} s", seeds.start, seeds.end);
    Ok(good && count as u64 == seeds.end - seeds.start)
}

fn for_minutes(minutes: f64, args: &Args, mutant: Option<Mutant>) -> Done {
    let end = Instant::now() + Duration::from_secs_f64(minutes * 60.0);
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let mut next = clock.as_secs() * 1_000_000;
    println!("fresh seeds from {next}");
    let mut good = true;
    while Instant::now() < end {
        good &= batch(next..next + 200, args, mutant)?;
        next += 200;
    }
    Ok(good)
}

fn grade(args: &Args, only: Option<Mutant>) -> Done {
    let chosen = only.map_or_else(|| Mutant::OF_THE_DRIVER.to_vec(), |mutant| vec![mutant]);
    let grades = runner::grade(Profile::default(), chosen, args.seeds.clone().unwrap_or(0..2000), args.jobs)?;
    for grade in &grades {
        println!("{}", if args.markdown { grade.row() } else { grade.line() });
    }
    mutant::judge("driver", &grades, only.is_some())
}

/// Events that a failure prints.
const LAST_EVENTS: usize = 80;
