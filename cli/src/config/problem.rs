//! What is wrong with a configuration, and how it could be mended.

use super::Origin;
use std::fmt;

/// Whether the configuration can be used in spite of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can, but is probably not what is wanted.
    Warning,
}

impl Severity {
    /// `error` or `warning`.
    pub const fn word(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

/// One thing that is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Whether it prevents a start.
    pub severity: Severity,
    /// The key as `section.key`, or the variable, or what else it is about.
    pub key: String,
    /// Where to look.
    pub origin: Origin,
    /// What is wrong, one line.
    pub message: String,
    /// What to write instead.
    pub suggestion: Option<String>,
}

impl Problem {
    /// One that prevents a start.
    pub fn error(key: impl Into<String>, origin: Origin, message: impl Into<String>) -> Problem {
        let (key, message) = (key.into(), message.into());
        Problem { severity: Severity::Error, key, origin, message, suggestion: None }
    }

    /// One that does not.
    pub fn warning(key: impl Into<String>, origin: Origin, message: impl Into<String>) -> Problem {
        Problem { severity: Severity::Warning, ..Problem::error(key, origin, message) }
    }

    /// Says what to write instead.
    #[must_use]
    pub fn suggest(mut self, suggestion: impl Into<String>) -> Problem {
        self.suggestion = Some(suggestion.into());
        self
    }

    /// Says what to write instead, where that is known.
    #[must_use]
    pub fn suggest_maybe(mut self, suggestion: Option<String>) -> Problem {
        self.suggestion = suggestion;
        self
    }

    /// Whether it prevents a start.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// `line 12: sync.max_interval: message; suggestion`, without the severity.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::File { line } => write!(f, "line {line}: ")?,
            Origin::Environment { variable } if *variable != self.key => write!(f, "{variable}: ")?,
            Origin::Flag { flag } if *flag != self.key => write!(f, "{flag}: ")?,
            _ => {}
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)?;
        self.suggestion.iter().try_for_each(|suggestion| write!(f, "; {suggestion}"))
    }
}

/// `did you mean ...?` for the candidate nearest to `given`, if one is near enough to be a slip of the hand.
pub(super) fn did_you_mean<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let near = |candidate: &str| strsim::damerau_levenshtein(given, candidate);
    let best = candidates.into_iter().map(|candidate| (near(candidate), candidate)).min()?;
    let (distance, candidate) = best;
    let allowed = 1 + candidate.len() / 4;
    (given.len() <= GIVEN_BYTES_MAX && distance <= allowed).then(|| format!("did you mean `{candidate}`?"))
}

/// The distance costs the product of both lengths.
const GIVEN_BYTES_MAX: usize = 100;
