//! `explain`: what the configuration amounts to, database by database.

use super::running::Running;
use super::sync::state_dir;
use crate::args::ExplainRequest;
use crate::config::{Config, DatabaseSpec, Origin, Setting, StoreUrl, discover};
use crate::control::DatabaseReport;
use crate::exit::Failure;
use crate::explain::{
    Assumed, Estimate, Kind, Outcome, PriceError, Prices, Provider, Times, Trigger, estimate, outcome,
    triggers,
};
use crate::output::{Printer, human_size, table};
use serde::Serialize;
use std::fmt::Write as _;
use std::path::Path;

/// Prints it. Nothing is asked of the store; of the databases only the sizes are looked at, and running daemons say when
/// something was done last and is due next.
///
/// # Errors
/// Exit 2: the price table cannot be used.
pub(super) async fn run(
    request: &ExplainRequest,
    config: &Config,
    all: bool,
    printer: &Printer,
) -> Result<(), Failure> {
    let prices = prices(request.prices.as_deref(), config)?;
    let host = host(config);
    let provider = prices.of_host(&host);
    // Two databases for one place are for `config check` to say.
    let databases = discover(&config.entries, &[]).databases;
    // Without daemons, or where this user may not ask them, nobody knows the times.
    let running = Running::ask(&state_dir(None, config)).await.ok();
    let report = |spec: &DatabaseSpec| followed(running.as_ref()?, spec, config);
    let explained: Vec<Explained> =
        databases.iter().map(|spec| explained(spec, request, config, provider, report(spec))).collect();
    if printer.is_json() {
        return printer.document(&Document { databases: explained });
    }
    if explained.is_empty() {
        printer.note("no database: name some under [[databases]]");
    }
    for database in &explained {
        printer.data(text(database, &host, all))?;
    }
    Ok(())
}

fn explained(
    spec: &DatabaseSpec,
    request: &ExplainRequest,
    config: &Config,
    provider: Option<&Provider>,
    report: Option<&DatabaseReport>,
) -> Explained {
    let entry = config.entries.iter().find(|entry| entry.origin == spec.origin);
    let values = match entry {
        Some(entry) => config.values.overlaid(&entry.overrides),
        None => config.values.clone(),
    };
    let assumed = Assumed {
        commits_per_second: request.commits_per_second,
        database_bytes: std::fs::metadata(&spec.path).map_or(0, |file| file.len()),
        part_bytes: config.settings.store.part_size_bytes,
    };
    Explained {
        name: spec.place.to_string(),
        path: spec.path.display().to_string(),
        prefix: entry.map_or("", |entry| entry.prefix.trim_matches('/')).to_owned(),
        store: config.settings.store.url.to_string(),
        triggers: triggers(&spec.settings, &config.settings.verify, &|kind, _| times(kind, report)),
        settings: values.settings(),
        retention: outcome(&spec.settings.retention, &spec.settings.compaction),
        estimate: estimate(&spec.settings, assumed, provider),
    }
}

/// What the daemon that follows it says of it.
fn followed<'a>(running: &'a Running, spec: &DatabaseSpec, config: &Config) -> Option<&'a DatabaseReport> {
    let (store, path) = (config.settings.store.url.to_string(), spec.path.display().to_string());
    let here = running.daemons.iter().filter(|(_, daemon)| daemon.store == store);
    let mut databases = here.flat_map(|(_, daemon)| &daemon.databases);
    databases.find(|database| database.name == spec.place.as_str() && database.path == path)
}

/// When something was done last and is due next, as far as the daemon says.
fn times(kind: Kind, report: Option<&DatabaseReport>) -> Times {
    let Some(report) = report else { return Times::default() };
    let (last_at, next_at) = match kind {
        Kind::Sync => (report.last_sync_at.clone(), None),
        Kind::Snapshot => (None, report.next_snapshot_at.clone()),
        Kind::Verify => (report.verify.as_ref().map(|verify| verify.at.clone()), None),
        Kind::Compaction | Kind::Retention => (None, None),
    };
    Times { last_at, next_at }
}

/// The user's table, and after it the built-in one.
fn prices(file: Option<&Path>, config: &Config) -> Result<Prices, Failure> {
    let Some(file) = file else { return Ok(Prices::built_in()) };
    let failure = |cause: &dyn std::error::Error| {
        Failure::usage(format!("the price table {} cannot be used", file.display()))
            .because(cause)
            .hint("write [[providers]] with name, as_of, hosts, puts_per_thousand, lists_per_thousand, gets_per_thousand, storage_per_gb")
    };
    let text = std::fs::read_to_string(config.surroundings.working_dir.join(file));
    let text = text.map_err(|error| failure(&error))?;
    let own = Prices::parse(&text).map_err(|error: PriceError| failure(&error))?;
    Ok(own.before(Prices::built_in()))
}

/// Whose prices count.
fn host(config: &Config) -> String {
    let store = &config.settings.store;
    match (&store.url, &store.endpoint) {
        (StoreUrl::File { .. }, _) => "file".to_owned(),
        (StoreUrl::S3 { .. }, None) => "s3.amazonaws.com".to_owned(),
        (StoreUrl::S3 { .. }, Some(endpoint)) => {
            let url = url::Url::parse(endpoint).ok();
            url.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_else(|| endpoint.clone())
        }
    }
}

#[derive(Serialize)]
struct Document {
    databases: Vec<Explained>,
}

#[derive(Serialize)]
struct Explained {
    name: String,
    path: String,
    prefix: String,
    store: String,
    triggers: Vec<Trigger>,
    settings: Vec<Setting>,
    retention: Vec<Outcome>,
    estimate: Estimate,
}

/// For people. `all`: also the settings that nobody chose.
fn text(database: &Explained, host: &str, all: bool) -> String {
    let Explained { name, path, store, .. } = database;
    let mut out = format!("{name}\n  {path} -> {store}/{name}\n\n");
    let time = |time: &Option<String>| time.clone().unwrap_or_else(|| "-".to_owned());
    let rows = database.triggers.iter().map(|trigger| {
        let kind = format!("{:?}", trigger.kind).to_lowercase();
        [kind, trigger.rule.clone(), time(&trigger.last_at), time(&trigger.next_at)]
    });
    indented(&mut out, &table(["WHAT", "WHEN", "LAST", "NEXT"], rows, 4));
    let rows = database.retention.iter().map(|row| [row.points.clone(), row.stay.clone()]);
    indented(&mut out, &table(["POINTS", "STAY"], rows, 2));
    let default = Origin::Default.to_string();
    let chosen = database.settings.iter().filter(|setting| all || setting.origin != default);
    let rows: Vec<[String; 3]> = chosen
        .filter(|setting| !setting.value.is_null())
        .map(|setting| [setting.key.to_owned(), setting.value.to_string(), setting.origin.clone()])
        .collect();
    if !rows.is_empty() {
        indented(&mut out, &table(["SETTING", "VALUE", "FROM"], rows, 3));
    }
    estimated(&mut out, &database.estimate, host);
    out
}

fn estimated(out: &mut String, estimate: &Estimate, host: &str) {
    let _ = writeln!(
        out,
        "  A month at {} commits per second and a database of {}: {} writes, {} listings, {} reads, {} stored",
        estimate.assumed_commits_per_second,
        human_size(estimate.assumed_database_bytes),
        estimate.puts_per_month,
        estimate.lists_per_month,
        estimate.gets_per_month,
        human_size(estimate.stored_bytes),
    );
    let _ = match (estimate.usd_per_month, &estimate.provider, &estimate.prices_as_of) {
        (Some(usd), Some(provider), Some(day)) => {
            writeln!(out, "  About {usd:.2} USD ({provider}, prices of {day})")
        }
        _ => writeln!(out, "  The prices of {host} are not known: walsync explain --prices FILE"),
    };
}

fn indented(out: &mut String, text: &str) {
    text.lines().for_each(|line| {
        let _ = writeln!(out, "  {line}");
    });
    out.push('\n');
}
