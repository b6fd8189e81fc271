//! What the last checks found, in a file of the state directory. Losing it costs one round of checks.

use crate::control::VerifyReport;
use engine::types::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The checks of one store's places.
#[derive(Debug)]
pub(super) struct KeptChecks {
    path: PathBuf,
    store: String,
    checks: BTreeMap<String, Kept>,
}

/// What came of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    ended_at_ms: i64,
    /// The store could be read.
    pub(super) was_made: bool,
    pub(super) report: VerifyReport,
}

/// All stores of the daemons here.
#[derive(Debug, Default, Serialize, Deserialize)]
struct File {
    version: u32,
    stores: BTreeMap<String, BTreeMap<String, Kept>>,
}

const VERSION: u32 = 1;

impl Kept {
    pub(super) fn ended_at(&self) -> Timestamp {
        Timestamp::from_millis(self.ended_at_ms)
    }
}

impl KeptChecks {
    /// What cannot be read is not there.
    pub(super) fn load(path: &Path, store: &str) -> KeptChecks {
        let checks = read(path).stores.remove(store).unwrap_or_default();
        KeptChecks { path: path.to_owned(), store: store.to_owned(), checks }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Kept> {
        self.checks.get(name)
    }

    /// Keeps it. Other daemons of this state directory write the same file: what they kept is left alone, and of two that
    /// write at once one is lost.
    pub(super) fn keep(&mut self, name: &str, ended_at: Timestamp, was_made: bool, report: VerifyReport) {
        let kept = Kept { ended_at_ms: ended_at.as_millis(), was_made, report };
        self.checks.insert(name.to_owned(), kept.clone());
        let mut file = read(&self.path);
        file.stores.entry(self.store.clone()).or_default().insert(name.to_owned(), kept);
        let temporary = self.path.with_extension(format!("json-{}", std::process::id()));
        let written = serde_json::to_vec(&file).ok().map(|text| std::fs::write(&temporary, text));
        if !matches!(written, Some(Ok(()))) || std::fs::rename(&temporary, &self.path).is_err() {
            let _ = std::fs::remove_file(&temporary);
        }
    }
}

fn read(path: &Path) -> File {
    let text = std::fs::read(path).unwrap_or_default();
    let file = serde_json::from_slice(&text).ok().filter(|file: &File| file.version == VERSION);
    file.unwrap_or_else(|| File { version: VERSION, ..File::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(ok: bool) -> VerifyReport {
        let problems = if ok { Vec::new() } else { vec!["gap".to_owned()] };
        VerifyReport { at: "then".to_owned(), deep: true, ok: Some(ok), objects_checked: 3, problems }
    }

    #[test]
    fn checks_outlive_a_life_beside_those_of_other_stores() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("verify.json");
        let mut ours = KeptChecks::load(&path, "s3://a");
        let mut theirs = KeptChecks::load(&path, "s3://b");
        ours.keep("app", Timestamp::from_millis(5), true, report(false));
        theirs.keep("app", Timestamp::from_millis(7), false, report(true));
        let ours = KeptChecks::load(&path, "s3://a");
        let kept = ours.get("app").unwrap();
        assert_eq!(
            (kept.ended_at(), kept.was_made, kept.report.ok),
            (Timestamp::from_millis(5), true, Some(false))
        );
        assert_eq!(KeptChecks::load(&path, "s3://b").get("app").unwrap().report, report(true));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing temporary stays");
    }

    #[test]
    fn garbage_and_other_versions_count_for_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("verify.json");
        for text in ["", "{", r#"{"version":2,"stores":{}}"#] {
            std::fs::write(&path, text).unwrap();
            let mut checks = KeptChecks::load(&path, "s3://a");
            assert_eq!(checks.get("app"), None);
            checks.keep("app", Timestamp::from_millis(5), true, report(true));
            assert!(KeptChecks::load(&path, "s3://a").get("app").is_some());
        }
    }
}
