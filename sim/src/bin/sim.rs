//! `cargo sim`: one seed, many seeds, or the grading of the simulator by its mutants.

#![expect(
    clippy::disallowed_types,
    reason = "the command line tells how long a batch took; no run depends on it"
)]

use clap::Parser;
use engine::mutants::Mutant;
use sim::coverage::Reached;
use sim::outcome::Outcome;
use sim::profile::{AnyPlan, Profile};
use sim::regressions::Regression;
use sim::runner::Batch;
use sim::shrink::shrink;
use sim::world::Options;
use sim::{mutant, panics, runner, timeline};
use std::ops::Range;
use std::process::ExitCode;
use std::time::{Duration, Instant};

#[derive(Parser)]
#[command(about = "Runs walsync's engine and real SQLite in a world made from a seed")]
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
    /// With --minutes: the first of them, instead of one made from the time.
    #[arg(long, value_name = "SEED", requires = "minutes")]
    first_seed: Option<u64>,
    /// What a seed is run as: `swarm` (real SQLite), `fleet` (many databases, months, no SQLite) or `archive` (restores of
    /// what many programs wrote).
    #[arg(long, default_value = "swarm", value_parser = parse_profile)]
    profile: Profile,
    /// With --profile fleet: so many databases, up to 10000.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    databases: Option<u32>,
    /// Processes to spread seeds over.
    #[arg(long, default_value_t = 2)]
    jobs: u64,
    /// Replay a plan from this file instead of the seed's own.
    #[arg(long)]
    plan: Option<std::path::PathBuf>,
    /// Write the seed's plan to this file.
    #[arg(long)]
    write_plan: Option<std::path::PathBuf>,
    /// Make the plan of a failed run shorter, and write it to a file that --plan replays. On its own where the
    /// seed's own plan fails.
    #[arg(long)]
    shrink: bool,
    /// Draw the run as a timeline, a page for a browser.
    #[arg(long, value_name = "FILE")]
    html: Option<std::path::PathBuf>,
    /// Switch a seeded bug on.
    #[arg(long)]
    mutant: Option<String>,
    /// Run everything in sim/regressions.
    #[arg(long)]
    regressions: bool,
    /// Grade the simulator: run every mutant (or that of --mutant) on the seeds, 0..400 unless told. Those that
    /// sim/mutants-caught.txt names must be caught.
    #[arg(long)]
    mutants: bool,
    /// With --mutants: run those only that sim/mutants-caught.txt names for the workload.
    #[arg(long, requires = "mutants")]
    listed: bool,
    /// With --mutants: print the rows of the table in docs/mutants.md.
    #[arg(long, requires = "mutants")]
    markdown: bool,
    /// Print every event.
    #[arg(long)]
    trace: bool,
    /// Demand that the batch reaches every interesting state.
    #[arg(long)]
    coverage: bool,
    /// Run every 20th seed again, in another process: the hashes must agree.
    #[arg(long)]
    check_determinism: bool,
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

fn go(args: &Args) -> Result<bool, Box<dyn std::error::Error>> {
    let mutant = match &args.mutant {
        None => None,
        Some(name) => Some(mutant::by_name(name).ok_or_else(|| format!("no mutant is called {name}"))?),
    };
    if args.worker {
        let seeds = args.seeds.clone().ok_or("a worker needs seeds")?;
        runner::work(args.profile(), seeds, args.jobs, args.job, mutant);
        return Ok(true);
    }
    if args.regressions {
        return regress(mutant);
    }
    if args.mutants {
        let seeds = args.seeds.clone().unwrap_or(0..400);
        return grade(seeds, args);
    }
    if let Some(seed) = args.seed {
        return one(seed, args, mutant);
    }
    if let Some(minutes) = args.minutes {
        return for_minutes(minutes, args, mutant);
    }
    let seeds =
        args.seeds.clone().ok_or("give --seed N, --seeds A..B, --minutes M, --regressions or --mutants")?;
    batch(seeds, args, mutant)
}

fn one(seed: u64, args: &Args, mutant: Option<Mutant>) -> Result<bool, Box<dyn std::error::Error>> {
    let profile = args.profile();
    println!("{}", profile.settings_line(seed));
    let plan = match &args.plan {
        None => profile.plan(seed),
        Some(path) => profile.parse_plan(&std::fs::read_to_string(path)?)?,
    };
    if let Some(path) = &args.write_plan {
        std::fs::write(path, plan.to_json()?)?;
    }
    let keep_events = if args.trace || args.html.is_some() { usize::MAX } else { LAST_EVENTS };
    panics::are_remembered();
    let outcome = profile.run(&plan, seed, Options { mutant, keep_events });
    if let Some(path) = &args.html {
        std::fs::write(path, timeline::html(&outcome, &profile.settings_line(seed)))?;
    }
    report(profile, &outcome, args.trace, mutant);
    if outcome.violation.is_some() && (args.shrink || args.plan.is_none()) {
        make_shorter(profile, &plan, mutant)?;
    }
    println!("{}", outcome.line());
    Ok(outcome.violation.is_none())
}

/// Writes what is left of a failing plan to a file.
fn make_shorter(
    profile: Profile,
    plan: &AnyPlan,
    mutant: Option<Mutant>,
) -> Result<(), Box<dyn std::error::Error>> {
    panics::are_results();
    let Some(shrunk) = shrink(profile, plan, mutant, SHRINK_RUNS_MAX) else { return Ok(()) };
    let path = std::env::temp_dir().join(format!("walsync-sim-{}.json", plan.seed()));
    std::fs::write(&path, shrunk.plan.to_json()?)?;
    let (from, to, runs) = (plan.steps(), shrunk.plan.steps(), shrunk.runs);
    let with = profile_arguments(profile) + &with_mutant(mutant);
    println!("shorter: {from} steps became {to} in {runs} runs; {}", shrunk.violation);
    println!("again: cargo sim --seed {} --plan {}{with}", plan.seed(), path.display());
    Ok(())
}

fn profile_arguments(profile: Profile) -> String {
    profile.arguments().iter().map(|argument| format!(" {argument}")).collect()
}

fn with_mutant(mutant: Option<Mutant>) -> String {
    mutant.map(|m| format!(" --mutant {}", m.name())).unwrap_or_default()
}

fn report(profile: Profile, outcome: &Outcome, all: bool, mutant: Option<Mutant>) {
    if all || outcome.violation.is_some() {
        let skip = if all { 0 } else { outcome.events.len().saturating_sub(LAST_EVENTS) };
        for event in &outcome.events[skip..] {
            println!("{event}");
        }
    }
    if let Some(violation) = &outcome.violation {
        println!("{violation}");
        println!(
            "again: cargo sim --seed {}{}{}",
            outcome.seed,
            profile_arguments(profile),
            with_mutant(mutant)
        );
    }
    println!("reached {}", outcome.coverage.line());
}

fn batch(seeds: Range<u64>, args: &Args, mutant: Option<Mutant>) -> Result<bool, Box<dyn std::error::Error>> {
    let started = Instant::now();
    let batch = runner::run_batch(args.profile(), seeds.clone(), args.jobs, mutant)?;
    for failure in &batch.failures {
        println!("{failure}");
        if let Some(command) = runner::again(args.profile(), failure) {
            println!("again: {command}{}", with_mutant(mutant));
        }
    }
    batch.died.iter().for_each(|died| println!("{died}"));
    let mut good = batch.failures.is_empty() && batch.died.is_empty();
    if args.check_determinism {
        good &= runner::same_again(args.profile(), &batch.lines)?;
    }
    println!("reached {}", batch.coverage.line());
    if args.coverage {
        let missing = batch.coverage.missing(args.profile().required());
        if !missing.is_empty() {
            println!("never reached: {missing:?}");
            good = false;
        }
    }
    let (count, seconds) = (batch.lines.len(), started.elapsed().as_secs_f64());
    let failed = batch.failures.len();
    println!("{}", rates(&batch, seconds * args.jobs as f64));
    println!("seeds {}..{}: {count} run, {failed} failed, {seconds:.1} s", seeds.start, seeds.end);
    let complete = count as u64 == seeds.end - seeds.start;
    Ok(good && complete)
}

/// What one process does in a second.
fn rates(batch: &Batch, process_seconds: f64) -> String {
    let of = |states: &[Reached]| {
        states.iter().map(|state| batch.coverage.count(*state)).sum::<u64>() as f64 / process_seconds
    };
    let commits = of(&[Reached::Commit]);
    let recoveries = of(&[Reached::DaemonKilled, Reached::ApplicationKilled, Reached::PowerCut]);
    let simulated = batch.simulated.as_secs_f64() / process_seconds;
    let happened = match batch.happened {
        0 => String::new(),
        happened => format!(", {:.0} events and commands", happened as f64 / process_seconds),
    };
    format!(
        "per process and second: {commits:.0} commits, {recoveries:.0} recoveries, {simulated:.0} simulated seconds{happened}"
    )
}

fn for_minutes(
    minutes: f64,
    args: &Args,
    mutant: Option<Mutant>,
) -> Result<bool, Box<dyn std::error::Error>> {
    let end = Instant::now() + Duration::from_secs_f64(minutes * 60.0);
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let mut next = args.first_seed.unwrap_or(clock.as_secs() * 1_000_000);
    println!("fresh seeds from {next}");
    let mut good = true;
    while Instant::now() < end {
        good &= batch(next..next + 100, args, mutant)?;
        next += 100;
    }
    Ok(good)
}

fn grade(seeds: Range<u64>, args: &Args) -> Result<bool, Box<dyn std::error::Error>> {
    let chosen = match &args.mutant {
        Some(name) => mutant::by_name(name).into_iter().collect(),
        None if args.listed => mutant::must_catch(args.profile().name())?,
        None => mutant::of_the_loop(),
    };
    let grades = runner::grade(args.profile(), chosen, seeds, args.jobs)?;
    for grade in &grades {
        println!("{}", if args.markdown { grade.row() } else { grade.line() });
    }
    mutant::judge(args.profile().name(), &grades, args.mutant.is_some())
}

/// Runs what has failed before. The process is shared: these are few, and each starts its own SQLite run.
fn regress(mutant: Option<Mutant>) -> Result<bool, Box<dyn std::error::Error>> {
    let regressions = Regression::all()?;
    let mut failed = 0;
    for regression in &regressions {
        let profile = regression.profile;
        let outcome =
            profile.run(&regression.plan(), regression.seed, Options { mutant, keep_events: LAST_EVENTS });
        println!("{}: {}", regression.name, outcome.line());
        if outcome.violation.is_some() {
            println!("its cause was: {}", regression.cause);
            report(profile, &outcome, false, mutant);
            failed += 1;
        }
    }
    println!("regressions: {} run, {failed} failed", regressions.len());
    Ok(failed == 0)
}

impl Args {
    fn profile(&self) -> Profile {
        match self.profile {
            profile @ (Profile::Swarm | Profile::Archive | Profile::Lifecycle { .. }) => profile,
            Profile::Fleet { .. } => Profile::Fleet { databases: self.databases.map(|count| count as usize) },
        }
    }
}

fn parse_profile(name: &str) -> Result<Profile, String> {
    Profile::by_name(name)
        .ok_or_else(|| "there are `swarm`, `fleet`, `lifecycle`, `two-writers` and `archive`".to_owned())
}

/// Half a minute, mostly.
const SHRINK_RUNS_MAX: u32 = 400;
/// Events that a failure prints.
const LAST_EVENTS: usize = 80;
