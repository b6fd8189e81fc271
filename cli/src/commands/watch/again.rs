//! Command lines for hints: what was asked for, once more, in words that can be pasted.

use super::WatchJob;
use crate::commands::restore_failure::word;
use crate::config::Config;
use std::path::Path;

/// The commands that reach one database of a run, with the flags and the configuration of that run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Again {
    /// Watches it; flags can follow.
    pub(super) watch: String,
    /// The same without a state directory.
    pub(super) watch_anew: String,
    /// Lists its points.
    pub(super) list: String,
    /// Watches it with another state directory.
    pub(super) elsewhere: String,
    /// Shows the settings.
    pub(super) show_config: String,
}

/// The command line of this run, with another state directory.
pub(super) fn with_another_state(job: &WatchJob) -> String {
    let (request, config) = &job.origin;
    let arguments: String = request.databases.iter().map(|path| format!(" {}", word(path))).collect();
    format!("walsync watch{arguments}{} --state-dir DIR", flags(config, &["--state-dir"]))
}

/// Shows the settings of this run.
pub(super) fn show_config(job: &WatchJob) -> String {
    format!("walsync config show{}", flags(&job.origin.1, &["--take-over"]))
}

impl Again {
    /// For the database at `path`, whose NAME is `name`.
    pub(super) fn of(job: &WatchJob, path: &Path, name: &str) -> Again {
        let (request, config) = &job.origin;
        let (flags, stateless) =
            (flags(config, &["--take-over"]), flags(config, &["--take-over", "--state-dir"]));
        // Without an argument its entry of the configuration counts, with prefix, name and settings.
        let argument = if request.databases.is_empty() { String::new() } else { format!(" {}", word(path)) };
        Again {
            watch: format!("walsync watch{argument}{flags}"),
            watch_anew: format!("walsync watch{argument}{stateless}"),
            list: format!("walsync list {} --points{flags}", word(Path::new(name))),
            elsewhere: with_another_state(job),
            show_config: show_config(job),
        }
    }
}

/// The flags that say which store and which state, and the file that no command finds by itself.
fn flags(config: &Config, without: &[&str]) -> String {
    let file = config.file.as_deref();
    let named = file.filter(|file| *file != "walsync.toml" && *file != config.surroundings.system_config);
    let mut text = named.map_or_else(String::new, |file| format!(" --config {}", word(file)));
    for (flag, value) in config.flags.given().filter(|(flag, _)| !without.contains(flag)) {
        text.push_str(&format!(" {flag} {}", word(Path::new(value))));
    }
    text
}
