//! Property 33: a seed gives the same run in every process, and a shortened plan replays what it was made from.

use std::process::Command;

fn sim(args: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_sim")).args(args).output().expect("cargo built it");
    (output.status.success(), String::from_utf8(output.stdout).expect("text"))
}

fn last_line(text: &str) -> &str {
    text.lines().last().expect("a result")
}

#[test]
fn same_seed_gives_the_same_trace_in_two_processes() {
    for seed in ["3", "4", "18446744073709551615"] {
        let (first, second) = (sim(&["--seed", seed]), sim(&["--seed", seed]));
        assert!(first.0, "{}", first.1);
        let line = last_line(&first.1);
        assert_eq!(line, last_line(&second.1));
        let trace = line.strip_prefix(&format!("seed {seed} ok trace=")).expect("the line of a run");
        assert!(trace.len() == 64 && trace.bytes().all(|digit| digit.is_ascii_hexdigit()), "{trace}");
    }
}

#[test]
fn fleet_is_the_same_in_two_processes() {
    let args = ["--profile", "fleet", "--databases", "30", "--seed", "11"];
    let (first, second) = (sim(&args), sim(&args));
    assert!(first.0, "{}", first.1);
    assert_eq!(last_line(&first.1), last_line(&second.1));
    assert_ne!(last_line(&first.1), last_line(&sim(&["--profile", "fleet", "--seed", "11"]).1));
}

#[test]
fn watching_a_run_does_not_change_it() {
    let page = std::env::temp_dir().join(format!("walsync-timeline-{}.html", std::process::id()));
    let page_name = page.to_str().expect("text");
    let (quiet, watched) = (sim(&["--seed", "3"]), sim(&["--seed", "3", "--trace", "--html", page_name]));
    assert_eq!(last_line(&quiet.1), last_line(&watched.1));
    let html = std::fs::read_to_string(&page).expect("the timeline");
    std::fs::remove_file(&page).expect("just read");
    assert!(html.contains(last_line(&quiet.1)));
}

#[test]
fn failure_prints_a_shorter_plan_that_breaks_the_same_property() {
    let (passed, text) = sim(&["--seed", "0", "--mutant", "continuity-assumed"]);
    assert!(!passed);
    let again = text.lines().find(|line| line.contains(" --plan ")).expect("how to replay it");
    let args: Vec<&str> = again.strip_prefix("again: cargo sim ").expect("a command").split(' ').collect();
    let (passed, replayed) = sim(&args);
    assert!(!passed);
    let property = |text: &str| last_line(text).split(" trace=").next().map(str::to_owned);
    assert_eq!(property(&replayed), property(&text));
}

#[test]
fn mutant_of_no_name_is_an_error() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_sim")).args(["--seed", "1", "--mutant", "nothing"]).output();
    let output = output.expect("cargo built it");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no mutant is called nothing"));
}
