//! `explain`: what the configuration amounts to, database by database.

use super::running::Running;
use super::sync::state_dir;
use crate::args::ExplainRequest;
use crate::config::{
    Collision, Config, DatabaseSpec, Discovery, Origin, Refused, Setting, StoreUrl, discover,
};
use crate::control::{DatabaseReport, WhenDone};
use crate::exit::Failure;
use crate::explain::{
    Assumed, Estimate, Kind, Outcome, PriceError, Prices, Provider, Times, Trigger, estimate, outcome,
    triggers,
};
use crate::output::{Printer, format_timestamp, human_size, later, parse_timestamp, table};
use io_real::driver::SystemClock;
use io_real::port::Clock as _;
use serde::Serialize;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

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
    let Discovery { databases, refused, collisions, .. } = discover(&config.entries, &[]);
    for Collision { place, first, second } in collisions {
        let (first, second) = (first.path.display(), second.path.display());
        let taken = format!("{second} is not followed: {first} has the place {place}");
        printer.warn(taken, Some("walsync config check"));
    }
    for Refused { path, reason } in refused {
        printer.warn(format!("{} is not followed: {reason}", path.display()), Some("walsync config check"));
    }
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
        triggers: triggers(&spec.settings, &config.settings.verify, &|kind, level| {
            report.map_or_else(Times::default, |report| times((kind, level), report, spec, config))
        }),
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
fn times(
    (kind, level): (Kind, Option<usize>),
    report: &DatabaseReport,
    spec: &DatabaseSpec,
    config: &Config,
) -> Times {
    let of = |when: &WhenDone| Times { last_at: when.last_at.clone(), next_at: when.next_at.clone() };
    match kind {
        Kind::Sync => {
            // The oldest commit that is not durable waits no longer than that.
            let lag = report.lag_ms.filter(|lag| *lag > 0).map(Duration::from_millis);
            let waits = lag.map(|lag| spec.settings.sync.max_interval.saturating_sub(lag));
            Times {
                last_at: report.last_sync_at.clone(),
                next_at: waits.map(|waits| format_timestamp(later(SystemClock.now().wall, waits))),
            }
        }
        Kind::Snapshot => Times {
            last_at: report.upkeep.snapshot.last_at.clone(),
            next_at: report.next_snapshot_at.clone(),
        },
        Kind::Compaction => {
            let below = level.and_then(|level| level.checked_sub(1));
            below.and_then(|below| report.upkeep.levels.get(below)).map_or_else(Times::default, of)
        }
        Kind::Retention => of(&report.upkeep.retention),
        Kind::Verify => {
            let last_at = report.verify.as_ref().map(|verify| verify.at.clone());
            let last = last_at.as_deref().and_then(|at| parse_timestamp(at).ok());
            let interval = config.settings.verify.interval;
            let next_at =
                last.filter(|_| !interval.is_zero()).map(|last| format_timestamp(later(last, interval)));
            Times { last_at, next_at }
        }
    }
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
