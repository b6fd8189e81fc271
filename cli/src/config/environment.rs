//! The process around a run, as data: logic never asks the process itself, so tests bring their own.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::PathBuf;

/// Environment variables. Those whose name or value is not UTF-8 are not seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// From names and values.
    pub fn from_pairs<N: Into<String>, V: Into<String>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Environment {
        Environment(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    /// The value, also an empty one.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The value unless it is empty: for settings, where empty means "not set".
    pub fn non_empty(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Replaces `${NAME}` by its value; `$${` stands for a literal `${`.
    pub fn expand(&self, text: &str) -> Result<String, ExpandError> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            let (before, from) = rest.split_at(at);
            if let Some(literal) = before.strip_suffix('$') {
                out.push_str(literal);
                out.push_str("${");
                rest = &from[2..];
                continue;
            }
            out.push_str(before);
            let (name, after) = from[2..].split_once('}').ok_or(ExpandError::Open)?;
            let value = self.get(name).ok_or_else(|| ExpandError::Unset(name.to_owned()))?;
            out.push_str(value);
            rest = after;
        }
        out.push_str(rest);
        Ok(out)
    }
}

/// A `${...}` that cannot be expanded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpandError {
    /// No closing brace.
    #[error("`${{` without `}}` (write `$${{` for a literal `${{`)")]
    Open,
    /// There is no such variable.
    #[error("the environment variable `{0}` is not set")]
    Unset(String),
}

/// What a run needs to know of its process.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Environment variables.
    pub environment: Environment,
    /// The working directory, absolute.
    pub working_dir: PathBuf,
    /// Where the system-wide configuration file lives; [`Surroundings::SYSTEM_CONFIG`] but for tests.
    pub system_config: PathBuf,
    /// Whether the effective user is root.
    pub is_root: bool,
    /// Whether standard output is a terminal.
    pub stdout_is_terminal: bool,
    /// Whether standard error is a terminal.
    pub stderr_is_terminal: bool,
}

impl Surroundings {
    /// The system-wide configuration file.
    pub const SYSTEM_CONFIG: &'static str = "/etc/walsync/walsync.toml";

    /// Those of this process.
    pub fn of_process() -> Surroundings {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Surroundings {
            environment: Environment::from_pairs(variables),
            working_dir: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
            system_config: PathBuf::from(Surroundings::SYSTEM_CONFIG),
            is_root: rustix::process::geteuid().is_root(),
            stdout_is_terminal: std::io::stdout().is_terminal(),
            stderr_is_terminal: std::io::stderr().is_terminal(),
        }
    }
}
