//! Every state that can be reached, nearest first: so the first trace that ends badly is one of the shortest.

use super::oracle::Violation;
use super::rule::Rules;
use super::scenario::Scenario;
use super::state::{Model, State};
use super::step::Step;
use std::collections::{BTreeSet, VecDeque};

/// What a search found.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// States that were seen.
    pub states: usize,
    /// Steps to the last of them.
    pub depth: usize,
    /// Whether there are no others; otherwise the bound ended the search, or a violation.
    pub exhausted: bool,
    /// What was broken.
    pub failure: Option<Failure>,
}

/// A trace that ends badly.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What was broken.
    pub violation: Violation,
    /// What happened.
    pub trace: Vec<Step>,
}

/// How a state was reached first: from which, and by which of its moves.
#[derive(Clone, Copy)]
struct Origin {
    from: u32,
    choice: u16,
}

/// Searches until a promise is broken, everything was seen, or `states_max` states were.
pub fn search(scenario: &Scenario, rules: &Rules, states_max: usize) -> Outcome {
    let model = Model { rules: rules.clone(), scenario: scenario.clone() };
    let initial = State::initial(scenario);
    let mut seen = BTreeSet::from([initial.fingerprint()]);
    let mut origins = vec![Origin { from: 0, choice: 0 }];
    let mut waiting = VecDeque::from([(0_u32, 0_usize, initial)]);
    let mut depth = 0;
    while let Some((number, steps, state)) = waiting.pop_front() {
        depth = steps;
        if origins.len() >= states_max {
            return Outcome { states: origins.len(), depth, exhausted: false, failure: None };
        }
        let moves = model.moves(&state);
        let mut found = model.stuck(&state, &moves).map(|violation| (violation, None));
        for (choice, (step, next)) in (0..).zip(moves) {
            if found.is_some() {
                break;
            }
            if let Some(violation) = model.violation(&state, &step, &next) {
                found = Some((violation, Some(choice)));
                break;
            }
            if seen.insert(next.fingerprint()) {
                let next_number = u32::try_from(origins.len()).expect("bounded");
                origins.push(Origin { from: number, choice });
                waiting.push_back((next_number, steps + 1, next));
            }
        }
        if let Some((violation, last)) = found {
            let mut choices = choices(&origins, number);
            choices.extend(last);
            let failure = Some(Failure { violation, trace: replay(&model, &choices) });
            return Outcome { states: origins.len(), depth, exhausted: false, failure };
        }
    }
    Outcome { states: origins.len(), depth, exhausted: true, failure: None }
}

/// The moves that lead to a state.
fn choices(origins: &[Origin], number: u32) -> Vec<u16> {
    let mut choices = Vec::new();
    let mut at = number;
    while at != 0 {
        let origin = origins[usize::try_from(at).expect("u32 fits")];
        choices.push(origin.choice);
        at = origin.from;
    }
    choices.reverse();
    choices
}

fn replay(model: &Model, choices: &[u16]) -> Vec<Step> {
    let mut state = State::initial(&model.scenario);
    choices
        .iter()
        .map(|choice| {
            let (step, next) = model.moves(&state).swap_remove(usize::from(*choice));
            state = next;
            step
        })
        .collect()
}
