//! The driver with its real ports, but for the clock: one database, followed for a day.

use crate::clock::{DayClock, Inline, Quiet};
use crate::scene::Scene;
use crate::store::{Account, DayStore};
use engine::compact::{self, Levels};
use engine::key::{Layout, ModifiedIs, Place};
use engine::manifest::DatabaseId;
use engine::replicate::{
    DatabaseConfig, HealReason, Hint, Notice, OnStartup, SnapshotSchedule, SourceId, Status, TakeOver,
    UpkeepConfig,
};
use engine::retention::Policy;
use engine::types::{LockByte, NodeId};
use io_real::driver::{Driver, Handle, Limits, Ports, Report};
use io_real::files::RealFiles;
use io_real::port::Store;
use io_real::sqlite::{Session, SessionConfig};
use io_real::state::{StateStore, state_key};
use io_real::store::{Secret, StoreOptions, StoreUrl, open};
use std::sync::Arc;
use std::time::Duration;
use tests::s3::{ACCESS_KEY, SECRET_KEY};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;

/// Where the day takes place.
pub(crate) struct Setting<'a> {
    scene: &'a Scene,
    pub(crate) clock: Arc<DayClock>,
    pub(crate) account: Arc<Account>,
    quiet: Arc<Quiet>,
}

impl Setting<'_> {
    /// A day that begins at that time (UTC). `quiet` is told when the runtime's thread sleeps.
    pub(crate) fn new(scene: &Scene, quiet: Arc<Quiet>, begins_at_ms: i64) -> Setting<'_> {
        let clock = Arc::new(DayClock::from(begins_at_ms));
        let account = Arc::new(Account::new(quiet.clone(), clock.clone(), scene.server.is_none()));
        let setting = Setting { scene, clock, account, quiet };
        setting.pass(Duration::ZERO);
        setting
    }

    fn pass(&self, by: Duration) {
        self.clock.pass(by);
        self.scene.server.iter().for_each(|server| self.clock.move_along(server));
    }
}

/// A daemon whose time is in our hands.
pub(crate) struct Daemon<'a> {
    setting: &'a Setting<'a>,
    handle: Handle<Session>,
    database: SourceId,
    driver: JoinHandle<()>,
    reports: UnboundedReceiver<Report>,
}

/// Full images.
const SNAPSHOT_INTERVAL: Duration = Duration::from_secs(6 * 3600);
const SYNC_INTERVAL: Duration = Duration::from_secs(1);
/// Small enough that a full image needs several.
const PART_BYTES: u64 = 128 << 10;
/// An end takes two syncs at most.
const ENDING_S_MAX: u32 = 60;

impl<'a> Daemon<'a> {
    /// Follows `app.db` under a policy, for the first time, the second, ...
    pub(crate) fn start(setting: &'a Setting<'a>, policy: Policy, life: u64) -> Daemon<'a> {
        let Setting { scene, clock, account, .. } = setting;
        let (url, inner) = store(scene);
        let files = Arc::new(RealFiles::new("host"));
        std::fs::create_dir_all(scene.world.path("state")).unwrap();
        let state = StateStore::open(None, &scene.world.path("state/state.db"), files.clone()).unwrap();
        let ports = Ports {
            store: Arc::new(DayStore { inner, account: account.clone() }),
            state: Box::new(state),
            work: Arc::new(Inline),
            clock: clock.clone(),
        };
        let (driver, handle, reports) = Driver::new(ports, Limits::default());
        let path = scene.world.path("app.db");
        let key = state_key(&path.to_string_lossy(), &url.to_string(), "app");
        let pause = io_real::files::pause;
        let session =
            Session::new(SessionConfig { vfs: None, path, files, lock_byte: LockByte::SQLITE, pause });
        let database = handle.add(config(&url, policy, life), session, key);
        let driver = tokio::task::spawn(driver.run());
        Daemon { setting, handle, database, driver, reports }
    }

    /// Some time passes; everything that is due then is done when this returns. Gives what the daemon said.
    pub(crate) async fn pass(&mut self, by: Duration) -> Vec<Notice> {
        self.setting.pass(by);
        // What a notification of the files does.
        self.handle.poke(self.database, Hint::Log);
        self.setting.quiet.wait().await;
        self.heard()
    }

    /// Whether everything that was committed is in the store.
    pub(crate) async fn is_up_to_date(&self) -> bool {
        let standings = self.handle.standings().await;
        let standing = standings[&self.database];
        standing.lag == Some(Duration::ZERO) && standing.durable == standing.read
    }

    /// Ends in order; the newest slot.
    pub(crate) async fn end(mut self) -> u64 {
        self.handle.finish();
        let mut heard = Vec::new();
        for _ in 0..ENDING_S_MAX {
            heard.extend(self.pass(Duration::from_secs(1)).await);
            if self.driver.is_finished() {
                break;
            }
        }
        assert!(self.driver.is_finished(), "it does not end: {heard:?}");
        self.driver.await.unwrap();
        let stopped = heard.iter().find_map(|notice| match notice {
            Notice::Stopped { durable, complete: true } => *durable,
            _ => None,
        });
        stopped.unwrap_or_else(|| panic!("not everything was sent: {heard:?}")).into_inner()
    }

    fn heard(&mut self) -> Vec<Notice> {
        let mut heard = Vec::new();
        while let Ok(report) = self.reports.try_recv() {
            let Report::Notice(_, notice) = report else { panic!("{report:?}") };
            assert!(!is_trouble(&notice), "{notice:?}");
            heard.push(notice);
        }
        heard
    }
}

/// What has no business in an undisturbed day.
fn is_trouble(notice: &Notice) -> bool {
    match notice {
        Notice::Status(status) => !matches!(status, Status::Starting | Status::Following | Status::Stopped),
        // Between two lives the log may begin anew.
        Notice::Healed { reason, .. } => !matches!(reason, HealReason::FirstImage | HealReason::LogGone),
        Notice::Retained { refused, .. } => *refused > 0,
        Notice::Durable { .. }
        | Notice::Compacted { .. }
        | Notice::Snapshot { .. }
        | Notice::SnapshotDue { .. }
        | Notice::Stopped { .. } => false,
        _ => true,
    }
}

/// The store of a scene, as `watch` opens it.
fn store(scene: &Scene) -> (StoreUrl, Arc<dyn Store>) {
    let default =
        StoreOptions { part_bytes: usize::try_from(PART_BYTES).unwrap(), ..StoreOptions::default() };
    let (url, options) = match &scene.server {
        None => (StoreUrl::File { root: scene.world.path("store") }, default),
        Some(server) => {
            server.set_part_bytes_min(usize::try_from(PART_BYTES).unwrap());
            let options = StoreOptions {
                endpoint: Some(server.endpoint()),
                access_key_id: Some(ACCESS_KEY.to_owned()),
                secret_access_key: Some(Secret::new(SECRET_KEY)),
                ..default
            };
            (StoreUrl::parse("s3://bucket").unwrap(), options)
        }
    };
    let store = open(&url, &options).unwrap();
    (url, store)
}

/// What the command line makes of its defaults, but for policy, snapshots and the size of parts.
fn config(url: &StoreUrl, policy: Policy, life: u64) -> DatabaseConfig {
    let (layout, modified_is) = match url {
        StoreUrl::S3 { .. } => (Layout::S3, ModifiedIs::StoreTime),
        StoreUrl::File { .. } => (Layout::Tree, ModifiedIs::HeaderTime),
    };
    let snapshots =
        SnapshotSchedule { interval: Some(SNAPSHOT_INTERVAL), on_idle: None, on_startup: OnStartup::Auto };
    DatabaseConfig {
        place: Place::new("app").unwrap(),
        layout,
        modified_is,
        node: NodeId::new(life).unwrap(),
        database: DatabaseId::from_random([7; 16]),
        host: "host".to_owned(),
        store_name: url.to_string(),
        max_interval: SYNC_INTERVAL,
        max_changes: 0,
        min_interval: Duration::ZERO,
        enter_wal_mode: true,
        checkpoint_pages: 1000,
        max_wal_bytes: 1 << 30,
        memory_bytes_max: 64 << 20,
        conditional_writes: true,
        take_over: TakeOver::Never,
        l0_retention: policy.l0,
        list_interval: Duration::from_secs(24 * 3600),
        lock_byte: LockByte::SQLITE,
        part_bytes: PART_BYTES,
        upkeep: UpkeepConfig {
            levels: Levels::default(),
            limits: compact::Limits::DEFAULT,
            policy: Some(policy),
        },
        snapshots,
    }
}
