//! The slot protocol, searched: with all rules no reachable state breaks a promise; without one of them, one
//! does. `.ci/torture` looks at more states with `cargo protocol`.

use sim::protocol::{Failure, Rule, Rules, Scenario, Shown, search};

/// States of each scenario that are looked at: so that all take seconds without optimisation.
const STATES_MAX: usize = 10_000;
/// States within which a mistake must show, or must not.
const MISTAKE_STATES_MAX: usize = 100_000;

#[test]
fn with_all_rules_no_promise_is_broken() {
    for scenario in Scenario::all() {
        let outcome = search(&scenario, &Rules::all(), STATES_MAX);
        println!("{}: {} states, exhausted: {}", scenario.name, outcome.states, outcome.exhausted);
        assert!(outcome.failure.is_none(), "{}: {:#?}", scenario.name, outcome.failure);
    }
}

#[test]
fn each_rule_prevents_a_trace_that_the_document_tells() {
    for rule in Rule::ALL {
        let section = section(*rule);
        let failure = match rule.shown() {
            Shown::In(scenario) => fails_without(&[*rule], scenario),
            Shown::Behind(other, scenario) => {
                let covered = search_without(&[*rule], scenario);
                assert!(covered.is_none(), "{rule} alone is enough to fail: {covered:#?}");
                fails_without(&[*rule, other], scenario)
            }
            Shown::NotShown(reason) => {
                assert!(section.contains("Not shown"), "docs/protocol.md: {rule} is not shown: {reason}");
                continue;
            }
        };
        let end = failure.violation.to_string();
        assert!(section.contains(&end), "docs/protocol.md: the trace of {rule} does not end with: {end}");
    }
}

/// What the document says about a rule.
fn section(rule: Rule) -> &'static str {
    const DOCUMENT: &str = include_str!("../../docs/protocol.md");
    let heading = format!("\n### `{rule}`\n");
    let (_, after) =
        DOCUMENT.split_once(&heading).unwrap_or_else(|| panic!("docs/protocol.md has no section on {rule}"));
    after.split_once("\n### ").map_or(after, |(section, _)| section)
}

fn fails_without(rules: &[Rule], scenario: &str) -> Failure {
    search_without(rules, scenario).unwrap_or_else(|| panic!("{scenario} does not need {rules:?}"))
}

fn search_without(rules: &[Rule], scenario: &str) -> Option<Failure> {
    let scenario = Scenario::named(scenario).unwrap_or_else(|| panic!("no scenario {scenario}"));
    search(&scenario, &Rules::without(rules), MISTAKE_STATES_MAX).failure
}
