//! What a seed is run as: the workload with real SQLite, the fleets without it, or what readers find.

use crate::archive::{self, ArchivePlan, ArchiveSettings};
use crate::coverage::{REQUIRED, REQUIRED_OF_ARCHIVES, REQUIRED_OF_FLEETS, REQUIRED_OF_LIFECYCLES, Reached};
use crate::fleet::{self, FleetPlan, FleetSettings};
use crate::outcome::Outcome;
use crate::plan::Plan;
use crate::settings::Settings;
use crate::world::{self, Options};

/// A workload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Real SQLite, one database, seconds to hours.
    #[default]
    Swarm,
    /// No SQLite, many databases, days to months.
    Fleet {
        /// So many, not what the seed says.
        databases: Option<usize>,
    },
    /// As the fleets, with compaction and retention.
    Lifecycle {
        /// Two machines fight over each place.
        two_writers: bool,
    },
    /// Places that other tools and people left, and restores of them.
    Archive,
}

/// What is to be run: the seed's own plan, or one that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnyPlan {
    /// Of [`Profile::Swarm`].
    Swarm(Plan),
    /// Of [`Profile::Fleet`].
    Fleet(FleetPlan),
    /// Of [`Profile::Archive`].
    Archive(ArchivePlan),
}

impl Profile {
    /// The one of this name.
    pub fn by_name(name: &str) -> Option<Profile> {
        match name {
            "swarm" => Some(Profile::Swarm),
            "fleet" => Some(Profile::Fleet { databases: None }),
            "lifecycle" => Some(Profile::Lifecycle { two_writers: false }),
            "two-writers" => Some(Profile::Lifecycle { two_writers: true }),
            "archive" => Some(Profile::Archive),
            _ => None,
        }
    }

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Profile::Swarm => "swarm",
            Profile::Fleet { .. } => "fleet",
            Profile::Lifecycle { two_writers: false } => "lifecycle",
            Profile::Lifecycle { two_writers: true } => "two-writers",
            Profile::Archive => "archive",
        }
    }

    /// What the command line needs beside `--seed N` to repeat a run.
    pub fn arguments(self) -> Vec<String> {
        match self {
            Profile::Swarm => Vec::new(),
            Profile::Archive | Profile::Lifecycle { .. } => self.named().into(),
            Profile::Fleet { databases } => {
                let count = databases.map(|count| ["--databases".to_owned(), count.to_string()]);
                self.named().into_iter().chain(count.into_iter().flatten()).collect()
            }
        }
    }

    fn named(self) -> [String; 2] {
        ["--profile".to_owned(), self.name().to_owned()]
    }

    /// The configuration of a seed in one line.
    pub fn settings_line(self, seed: u64) -> String {
        match self {
            Profile::Swarm => Settings::of_seed(seed).line(),
            Profile::Fleet { databases } => FleetSettings::of_seed(seed, databases).line(),
            Profile::Lifecycle { two_writers } => FleetSettings::of_lifecycle(seed, two_writers).line(),
            Profile::Archive => ArchiveSettings::of_seed(seed).line(),
        }
    }

    /// The plan of a seed.
    pub fn plan(self, seed: u64) -> AnyPlan {
        match self {
            Profile::Swarm => AnyPlan::Swarm(Plan::of_seed(seed, &Settings::of_seed(seed))),
            Profile::Fleet { databases } => {
                AnyPlan::Fleet(FleetPlan::of_seed(seed, &FleetSettings::of_seed(seed, databases)))
            }
            Profile::Lifecycle { two_writers } => {
                AnyPlan::Fleet(FleetPlan::of_seed(seed, &FleetSettings::of_lifecycle(seed, two_writers)))
            }
            Profile::Archive => AnyPlan::Archive(ArchivePlan::of_seed(seed, &ArchiveSettings::of_seed(seed))),
        }
    }

    /// Reads a plan.
    ///
    /// # Errors
    /// It is none of this profile.
    pub fn parse_plan(self, json: &str) -> serde_json::Result<AnyPlan> {
        match self {
            Profile::Swarm => serde_json::from_str(json).map(AnyPlan::Swarm),
            Profile::Fleet { .. } | Profile::Lifecycle { .. } => {
                serde_json::from_str(json).map(AnyPlan::Fleet)
            }
            Profile::Archive => serde_json::from_str(json).map(AnyPlan::Archive),
        }
    }

    /// Runs a plan under the configuration of its seed.
    pub fn run(self, plan: &AnyPlan, seed: u64, options: Options) -> Outcome {
        match plan {
            AnyPlan::Swarm(plan) => world::run(plan, &Settings::of_seed(seed), options),
            AnyPlan::Fleet(plan) => {
                let settings = match self {
                    Profile::Lifecycle { two_writers } => FleetSettings::of_lifecycle(seed, two_writers),
                    Profile::Fleet { databases } => FleetSettings::of_seed(seed, databases),
                    Profile::Swarm | Profile::Archive => FleetSettings::of_seed(seed, None),
                };
                fleet::run(plan, &settings, options)
            }
            AnyPlan::Archive(plan) => archive::run(plan, &ArchiveSettings::of_seed(seed), options),
        }
    }

    /// The states that a batch must reach.
    pub fn required(self) -> &'static [Reached] {
        match self {
            Profile::Swarm => REQUIRED,
            Profile::Fleet { .. } => REQUIRED_OF_FLEETS,
            Profile::Lifecycle { .. } => REQUIRED_OF_LIFECYCLES,
            Profile::Archive => REQUIRED_OF_ARCHIVES,
        }
    }
}

impl AnyPlan {
    /// The seed of everything that it does not list.
    pub fn seed(&self) -> u64 {
        match self {
            AnyPlan::Swarm(plan) => plan.seed,
            AnyPlan::Fleet(plan) => plan.seed,
            AnyPlan::Archive(plan) => plan.seed,
        }
    }

    /// How many steps it has.
    pub fn steps(&self) -> usize {
        match self {
            AnyPlan::Swarm(plan) => plan.steps.len(),
            AnyPlan::Fleet(plan) => plan.steps.len(),
            AnyPlan::Archive(plan) => plan.steps.len(),
        }
    }

    /// The same without some of its steps.
    #[must_use]
    pub fn without(&self, steps: std::ops::Range<usize>) -> AnyPlan {
        let mut plan = self.clone();
        match &mut plan {
            AnyPlan::Swarm(plan) => drop(plan.steps.drain(steps)),
            AnyPlan::Fleet(plan) => drop(plan.steps.drain(steps)),
            AnyPlan::Archive(plan) => drop(plan.steps.drain(steps)),
        }
        plan
    }

    /// As `--write-plan` writes it.
    ///
    /// # Errors
    /// None that is known.
    pub fn to_json(&self) -> serde_json::Result<String> {
        match self {
            AnyPlan::Swarm(plan) => serde_json::to_string_pretty(plan),
            AnyPlan::Fleet(plan) => serde_json::to_string_pretty(plan),
            AnyPlan::Archive(plan) => serde_json::to_string_pretty(plan),
        }
    }
}
