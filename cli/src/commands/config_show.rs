//! `config show`: effective values and where each came from, secrets masked.

use crate::config::{Config, Setting, as_toml};
use crate::exit::Failure;
use crate::output::Printer;
use serde::Serialize;

/// Prints the configuration as TOML with origins, or as one JSON document.
///
/// # Errors
/// Exit 2 if two databases would use one place.
pub(super) fn run(config: &Config, printer: &Printer) -> Result<(), Failure> {
    let databases = config.databases()?.databases;
    if !printer.is_json() {
        let file = config.file.as_ref().map_or_else(|| "none".to_owned(), |file| file.display().to_string());
        return printer.data(format!("# file: {file}\n\n{}", as_toml(config, &databases)));
    }
    let shown = databases.iter().map(|database| ShownDatabase {
        name: database.place.to_string(),
        path: database.path.display().to_string(),
        settings: config
            .entries
            .iter()
            .find(|entry| entry.origin == database.origin)
            .map_or_else(Vec::new, |entry| entry.overrides.settings_set()),
    });
    printer.document(&Shown {
        file: config.file.as_ref().map(|file| file.display().to_string()),
        store: config.settings.store.url.to_string(),
        settings: config.values.settings(),
        databases: shown.collect(),
    })
}

#[derive(Serialize)]
struct Shown {
    file: Option<String>,
    store: String,
    settings: Vec<Setting>,
    databases: Vec<ShownDatabase>,
}

/// A database that there is now, with the keys that its entry sets itself.
#[derive(Serialize)]
struct ShownDatabase {
    name: String,
    path: String,
    settings: Vec<Setting>,
}
