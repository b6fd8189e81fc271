//! The JSON shape of a manifest; the only place that knows its field names.

use super::DatabaseId;
use super::document::{FORMAT, IndexEntry, Manifest, ManifestError, WriterClaim};
use crate::key::{Layout, ObjectKey};
use crate::retention::Policy;
use crate::store::Sha256;
use crate::types::{Level, NodeId, Timestamp, TxidRange, parse_txid_hex};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The part that every format has.
#[derive(Deserialize)]
pub(super) struct Head {
    pub(super) format: u64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Document {
    format: u64,
    database: String,
    writer: Writer,
    store: String,
    l0_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retention: Option<Retention>,
    objects: Vec<Object>,
}

#[derive(Serialize, Deserialize)]
struct Retention {
    l0_ms: u64,
    pitr_ms: u64,
    hourly: u32,
    daily: u32,
    weekly: u32,
    monthly: u32,
}

impl From<Policy> for Retention {
    fn from(policy: Policy) -> Retention {
        let ms = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let Policy { l0, pitr, hourly, daily, weekly, monthly } = policy;
        Retention { l0_ms: ms(l0), pitr_ms: ms(pitr), hourly, daily, weekly, monthly }
    }
}

impl From<Retention> for Policy {
    fn from(retention: Retention) -> Policy {
        let Retention { l0_ms, pitr_ms, hourly, daily, weekly, monthly } = retention;
        let (l0, pitr) = (Duration::from_millis(l0_ms), Duration::from_millis(pitr_ms));
        Policy { l0, pitr, hourly, daily, weekly, monthly }
    }
}

#[derive(Serialize, Deserialize)]
struct Writer {
    id: String,
    host: String,
    time_ms: i64,
}

#[derive(Serialize, Deserialize)]
struct Object {
    key: String,
    level: u8,
    min_txid: String,
    max_txid: String,
    time_ms: i64,
    size_bytes: u64,
    #[serde(default)]
    sha256: Option<String>,
}

impl From<&Manifest> for Document {
    fn from(manifest: &Manifest) -> Document {
        Document {
            format: FORMAT,
            database: manifest.database.to_string(),
            writer: Writer {
                id: manifest.writer.id.to_string(),
                host: manifest.writer.host.clone(),
                time_ms: manifest.writer.time.as_millis(),
            },
            store: manifest.store.clone(),
            l0_ms: manifest.l0_ms,
            retention: manifest.policy.map(Retention::from),
            objects: manifest.objects.iter().map(Object::from).collect(),
        }
    }
}

impl From<&IndexEntry> for Object {
    fn from(entry: &IndexEntry) -> Object {
        Object {
            key: entry.key.to_string(),
            level: entry.key.level().get(),
            min_txid: entry.key.min().to_string(),
            max_txid: entry.key.max().to_string(),
            time_ms: entry.time.as_millis(),
            size_bytes: entry.size_bytes,
            sha256: entry.sha256.map(|s| s.to_string()),
        }
    }
}

impl TryFrom<Document> for Manifest {
    type Error = ManifestError;

    fn try_from(document: Document) -> Result<Manifest, ManifestError> {
        let Document { database, writer, store, l0_ms, retention, objects, .. } = document;
        let mut entries = objects.iter().map(Object::read).collect::<Result<Vec<_>, _>>()?;
        entries.sort_by_key(|e| e.key);
        if let Some(twice) = entries.windows(2).find(|pair| pair[0].key == pair[1].key) {
            return Err(ManifestError::Corrupt(format!("{} is indexed twice", twice[0].key)));
        }
        Ok(Manifest {
            database: DatabaseId::parse(&database).ok_or_else(|| bad("database", &database))?,
            writer: WriterClaim {
                id: NodeId::parse(&writer.id).ok_or_else(|| bad("writer.id", &writer.id))?,
                host: writer.host,
                time: Timestamp::from_millis(writer.time_ms),
            },
            store,
            l0_ms,
            policy: retention.map(Policy::from),
            objects: entries,
        })
    }
}

impl Object {
    fn read(&self) -> Result<IndexEntry, ManifestError> {
        let key = self.read_key().ok_or_else(|| bad("objects.key", &self.key))?;
        let sha256 = match &self.sha256 {
            Some(text) => Some(Sha256::parse(text).ok_or_else(|| bad("objects.sha256", text))?),
            None => None,
        };
        let time = Timestamp::from_millis(self.time_ms);
        Ok(IndexEntry { key, time, size_bytes: self.size_bytes, sha256 })
    }

    /// The key from its numbers, if the text says the same and the level is indexed at all.
    fn read_key(&self) -> Option<ObjectKey> {
        let range =
            TxidRange::new(parse_txid_hex(&self.min_txid).ok()?, parse_txid_hex(&self.max_txid).ok()?)?;
        let key = ObjectKey::new(Level::new(self.level).ok().filter(|l| l.get() > 0)?, range)?;
        let said = ObjectKey::parse(Layout::Tree, &format!("ltx/{}.ltx", self.key))?;
        (said == key).then_some(key)
    }
}

fn bad(field: &str, text: &str) -> ManifestError {
    let shown: String = text.chars().take(80).collect();
    ManifestError::Corrupt(format!("{field} is `{shown}`"))
}
