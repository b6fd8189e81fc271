//! `cargo protocol`: searches the scenarios of the protocol model, or shows the trace that a rule prevents.

#![expect(
    clippy::disallowed_types,
    reason = "the command line tells how long a search took; none depends on it"
)]

use clap::Parser;
use sim::protocol::{Outcome, Rule, Rules, Scenario, search};
use std::process::ExitCode;
use std::time::Instant;

#[derive(Parser)]
#[command(about = "Searches the states of walsync's slot protocol")]
struct Args {
    /// Switch a rule off, and print the shortest trace that then ends badly; may be repeated.
    #[arg(long, value_name = "RULE", value_parser = parse_rule)]
    without: Vec<Rule>,
    /// Only this scenario; may be repeated.
    #[arg(long, value_name = "NAME", value_parser = parse_scenario)]
    scenario: Vec<Scenario>,
    /// States of a scenario that are looked at; those of the largest take 1 kB each.
    #[arg(long, default_value_t = 1_000_000, value_name = "N")]
    states: usize,
    /// Print the rules and the scenarios.
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if args.list {
        list();
        return ExitCode::SUCCESS;
    }
    let rules = Rules::without(&args.without);
    let scenarios = if args.scenario.is_empty() { Scenario::all() } else { args.scenario };
    let mut failed = false;
    for scenario in scenarios {
        let started = Instant::now();
        let outcome = search(&scenario, &rules, args.states);
        let seconds = started.elapsed().as_secs_f64();
        report(scenario.name, &outcome, seconds);
        failed |= outcome.failure.is_some();
    }
    if failed == args.without.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn report(name: &str, outcome: &Outcome, seconds: f64) {
    let how = match (&outcome.failure, outcome.exhausted) {
        (Some(_), _) => "FAILED",
        (None, true) => "exhausted",
        (None, false) => "bounded",
    };
    println!("{name}: {how}, {} states, depth {}, {seconds:.1} s", outcome.states, outcome.depth);
    let Some(failure) = &outcome.failure else { return };
    for (number, step) in (1..).zip(&failure.trace) {
        println!("  {number:2}. {step}");
    }
    println!("  => {}", failure.violation);
}

fn list() {
    for rule in Rule::ALL {
        println!("{rule}: {:?}", rule.shown());
    }
    for scenario in Scenario::all() {
        println!("{}: {}", scenario.name, scenario.about);
    }
}

fn parse_rule(name: &str) -> Result<Rule, String> {
    Rule::named(name).ok_or_else(|| "no such rule; --list names them".to_owned())
}

fn parse_scenario(name: &str) -> Result<Scenario, String> {
    Scenario::named(name).ok_or_else(|| "no such scenario; --list names them".to_owned())
}
