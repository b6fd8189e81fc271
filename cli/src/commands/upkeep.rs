//! `compact` and `cleanup`: what a daemon does for its places, done once, beside it or without one.

use super::asked::AskedDatabases;
use super::find::Found;
use super::interrupt::unless_interrupted;
use super::open_store::open_store;
use super::upkeep_fencing::Conditions;
use super::upkeep_policy::{Chosen, policy_of, stored};
use super::upkeep_report::{self, Kept};
use super::watch::{host, upkeep_config};
use crate::args::{UpkeepRequest, UpkeepTask};
use crate::config::{
    Config, DatabaseSettings, DatabaseSpec, Fencing, LimitSettings, StateDir, StoreSettings, StoreUrl,
    discover,
};
use crate::exit::{Failure, Kind};
use crate::output::Printer;
use engine::key::{Layout, ModifiedIs};
use engine::replicate::{DatabaseConfig, Notice, SnapshotSchedule, TakeOver, Task, UpkeepConfig};
use engine::types::{Level, LockByte};
use io_real::driver::{SoloPorts, SystemClock, TokioWork, keep_up, sweep_place};
use io_real::port::Store;
use std::sync::Arc;
use std::time::Duration;

/// Everything a run needs to know.
#[derive(Clone, Debug)]
pub struct UpkeepJob {
    /// Which databases.
    pub asked: AskedDatabases,
    /// What to do.
    pub task: UpkeepTask,
    /// Only say it.
    pub dry_run: bool,
    /// Databases of the configuration, each with its settings.
    pub databases: Vec<DatabaseSpec>,
    /// The settings of all others, and whether anybody chose what they keep.
    pub general: (DatabaseSettings, Chosen),
    /// For the whole process.
    pub limits: LimitSettings,
    /// Where daemons remember what they know of stores.
    pub state_dir: StateDir,
}

impl UpkeepJob {
    /// Decides what is to be done where.
    ///
    /// # Errors
    /// Exit 2: a URL that cannot be used, a level that is not made.
    pub fn plan(request: &UpkeepRequest, config: &Config) -> Result<UpkeepJob, Failure> {
        Ok(UpkeepJob {
            asked: AskedDatabases::plan(&request.targets, config)?,
            task: request.task,
            dry_run: request.dry_run,
            databases: discover(&config.entries, &[]).databases,
            general: (config.settings.database.clone(), Chosen::of(config)),
            limits: config.settings.limits.clone(),
            state_dir: config.state_dir(&config.surroundings.working_dir.join("cleanup.db")),
        })
    }
}

/// Does it, and prints what was done, or would be. A signal ends it; what was begun is gone on with by the next run.
///
/// # Errors
/// As in the table of exit codes; exit 1 where something in a place keeps it from being done.
pub async fn run(job: UpkeepJob, printer: &Printer) -> Result<(), Failure> {
    unless_interrupted(async {
        let conditions = Conditions::new(job.state_dir.path.clone());
        let all = job
            .asked
            .each(PLACES_AT_ONCE, async |_, store, found| {
                keep((&job, &conditions), store, found, printer).await
            })
            .await?;
        upkeep_report::print(printer, job.dry_run, all)
    })
    .await
}

async fn keep(
    (job, conditions): (&UpkeepJob, &Conditions),
    store: &StoreSettings,
    found: &Found,
    printer: &Printer,
) -> Result<Kept, Failure> {
    let spec = job.databases.iter().find(|spec| spec.place.as_str() == found.place.folder());
    let settings = spec.map_or(&job.general.0, |spec| &spec.settings);
    let chosen = spec
        .map_or(job.general.1, |spec| job.general.1.or(spec.settings.retention != job.general.0.retention));
    let opened = open_store(store)?;
    let mut upkeep = upkeep_config(settings);
    let task = match job.task {
        UpkeepTask::Compact { level } => {
            // Into a place of a newer version nothing is written.
            stored(&*opened, store, found).await?;
            compacting(&upkeep, level)?
        }
        UpkeepTask::Cleanup { force } => {
            let may_keep_less = force || job.dry_run;
            upkeep.policy =
                Some(policy_of(&*opened, store, found, (&settings.retention, chosen), may_keep_less).await?);
            Task::Retain
        }
    };
    let conditional_writes = match task {
        // Nothing that is there is written anew but the manifest, and that only behind deletes.
        Task::Retain if !job.dry_run => conditions.are_honoured(store, &*opened).await,
        // Nobody tries it for one run: two may be writing the newest slot just now.
        _ => matches!(store.url, StoreUrl::File { .. }) || store.fencing == Fencing::Require,
    };
    let ports = SoloPorts {
        store: opened,
        work: Arc::new(TokioWork::current()),
        clock: Arc::new(SystemClock),
        requests_in_flight: usize::try_from(job.limits.requests_in_flight).unwrap_or(usize::MAX).max(1),
        request_timeout: store.timeout.saturating_add(Duration::from_secs(5)),
        upload_bytes_per_second: job.limits.upload_bytes_per_second,
    };
    let config = DatabaseConfig { conditional_writes, ..solo_config(store, found, settings, upkeep)? };
    if matches!(task, Task::Retain) && !job.dry_run {
        sweep(&*ports.store, &config, &found.name, printer).await;
    }
    let tell = |notice: &Notice| tell(printer, &found.name, notice);
    let outcome =
        keep_up(ports, config, (task, job.dry_run), store.timeout, tell).await.map_err(|error| {
            Failure::of_store(format!("the store {} gave nothing but errors", store.url), &error)
                .database(&found.name)
        })?;
    Ok(Kept::of(found, store, outcome))
}

/// Ends what earlier lives began in the place and never finished. That it cannot be ended keeps nothing from being done.
async fn sweep(store: &dyn Store, config: &DatabaseConfig, name: &str, printer: &Printer) {
    match sweep_place(store, &config.place, config.layout).await {
        Ok(0) => {}
        Ok(swept) => printer.note(format!("{name}: ended {swept} unfinished uploads of earlier lives")),
        Err(error) => printer
            .warn(format!("{name}: unfinished uploads of earlier lives stay in the store: {error}"), None),
    }
}

/// Up to which level.
fn compacting(upkeep: &UpkeepConfig, level: Option<u8>) -> Result<Task, Failure> {
    let mut made = upkeep.levels.iter().map(|(level, _)| level);
    let up_to = match level {
        None => made.max(),
        Some(number) => {
            let wanted = Level::new(number).expect("1 to 8 are levels");
            made.find(|level| *level == wanted)
        }
    };
    up_to.map(|up_to| Task::Compact { up_to }).ok_or_else(|| {
        let count = upkeep.levels.iter().count();
        Failure::usage(match level {
            Some(number) => format!("level {number} is not made: `compaction.levels` has {count}"),
            None => "no level is made: `compaction.levels` is empty".to_owned(),
        })
        .hint("walsync config show")
    })
}

/// What the engine must be told; of a place that nobody follows here.
fn solo_config(
    store: &StoreSettings,
    found: &Found,
    settings: &DatabaseSettings,
    upkeep: UpkeepConfig,
) -> Result<DatabaseConfig, Failure> {
    let no_random =
        |error: std::io::Error| Failure::new(Kind::Unavailable, "no random numbers").because(&error);
    let (layout, modified_is) = match store.url {
        StoreUrl::S3 { .. } => (Layout::S3, ModifiedIs::StoreTime),
        StoreUrl::File { .. } => (Layout::Tree, ModifiedIs::HeaderTime),
    };
    Ok(DatabaseConfig {
        place: found.place.clone(),
        layout,
        modified_is,
        node: host::node_id().map_err(no_random)?,
        database: host::database_id().map_err(no_random)?,
        host: host::name(),
        store_name: store.url.to_string(),
        max_interval: settings.sync.max_interval,
        max_changes: 0,
        min_interval: Duration::ZERO,
        enter_wal_mode: false,
        checkpoint_pages: 1,
        max_wal_bytes: 1,
        memory_bytes_max: 0,
        conditional_writes: false,
        take_over: TakeOver::Never,
        l0_retention: settings.retention.l0,
        list_interval: Duration::MAX,
        lock_byte: LockByte::SQLITE,
        part_bytes: store.part_size_bytes,
        upkeep,
        snapshots: SnapshotSchedule::default(),
    })
}

fn tell(printer: &Printer, name: &str, notice: &Notice) {
    match notice {
        Notice::Store { error, key, .. } => {
            printer.warn(format!("{name}: trouble with {key}, trying again: {error}"), None);
        }
        Notice::ObjectDamaged { key, message } => {
            printer.warn(format!("{name}: {key} is damaged: {message}"), Some("walsync verify --deep"));
        }
        _ => {}
    }
}

const PLACES_AT_ONCE: usize = 4;
