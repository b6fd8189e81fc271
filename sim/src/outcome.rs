//! How a run ended.

use crate::coverage::Coverage;
use std::fmt;
use std::time::Duration;

/// A broken promise: the number of the property (docs/faults.md lists them) and what was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Number of the property.
    pub property: u32,
    /// What was seen.
    pub message: String,
}

impl Violation {
    /// A violation of `property`.
    pub fn new(property: u32, message: impl Into<String>) -> Violation {
        Violation { property, message: message.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "property {}: {}", self.property, self.message)
    }
}

/// The result of one seed.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// The hash over everything that happened.
    pub trace: String,
    /// What was broken, if anything.
    pub violation: Option<Violation>,
    /// Simulated time that passed.
    pub simulated: Duration,
    /// Which interesting states were reached.
    pub coverage: Coverage,
    /// The last events, oldest first; kept only when asked for or after a failure.
    pub events: Vec<String>,
    /// Events that the engines took and commands that they gave; 0 where nobody counts them.
    pub happened: u64,
}

impl Outcome {
    /// The last line of a run: `seed N ok trace=…` or `seed N FAILED property=… trace=…`.
    pub fn line(&self) -> String {
        match &self.violation {
            None => format!("seed {} ok trace={}", self.seed, self.trace),
            Some(v) => format!("seed {} FAILED property={} trace={}", self.seed, v.property, self.trace),
        }
    }
}
