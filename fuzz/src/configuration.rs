//! The configuration: a file and the environment, as the command line reads them.

use crate::config::{ConfigFile, Environment, Flags, Loaded, Surroundings, as_toml};
use std::path::PathBuf;

/// A file up to the first zero byte, then lines of `NAME=value`. What is good is shown as TOML that is good again.
pub fn configuration(data: &[u8]) {
    let (file, variables) = data.split_at(data.iter().position(|byte| *byte == 0).unwrap_or(data.len()));
    let variables = String::from_utf8_lossy(variables.get(1..).unwrap_or_default());
    let variables = variables.lines().filter_map(|line| line.split_once('='));
    let loaded = load(&String::from_utf8_lossy(file), Environment::from_pairs(variables));
    for problem in &loaded.problems {
        assert!(!problem.to_string().is_empty(), "a problem says something");
    }
    assert_eq!(loaded.config.is_none(), loaded.problems.iter().any(|problem| problem.is_error()));
    let Some(config) = loaded.config else { return };
    let shown = as_toml(&config, &[]);
    let again = load(&shown, Environment::default());
    let not_toml = again.problems.iter().find(|problem| problem.key.is_empty());
    assert_eq!(not_toml, None, "{shown}");
}

fn load(text: &str, environment: Environment) -> Loaded {
    let surroundings = Surroundings {
        environment,
        working_dir: PathBuf::from("/nowhere"),
        system_config: PathBuf::from("/nowhere/system.toml"),
        is_root: false,
        stdout_is_terminal: false,
        stderr_is_terminal: false,
    };
    let file = ConfigFile { path: PathBuf::from("walsync.toml"), text: text.to_owned() };
    Loaded::of_file(Some(file), &Flags::default(), &surroundings)
}
