//! Replicas that real Litestream binaries wrote (`tests/fixtures`), put into a store, and what they restore to.

#![allow(dead_code, reason = "not every test program uses all of it")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

/// One replica.
pub(crate) struct Replica {
    pub(crate) case: String,
    folder: PathBuf,
    manifest: Manifest,
}

#[derive(Deserialize)]
struct Manifest {
    mtime_unix_ms: BTreeMap<String, u64>,
    restore_by_txid: BTreeMap<String, Expected>,
}

/// What Litestream made of a TXID.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Expected {
    /// This database.
    Database { sha256: String, size: u64 },
    /// Nothing.
    Refused { error: String },
}

/// All of them, in the order of their names.
pub(crate) fn replicas() -> Vec<Replica> {
    let entries = fs::read_dir(fixtures()).unwrap().map(|entry| entry.unwrap());
    let folders = entries.filter(|entry| entry.path().join("manifest.json").exists());
    let mut cases: Vec<String> = folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
    cases.sort();
    assert!(cases.len() >= 7, "{cases:?}");
    cases.iter().map(|case| replica(case)).collect()
}

/// This one.
pub(crate) fn replica(case: &str) -> Replica {
    let folder = fixtures().join(case);
    let manifest = serde_json::from_slice(&fs::read(folder.join("manifest.json")).unwrap()).unwrap();
    Replica { case: case.to_owned(), folder, manifest }
}

impl Replica {
    /// Copies it to the folder of a place, with the times that its objects had.
    pub(crate) fn copy_to(&self, place: &Path) {
        for (name, mtime_ms, bytes) in self.objects() {
            let path = place.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, bytes).unwrap();
            let modified = UNIX_EPOCH + Duration::from_millis(mtime_ms);
            fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        }
    }

    /// Its objects: name below the place, modification time in milliseconds, bytes.
    pub(crate) fn objects(&self) -> impl Iterator<Item = (&str, u64, Vec<u8>)> {
        let bytes = |name: &str| fs::read(self.folder.join("replica").join(name)).unwrap();
        self.manifest.mtime_unix_ms.iter().map(move |(name, ms)| (name.as_str(), *ms, bytes(name)))
    }

    /// What each TXID restores to, ascending; a TXID has 16 hexadecimal digits.
    pub(crate) fn expected(&self) -> &BTreeMap<String, Expected> {
        &self.manifest.restore_by_txid
    }

    /// What it restores to without a target.
    pub(crate) fn newest(&self) -> &Expected {
        let mut restorable = self.expected().values().filter(|e| matches!(e, Expected::Database { .. }));
        restorable.next_back().unwrap()
    }
}

impl Expected {
    /// What a file holds.
    pub(crate) fn of_file(path: &Path) -> Expected {
        let bytes = fs::read(path).unwrap();
        Expected::Database { sha256: engine::store::Sha256::of(&bytes).to_string(), size: bytes.len() as u64 }
    }
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures")
}
