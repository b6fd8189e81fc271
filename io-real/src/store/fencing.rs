//! The stores that were seen to fence writers, remembered from life to life.
//!
//! Only the good answer is kept, and not for ever: a store changes its software, a bucket moves, and an earlier
//! walsync asked less. What cannot be read is not there. Losing it costs the requests of a probe.

use engine::types::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The remembered answers of [`probe_conditional_writes`](super::probe_conditional_writes), in a file.
#[derive(Debug)]
pub struct FencingCache {
    path: PathBuf,
    answers: Answers,
}

#[derive(Debug, Serialize, Deserialize)]
struct Answers {
    /// Which questions were asked: [`VERSION`].
    version: u32,
    /// Store to the wall clock at its answer, in milliseconds.
    honoured: BTreeMap<String, i64>,
}

impl FencingCache {
    /// Reads what was remembered at `path`. Answers to fewer questions than are asked today count for nothing.
    pub fn load(path: &Path) -> FencingCache {
        let text = std::fs::read(path).unwrap_or_default();
        let answers =
            serde_json::from_slice(&text).ok().filter(|answers: &Answers| answers.version == VERSION);
        let answers = answers.unwrap_or_else(|| Answers { version: VERSION, honoured: BTreeMap::new() });
        FencingCache { path: path.to_owned(), answers }
    }

    /// Whether `store` (any text that names it) was seen to fence writers in the last 30 days.
    pub fn is_honoured(&self, store: &str, now: Timestamp) -> bool {
        let age_ms = |at: &i64| now.as_millis().checked_sub(*at);
        // A time that is still to come says that a clock was wrong, then or now.
        self.answers.honoured.get(store).and_then(age_ms).is_some_and(|age| (0..KEPT_FOR_MS).contains(&age))
    }

    /// Remembers that `store` fences writers. It is asked again if this cannot be written.
    pub fn remember(&mut self, store: &str, now: Timestamp) {
        self.answers.honoured.insert(store.to_owned(), now.as_millis());
        if let Ok(text) = serde_json::to_vec(&self.answers) {
            let _ = std::fs::write(&self.path, text);
        }
    }
}

/// How long an answer counts.
const KEPT_FOR_MS: i64 = 30 * 86_400_000;

/// Raised with every question that the probe asks in addition. Before 2 (a bare list of stores) it did not
/// look at completions.
const VERSION: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn later(ms: i64) -> Timestamp {
        Timestamp::from_millis(START.as_millis() + ms)
    }

    #[test]
    fn an_answer_is_remembered_for_thirty_days() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fencing.json");
        let mut cache = FencingCache::load(&path);
        assert!(!cache.is_honoured("s3://a", START));
        cache.remember("s3://a", START);
        let cache = FencingCache::load(&path);
        assert!(cache.is_honoured("s3://a", START) && cache.is_honoured("s3://a", later(KEPT_FOR_MS - 1)));
        assert!(!cache.is_honoured("s3://a", later(KEPT_FOR_MS)));
        assert!(!cache.is_honoured("s3://a", later(-1)), "the clock went back");
        assert!(!cache.is_honoured("s3://b", START));
    }

    #[test]
    fn answers_to_fewer_questions_and_garbage_count_for_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fencing.json");
        let at = START.as_millis();
        for text in [
            r#"["s3://a"]"#.to_owned(),
            format!(r#"{{"version":1,"honoured":{{"s3://a":{at}}}}}"#),
            format!(r#"{{"version":3,"honoured":{{"s3://a":{at}}}}}"#),
            format!(r#"{{"version":2,"honoured":{{"s3://a":{at}"#),
        ] {
            std::fs::write(&path, &text).unwrap();
            let mut cache = FencingCache::load(&path);
            assert!(!cache.is_honoured("s3://a", START), "{text}");
            cache.remember("s3://b", START);
            assert!(FencingCache::load(&path).is_honoured("s3://b", START), "{text}");
        }
    }
}
