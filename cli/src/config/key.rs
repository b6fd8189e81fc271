//! The table of all keys: name, kind of value, default, and whether its turn has come. Parsing, environment
//! variables, overrides per database, `config show` and `config check` all follow from it.

use super::choice::{Fencing, OnStartup, PathStyle, Sse, TakeOver, WalMode};
use super::size::ByteSize;
use super::value::ValueKind;

/// One key of the configuration.
#[derive(Debug, PartialEq, Eq)]
pub struct Key {
    /// `section.name`.
    pub path: &'static str,
    /// What values it takes.
    pub kind: ValueKind,
    /// The default as text; `None`: not set.
    pub default: Option<&'static str>,
    /// False for a key whose turn has not come: anything but its default is refused.
    pub in_this_version: bool,
    /// Never shown.
    pub secret: bool,
    /// Shorter or foreign variables that stand for `WALSYNC_<SECTION>_<KEY>`, first found wins.
    pub variables: &'static [&'static str],
    /// Foreign variables that count only where the file says nothing.
    pub fallback_variables: &'static [&'static str],
}

impl Key {
    /// The key with this `section.name`.
    pub fn find(path: &str) -> Option<&'static Key> {
        KEYS.iter().find(|key| key.path == path)
    }

    /// The key of a section.
    pub fn find_in(section: &str, name: &str) -> Option<&'static Key> {
        KEYS.iter().find(|key| key.section() == section && key.name() == name)
    }

    /// The part before the dot.
    pub fn section(&self) -> &'static str {
        self.path.split_once('.').map_or(self.path, |(section, _)| section)
    }

    /// The part after the dot.
    pub fn name(&self) -> &'static str {
        self.path.split_once('.').map_or(self.path, |(_, name)| name)
    }

    /// `WALSYNC_<SECTION>_<KEY>`.
    pub fn variable(&self) -> String {
        format!("WALSYNC_{}", self.path.replace('.', "_").to_ascii_uppercase())
    }

    /// Whether a `[[databases]]` entry may set it.
    pub fn is_per_database(&self) -> bool {
        PER_DATABASE_SECTIONS.contains(&self.section())
    }

    /// All sections, in the order of the documentation.
    pub fn sections() -> Vec<&'static str> {
        let mut sections: Vec<&'static str> = KEYS.iter().map(Key::section).collect();
        sections.dedup();
        sections
    }
}

/// Sections whose keys a `[[databases]]` entry may set. Their key names are distinct (a test holds it).
pub(super) const PER_DATABASE_SECTIONS: [&str; 4] = ["sync", "snapshots", "compaction", "retention"];

const DURATION: ValueKind = ValueKind::Duration { zero: true };
const DURATION_ABOVE_ZERO: ValueKind = ValueKind::Duration { zero: false };
const COUNT: ValueKind = ValueKind::Count { min: 0, max: COUNT_MAX };
const COUNT_ABOVE_ZERO: ValueKind = ValueKind::Count { min: 1, max: COUNT_MAX };
const COUNT_MAX: u64 = u32::MAX as u64;

const fn key(path: &'static str, kind: ValueKind, default: &'static str) -> Key {
    Key { default: Some(default), ..unset(path, kind) }
}

const fn unset(path: &'static str, kind: ValueKind) -> Key {
    Key {
        path,
        kind,
        default: None,
        in_this_version: true,
        secret: false,
        variables: &[],
        fallback_variables: &[],
    }
}

const fn text(path: &'static str) -> Key {
    unset(path, ValueKind::Text)
}

const fn secret(path: &'static str) -> Key {
    Key { secret: true, ..text(path) }
}

const fn choice(path: &'static str, words: &'static [&'static str], default: &'static str) -> Key {
    key(path, ValueKind::Choice(words), default)
}

const fn later(key: Key) -> Key {
    Key { in_this_version: false, ..key }
}

/// Every key, in the order of the documentation.
pub static KEYS: &[Key] = &[
    text("state.dir"),
    Key { variables: &["WALSYNC_STORE"], ..key("store.url", ValueKind::Text, "./walsync-store") },
    Key { variables: &["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"], ..text("store.endpoint") },
    Key { fallback_variables: &["AWS_REGION", "AWS_DEFAULT_REGION"], ..text("store.region") },
    choice("store.fencing", Fencing::WORDS, "auto"),
    Key { variables: &["WALSYNC_TAKE_OVER"], ..choice("store.take_over", TakeOver::WORDS, "never") },
    key("store.timeout", DURATION_ABOVE_ZERO, "30s"),
    text("store.access_key_id"),
    secret("store.secret_access_key"),
    secret("store.session_token"),
    text("store.profile"),
    choice("store.path_style", PathStyle::WORDS, "auto"),
    text("store.storage_class"),
    choice("store.sse", Sse::WORDS, "none"),
    text("store.sse_key_file"),
    text("store.kms_key_id"),
    text("store.ca_file"),
    text("store.proxy"),
    // S3 takes parts of 5 MiB to 5 GiB.
    key(
        "store.part_size",
        ValueKind::Size { min: ByteSize::kibibytes(5 << 10), max: ByteSize::kibibytes(5 << 20) },
        "8MiB",
    ),
    key("store.allow_http", ValueKind::Bool, "true"),
    key("sync.max_interval", DURATION, "1s"),
    key("sync.max_changes", COUNT, "0"),
    key("sync.min_interval", DURATION, "0s"),
    choice("sync.wal_mode", WalMode::WORDS, "enter"),
    key("sync.checkpoint_pages", COUNT_ABOVE_ZERO, "1000"),
    key("sync.max_wal_bytes", ValueKind::Size { min: ByteSize::kibibytes(64), max: ByteSize::MAX }, "1GiB"),
    key("sync.shutdown_timeout", DURATION, "5s"),
    key("snapshots.interval", DURATION, "24h"),
    key("snapshots.on_idle", DURATION, "0s"),
    choice("snapshots.on_startup", OnStartup::WORDS, "auto"),
    key("compaction.levels", ValueKind::Durations { min: 1, max: 8 }, "30s,5m,1h"),
    key("retention.l0", DURATION, "5m"),
    key("retention.pitr", DURATION, "24h"),
    key("retention.hourly", COUNT, "24"),
    key("retention.daily", COUNT, "7"),
    key("retention.weekly", COUNT, "12"),
    key("retention.monthly", COUNT, "12"),
    key("verify.interval", DURATION, "0s"),
    key("verify.deep", ValueKind::Bool, "true"),
    key("limits.memory", ValueKind::Size { min: ByteSize::kibibytes(1 << 10), max: ByteSize::MAX }, "256MiB"),
    key("limits.requests_in_flight", COUNT_ABOVE_ZERO, "64"),
    key("limits.open_databases", COUNT_ABOVE_ZERO, "1000"),
    key("limits.upload_bytes_per_second", ValueKind::Count { min: 0, max: ByteSize::MAX.bytes() }, "0"),
    later(text("dashboard.listen")),
    later(text("dashboard.token_file")),
    later(key("alerts.webhook", ValueKind::Text, "")),
    later(text("alerts.secret_file")),
    later(key("alerts.heartbeat_url", ValueKind::Text, "")),
    later(key("alerts.not_durable_after", DURATION, "5m")),
    later(key("encryption.recipients", ValueKind::Texts, "")),
    later(text("encryption.identity_file")),
];
