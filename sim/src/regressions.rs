//! Runs that failed once, kept as files: `sim/regressions/README.md` says how one is written.

use crate::profile::{AnyPlan, Profile};
use std::path::{Path, PathBuf};

/// A run that failed once.
#[derive(Clone, Debug)]
pub struct Regression {
    /// Name of the file, without its ending.
    pub name: String,
    /// What was wrong.
    pub cause: String,
    /// Which workload.
    pub profile: Profile,
    /// Where contents, faults and configuration come from.
    pub seed: u64,
    /// The plan, where it is not the seed's own.
    pub plan: Option<AnyPlan>,
}

/// A file that is no regression.
#[derive(Debug)]
pub struct RegressionError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub message: String,
}

impl Regression {
    /// Reads every `.txt` file of `sim/regressions`, in the order of their names.
    ///
    /// # Errors
    /// One cannot be read, or is not written as it should be.
    pub fn all() -> Result<Vec<Regression>, RegressionError> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions");
        let failed = |path: &Path, message: String| RegressionError { path: path.to_owned(), message };
        let entries = std::fs::read_dir(&folder).map_err(|error| failed(&folder, error.to_string()))?;
        let mut paths = Vec::new();
        for entry in entries {
            let path = entry.map_err(|error| failed(&folder, error.to_string()))?.path();
            if path.extension().is_some_and(|extension| extension == "txt") {
                paths.push(path);
            }
        }
        paths.sort();
        let read = |path: &PathBuf| {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            let text = std::fs::read_to_string(path).map_err(|error| failed(path, error.to_string()))?;
            Regression::parse(&name, &text).map_err(|message| failed(path, message))
        };
        paths.iter().map(read).collect()
    }

    /// Reads one: the cause, `seed N` (and ` profile fleet`), and the plan in JSON if there is one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(name: &str, text: &str) -> Result<Regression, String> {
        let mut parts = text.splitn(3, '\n');
        let cause = parts.next().unwrap_or_default().trim();
        if cause.is_empty() {
            return Err("the first line must say the cause".to_owned());
        }
        let line = parts.next().and_then(|line| line.strip_prefix("seed ")).unwrap_or_default();
        let (seed, profile) = line.split_once(" profile ").unwrap_or((line, "swarm"));
        let profile = Profile::by_name(profile.trim())
            .ok_or("the profile must be `swarm`, `fleet`, `lifecycle`, `two-writers` or `archive`")?;
        let seed = seed.trim().parse().map_err(|_| "the second line must be `seed N`")?;
        let plan = match parts.next().map(str::trim) {
            None | Some("") => None,
            Some(json) => Some(profile.parse_plan(json).map_err(|error| format!("the plan: {error}"))?),
        };
        Ok(Regression { name: name.to_owned(), cause: cause.to_owned(), profile, seed, plan })
    }

    /// What to run.
    pub fn plan(&self) -> AnyPlan {
        self.plan.clone().unwrap_or_else(|| self.profile.plan(self.seed))
    }
}

impl std::fmt::Display for RegressionError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.message)
    }
}

impl std::error::Error for RegressionError {}

#[cfg(test)]
mod tests {
    use super::Regression;
    use crate::plan::{Operation, Plan, Step};
    use crate::profile::{AnyPlan, Profile};

    #[test]
    fn regression_is_a_cause_a_seed_and_perhaps_a_plan() {
        let plan = Plan { seed: 7, steps: vec![Step { operation: Operation::Vacuum, then_us: 5 }] };
        let json = serde_json::to_string_pretty(&plan).unwrap();
        let with_plan = Regression::parse("a", &format!("the pin was late\nseed 7\n{json}\n")).unwrap();
        assert_eq!((with_plan.cause.as_str(), with_plan.seed), ("the pin was late", 7));
        assert!(matches!(with_plan.plan(), AnyPlan::Swarm(read) if read == plan));
        let without = Regression::parse("b", "the pin was late\nseed 7\n").unwrap();
        assert!(without.plan.is_none());
        assert!(matches!(without.plan(), AnyPlan::Swarm(plan) if plan.seed == 7));
    }

    #[test]
    fn regression_names_its_profile() {
        let fleet = Regression::parse("c", "it starved\nseed 7 profile fleet\n").unwrap();
        assert_eq!((fleet.seed, fleet.profile), (7, Profile::Fleet { databases: None }));
        assert!(matches!(fleet.plan(), AnyPlan::Fleet(plan) if plan.seed == 7));
        assert!(Regression::parse("d", "it starved\nseed 7 profile moon\n").is_err());
    }

    #[test]
    fn regression_without_cause_seed_or_legal_plan_is_refused() {
        for text in ["", "\nseed 7\n", "cause\n", "cause\nseed x\n", "cause\nseed 7\n{\n"] {
            assert!(Regression::parse("a", text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn every_committed_regression_can_be_read() {
        Regression::all().unwrap();
    }
}
