//! The values as the driver wants them: typed, in `Duration`, bytes and enums.

use super::choice::{Fencing, OnStartup, PathStyle, Sse, TakeOver, WalMode};
use super::origin::Origin;
use super::store_url::StoreUrl;
use super::values::Values;
use std::fmt;
use std::time::Duration;

/// Everything but the databases.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `[store]`.
    pub store: StoreSettings,
    /// The defaults for databases: `[sync]`, `[snapshots]`, `[compaction]`, `[retention]`.
    pub database: DatabaseSettings,
    /// `[verify]`.
    pub verify: VerifySettings,
    /// `[limits]`.
    pub limits: LimitSettings,
}

impl Settings {
    pub(super) fn of(values: &Values, url: StoreUrl) -> Settings {
        Settings {
            store: StoreSettings::of(values, url),
            database: DatabaseSettings::of(values),
            verify: VerifySettings {
                interval: values.duration("verify.interval"),
                deep: values.flag("verify.deep"),
            },
            limits: LimitSettings {
                memory_bytes: values.bytes("limits.memory"),
                requests_in_flight: values.count("limits.requests_in_flight"),
                open_databases: values.count("limits.open_databases"),
                upload_bytes_per_second: values.count("limits.upload_bytes_per_second"),
            },
        }
    }
}

/// Text that must not be shown or logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// `[store]`: where objects live and how they are reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreSettings {
    /// Which store.
    pub url: StoreUrl,
    /// Whether anybody chose it: an embedded default on the same disk is not a backup.
    pub is_default: bool,
    /// Base URL of an S3-compatible service.
    pub endpoint: Option<String>,
    /// Region to sign for.
    pub region: Option<String>,
    /// Whether conditional writes are demanded.
    pub fencing: Fencing,
    /// What to do when the newest object is another writer's.
    pub take_over: TakeOver,
    /// Where `take_over` came from: `always` from a file does not overrule a known fencer, a flag does.
    pub take_over_origin: Origin,
    /// How long a one-shot command goes on without progress.
    pub timeout: Duration,
    /// Static credentials; both or none of the two.
    pub access_key_id: Option<String>,
    /// See `access_key_id`.
    pub secret_access_key: Option<Secret>,
    /// For temporary credentials.
    pub session_token: Option<Secret>,
    /// Profile of the shared files.
    pub profile: Option<String>,
    /// Bucket in the path.
    pub path_style: PathStyle,
    /// Storage class of new objects.
    pub storage_class: Option<String>,
    /// Encryption by the store.
    pub sse: Sse,
    /// File with the key for [`Sse::Customer`].
    pub sse_key_file: Option<String>,
    /// Key for [`Sse::Kms`].
    pub kms_key_id: Option<String>,
    /// Additional certificate authorities, PEM.
    pub ca_file: Option<String>,
    /// HTTP proxy; may hold a password.
    pub proxy: Option<Secret>,
    /// Size of parts of large uploads, 5 MiB to 5 GiB.
    pub part_size_bytes: u64,
    /// Whether an endpoint without TLS is accepted.
    pub allow_http: bool,
}

impl StoreSettings {
    fn of(values: &Values, url: StoreUrl) -> StoreSettings {
        let text = |path: &str| values.text(path).map(str::to_owned);
        let secret = |path: &str| text(path).map(Secret);
        StoreSettings {
            url,
            is_default: values.origin("store.url") == Origin::Default,
            endpoint: text("store.endpoint"),
            region: text("store.region"),
            fencing: word(Fencing::from_word, values, "store.fencing"),
            take_over: word(TakeOver::from_word, values, "store.take_over"),
            take_over_origin: values.origin("store.take_over"),
            timeout: values.duration("store.timeout"),
            access_key_id: text("store.access_key_id"),
            secret_access_key: secret("store.secret_access_key"),
            session_token: secret("store.session_token"),
            profile: text("store.profile"),
            path_style: word(PathStyle::from_word, values, "store.path_style"),
            storage_class: text("store.storage_class"),
            sse: word(Sse::from_word, values, "store.sse"),
            sse_key_file: text("store.sse_key_file"),
            kms_key_id: text("store.kms_key_id"),
            ca_file: text("store.ca_file"),
            proxy: secret("store.proxy"),
            part_size_bytes: values.bytes("store.part_size"),
            allow_http: values.flag("store.allow_http"),
        }
    }
}

/// What each database may have of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseSettings {
    /// `[sync]`.
    pub sync: SyncSettings,
    /// `[snapshots]`.
    pub snapshots: SnapshotSettings,
    /// `[compaction]`.
    pub compaction: CompactionSettings,
    /// `[retention]`.
    pub retention: RetentionSettings,
}

/// `[sync]`: when commits become objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncSettings {
    /// Upload at most this long after a commit; zero: at once.
    pub max_interval: Duration,
    /// Or after this many WAL frames; `None`: off.
    pub max_changes: Option<u64>,
    /// But not more often than this; zero: off. Never above `max_interval`.
    pub min_interval: Duration,
    /// What to do with a database that is not in WAL mode.
    pub wal_mode: WalMode,
    /// Checkpoint when the WAL has this many pages, at least 1.
    pub checkpoint_pages: u64,
    /// Let the WAL go when it passes this.
    pub wal_bytes_max: u64,
    /// How long an orderly end may take.
    pub shutdown_timeout: Duration,
}

/// `[snapshots]`: when full images are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotSettings {
    /// This often; `None`: not by time.
    pub interval: Option<Duration>,
    /// After this long without a commit; `None`: off.
    pub on_idle: Option<Duration>,
    /// At start.
    pub on_startup: OnStartup,
}

/// `[compaction]`: how often each level is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompactionSettings {
    /// Of level 1, 2 and so on, 1 to 8 of them; strictly growing, above zero.
    pub intervals: Vec<Duration>,
}

/// `[retention]`: which points stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetentionSettings {
    /// Every sync, this long after it was compacted; at least 1 s.
    pub l0: Duration,
    /// The end of every level-1 object, this long.
    pub pitr: Duration,
    /// The last point of each of so many hours.
    pub hourly: u64,
    /// Days.
    pub daily: u64,
    /// ISO weeks.
    pub weekly: u64,
    /// Months.
    pub monthly: u64,
}

impl DatabaseSettings {
    pub(super) fn of(values: &Values) -> DatabaseSettings {
        let unless_zero = |span: Duration| Some(span).filter(|span| !span.is_zero());
        DatabaseSettings {
            sync: SyncSettings {
                max_interval: values.duration("sync.max_interval"),
                max_changes: Some(values.count("sync.max_changes")).filter(|frames| *frames > 0),
                min_interval: values.duration("sync.min_interval"),
                wal_mode: word(WalMode::from_word, values, "sync.wal_mode"),
                checkpoint_pages: values.count("sync.checkpoint_pages"),
                wal_bytes_max: values.bytes("sync.max_wal_bytes"),
                shutdown_timeout: values.duration("sync.shutdown_timeout"),
            },
            snapshots: SnapshotSettings {
                interval: unless_zero(values.duration("snapshots.interval")),
                on_idle: unless_zero(values.duration("snapshots.on_idle")),
                on_startup: word(OnStartup::from_word, values, "snapshots.on_startup"),
            },
            compaction: CompactionSettings { intervals: values.durations("compaction.levels") },
            retention: RetentionSettings {
                l0: values.duration("retention.l0"),
                pitr: values.duration("retention.pitr"),
                hourly: values.count("retention.hourly"),
                daily: values.count("retention.daily"),
                weekly: values.count("retention.weekly"),
                monthly: values.count("retention.monthly"),
            },
        }
    }
}

/// `[verify]`: checks of what is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifySettings {
    /// This often; zero: off.
    pub interval: Duration,
    /// Whether a check restores.
    pub deep: bool,
}

/// `[limits]`: for the whole process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitSettings {
    /// Memory for page indexes, buffers and tails read early.
    pub memory_bytes: u64,
    /// Requests to the store at one time.
    pub requests_in_flight: u64,
    /// Databases open at one time.
    pub open_databases: u64,
    /// Bandwidth for uploads; zero: no limit.
    pub upload_bytes_per_second: u64,
}

fn word<T>(from_word: impl Fn(&str) -> Option<T>, values: &Values, path: &str) -> T {
    from_word(values.choice(path)).expect("the key table takes the words from the enum")
}
