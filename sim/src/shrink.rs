//! Makes a failing plan shorter: what is left is what the failure needs.

use crate::outcome::Violation;
use crate::plan::{Operation, Plan, Step};
use crate::settings::Settings;
use crate::world::{Options, run};
use engine::mutants::Mutant;

/// A shorter plan that breaks the same property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shrunk {
    /// The plan.
    pub plan: Plan,
    /// What it breaks.
    pub violation: Violation,
    /// Runs that it took.
    pub runs: u32,
}

/// Leaves steps out, longer stretches before shorter ones, then makes what is left simpler, for as long as the run
/// breaks the same property and `runs_max` runs have not been made. `None`: the plan breaks nothing.
pub fn shrink(plan: &Plan, settings: &Settings, mutant: Option<Mutant>, runs_max: u32) -> Option<Shrunk> {
    let mut attempts = Attempts { settings, mutant, runs: 0, runs_max };
    let violation = attempts.violation(plan)?;
    let mut best = Shrunk { plan: plan.clone(), violation, runs: 0 };
    loop {
        let steps = best.plan.steps.len();
        leave_out(&mut best, &mut attempts);
        simplify(&mut best, &mut attempts);
        // What was needed before may not be any more.
        if attempts.is_exhausted() || best.plan.steps.len() == steps {
            best.runs = attempts.runs;
            return Some(best);
        }
    }
}

struct Attempts<'a> {
    settings: &'a Settings,
    mutant: Option<Mutant>,
    runs: u32,
    runs_max: u32,
}

impl Attempts<'_> {
    fn is_exhausted(&self) -> bool {
        self.runs >= self.runs_max
    }

    fn violation(&mut self, plan: &Plan) -> Option<Violation> {
        self.runs += 1;
        run(plan, self.settings, Options { mutant: self.mutant, keep_events: 0 }).violation
    }

    /// Takes a candidate if it breaks the same property.
    fn improve(&mut self, best: &mut Shrunk, steps: Vec<Step>) -> bool {
        if self.is_exhausted() {
            return false;
        }
        let candidate = Plan { seed: best.plan.seed, steps };
        match self.violation(&candidate) {
            Some(violation) if violation.property == best.violation.property => {
                best.plan = candidate;
                best.violation = violation;
                true
            }
            _ => false,
        }
    }
}

fn leave_out(best: &mut Shrunk, attempts: &mut Attempts<'_>) {
    let mut stretch = best.plan.steps.len().div_ceil(2);
    while stretch > 0 {
        // From the end: what comes after the failure is not needed.
        let mut end = best.plan.steps.len();
        while end > 0 {
            let start = end.saturating_sub(stretch);
            let mut steps = best.plan.steps.clone();
            steps.drain(start..end);
            attempts.improve(best, steps);
            end = start;
        }
        stretch /= 2;
    }
}

/// No pause, fewer statements, an operation that fails at once.
fn simplify(best: &mut Shrunk, attempts: &mut Attempts<'_>) {
    for at in 0..best.plan.steps.len() {
        for simpler in simpler(best.plan.steps[at]) {
            let mut steps = best.plan.steps.clone();
            steps[at] = simpler;
            if attempts.improve(best, steps) {
                break;
            }
        }
    }
}

fn simpler(step: Step) -> impl Iterator<Item = Step> {
    let operation = match step.operation {
        Operation::Transaction { seed, statements } if statements > 1 => {
            Some(Operation::Transaction { seed, statements: 1 })
        }
        Operation::KillApplication { operations } if operations > 0 => {
            Some(Operation::KillApplication { operations: 0 })
        }
        Operation::KillDaemon { operations } if operations > 0 => {
            Some(Operation::KillDaemon { operations: 0 })
        }
        Operation::CutPower { operations } if operations > 1 => Some(Operation::CutPower { operations: 1 }),
        _ => None,
    };
    let at_once = (step.then_us > 0).then_some(Step { then_us: 0, ..step });
    let milder = operation.map(|operation| Step { operation, ..step });
    at_once.into_iter().chain(milder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shorter_plan_breaks_the_same_property() {
        let seed = 0;
        let settings = Settings::of_seed(seed);
        let plan = Plan::of_seed(seed, &settings);
        let mutant = Some(Mutant::ContinuityAssumed);
        let shrunk = shrink(&plan, &settings, mutant, 150).expect("the mutant is caught by this seed");
        assert!(shrunk.plan.steps.len() * 2 < plan.steps.len(), "{} steps", shrunk.plan.steps.len());
        let again = run(&shrunk.plan, &settings, Options { mutant, keep_events: 0 });
        assert_eq!(again.violation, Some(shrunk.violation));
    }

    #[test]
    fn plan_that_breaks_nothing_is_not_shrunk() {
        let settings = Settings::of_seed(1);
        let plan = Plan::of_seed(1, &settings);
        assert_eq!(shrink(&plan, &settings, None, 10), None);
    }
}
