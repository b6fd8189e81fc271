//! Makes a failing plan shorter: what is left is what the failure needs.

use crate::outcome::Violation;
use crate::plan::{Operation, Plan, Step};
use crate::profile::{AnyPlan, Profile};
use crate::world::Options;
use engine::mutants::Mutant;

/// A shorter plan that breaks the same property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shrunk {
    /// The plan.
    pub plan: AnyPlan,
    /// What it breaks.
    pub violation: Violation,
    /// Runs that it took.
    pub runs: u32,
}

/// Leaves steps out, longer stretches before shorter ones, then makes what is left simpler, for as long as the run
/// breaks the same property and `runs_max` runs have not been made. `None`: the plan breaks nothing.
pub fn shrink(profile: Profile, plan: &AnyPlan, mutant: Option<Mutant>, runs_max: u32) -> Option<Shrunk> {
    let mut attempts = Attempts { profile, mutant, runs: 0, runs_max };
    let violation = attempts.violation(plan)?;
    let mut best = Shrunk { plan: plan.clone(), violation, runs: 0 };
    loop {
        let steps = best.plan.steps();
        leave_out(&mut best, &mut attempts);
        simplify(&mut best, &mut attempts);
        // What was needed before may not be any more.
        if attempts.is_exhausted() || best.plan.steps() == steps {
            best.runs = attempts.runs;
            return Some(best);
        }
    }
}

struct Attempts {
    profile: Profile,
    mutant: Option<Mutant>,
    runs: u32,
    runs_max: u32,
}

impl Attempts {
    fn is_exhausted(&self) -> bool {
        self.runs >= self.runs_max
    }

    fn violation(&mut self, plan: &AnyPlan) -> Option<Violation> {
        self.runs += 1;
        self.profile.run(plan, plan.seed(), Options { mutant: self.mutant, keep_events: 0 }).violation
    }

    /// Takes a candidate if it breaks the same property.
    fn improve(&mut self, best: &mut Shrunk, candidate: AnyPlan) -> bool {
        if self.is_exhausted() {
            return false;
        }
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

fn leave_out(best: &mut Shrunk, attempts: &mut Attempts) {
    let mut stretch = best.plan.steps().div_ceil(2);
    while stretch > 0 {
        // From the end: what comes after the failure is not needed.
        let mut end = best.plan.steps();
        while end > 0 {
            let start = end.saturating_sub(stretch);
            attempts.improve(best, best.plan.without(start..end));
            end = start;
        }
        stretch /= 2;
    }
}

/// No pause, fewer statements, an operation that fails at once.
fn simplify(best: &mut Shrunk, attempts: &mut Attempts) {
    for at in 0..best.plan.steps() {
        let AnyPlan::Swarm(plan) = best.plan.clone() else { return };
        for simpler in simpler(plan.steps[at]) {
            let mut steps = plan.steps.clone();
            steps[at] = simpler;
            if attempts.improve(best, AnyPlan::Swarm(Plan { seed: plan.seed, steps })) {
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
        let cases = [
            (Profile::Swarm, Mutant::ContinuityAssumed),
            (Profile::Fleet { databases: None }, Mutant::DeadlineOnlyLater),
            (Profile::Archive, Mutant::RestoreTimeRoundsUp),
        ];
        for (profile, mutant) in cases {
            let (plan, mutant) = (profile.plan(0), Some(mutant));
            let shrunk = shrink(profile, &plan, mutant, 150).expect("the mutant is caught by this seed");
            assert!(shrunk.plan.steps() * 2 < plan.steps(), "{profile:?}: {} steps", shrunk.plan.steps());
            let again = profile.run(&shrunk.plan, 0, Options { mutant, keep_events: 0 });
            assert_eq!(again.violation, Some(shrunk.violation));
        }
    }

    #[test]
    fn plan_that_breaks_nothing_is_not_shrunk() {
        assert_eq!(shrink(Profile::Swarm, &Profile::Swarm.plan(1), None, 10), None);
    }
}
