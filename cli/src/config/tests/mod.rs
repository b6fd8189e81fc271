//! Tests of the configuration, by part.

mod changes;
mod databases;
mod file;
mod names;
mod precedence;
mod units;

use super::*;
use std::path::{Path, PathBuf};

/// A process in `/w`, with these variables and nothing else.
pub(super) fn surroundings(variables: &[(&str, &str)]) -> Surroundings {
    surroundings_in(Path::new("/w"), variables)
}

pub(super) fn surroundings_in(working_dir: &Path, variables: &[(&str, &str)]) -> Surroundings {
    Surroundings {
        environment: Environment::from_pairs(variables.iter().copied()),
        working_dir: working_dir.to_owned(),
        system_config: PathBuf::from("/nowhere/walsync.toml"),
        is_root: false,
        stdout_is_terminal: false,
        stderr_is_terminal: false,
    }
}

pub(super) fn load(text: &str, flags: &Flags, surroundings: &Surroundings) -> Loaded {
    let file = ConfigFile { path: PathBuf::from("walsync.toml"), text: text.to_owned() };
    Loaded::of_file(Some(file), flags, surroundings)
}

/// The problems of a file, one per line with severity.
pub(super) fn problems(text: &str) -> Vec<String> {
    let found = load(text, &Flags::default(), &surroundings(&[])).problems;
    found.iter().map(|problem| format!("{}: {problem}", problem.severity.word())).collect()
}

pub(super) fn config(text: &str) -> Config {
    let loaded = load(text, &Flags::default(), &surroundings(&[]));
    let shown = format!("{:?}", loaded.problems);
    loaded.config.expect(&shown)
}
