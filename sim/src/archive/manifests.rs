//! What `manifest.json` may say.

use super::object::Tool;
use super::shelf::Shelf;
use engine::manifest::{DatabaseId, IndexEntry, Manifest, WriterClaim};
use engine::store::Sha256;
use engine::types::{Level, NodeId, Timestamp};
use io_sim::random::Random;
use serde::{Deserialize, Serialize};

/// Kinds of manifests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Saying {
    /// There is none.
    Nothing,
    /// Everything of levels 1 to 9, and the truth.
    Index,
    /// An index without digests, as of another tool's objects.
    IndexWithoutDigests,
    /// Sizes and times of an index are others, as of objects that were there before.
    Outdated,
    /// Times of an index are others, and nothing shows it.
    Lying,
    /// Digests of an index are others, and nothing shows it.
    Maligning,
    /// It ends too early.
    CutOff,
    /// A bit of it is wrong.
    Flipped,
    /// A field holds what it cannot.
    Wrong {
        /// The field, as a number.
        field: u8,
    },
    /// A newer walsync wrote it.
    Newer,
}

impl Saying {
    /// All of them.
    pub const ALL: &[Saying] = &[
        Saying::Nothing,
        Saying::Index,
        Saying::IndexWithoutDigests,
        Saying::Outdated,
        Saying::Lying,
        Saying::Maligning,
        Saying::CutOff,
        Saying::Flipped,
        Saying::Wrong { field: 0 },
        Saying::Wrong { field: 1 },
        Saying::Wrong { field: 2 },
        Saying::Wrong { field: 3 },
        Saying::Wrong { field: 4 },
        Saying::Wrong { field: 5 },
        Saying::Wrong { field: 6 },
        Saying::Newer,
    ];

    /// Its bytes; `None` when there is none.
    pub fn bytes(self, shelf: &Shelf, draw: &mut Random) -> Option<Vec<u8>> {
        let truth = manifest(shelf);
        match self {
            Saying::Nothing => None,
            Saying::Index => Some(truth.encode()),
            Saying::IndexWithoutDigests => {
                let objects = truth.objects.iter().map(|entry| IndexEntry { sha256: None, ..entry.clone() });
                Some(Manifest { objects: objects.collect(), ..truth }.encode())
            }
            Saying::Outdated | Saying::Lying => {
                let objects = truth.objects.iter().map(|entry| IndexEntry {
                    time: Timestamp::from_millis(entry.time.as_millis() - 500 + draw.below(1000) as i64),
                    size_bytes: entry.size_bytes + u64::from(self == Saying::Outdated),
                    ..entry.clone()
                });
                Some(Manifest { objects: objects.collect(), ..truth }.encode())
            }
            Saying::Maligning => {
                let objects = truth.objects.iter().map(|entry| IndexEntry {
                    sha256: entry.sha256.map(|right| Sha256::of(&right.0)),
                    ..entry.clone()
                });
                Some(Manifest { objects: objects.collect(), ..truth }.encode())
            }
            Saying::CutOff => {
                let mut bytes = truth.encode();
                bytes.truncate(draw.below_usize(bytes.len() - 2));
                Some(bytes)
            }
            Saying::Flipped => {
                let mut bytes = truth.encode();
                let at = draw.below_usize(bytes.len());
                bytes[at] ^= 1 << draw.below(8);
                Some(bytes)
            }
            Saying::Wrong { field } => Some(wrong(&truth, field)),
            Saying::Newer => Some(b"{\"format\": 2, \"what\": [\"nobody knows yet\"]}\n".to_vec()),
        }
    }
}

fn manifest(shelf: &Shelf) -> Manifest {
    let indexed = shelf.items.iter().filter(|(key, _)| key.level() > Level::L0);
    Manifest {
        database: DatabaseId::parse("00000000-0000-4000-8000-000000000007").expect("an id"),
        writer: WriterClaim {
            id: NodeId::new(7).expect("not 0"),
            host: "host".to_owned(),
            time: Timestamp::from_millis(1),
        },
        store: "s3://simulated".to_owned(),
        l0_ms: 300_000,
        policy: None,
        objects: indexed
            .map(|(key, item)| IndexEntry {
                key: *key,
                time: item.time,
                size_bytes: item.bytes.len() as u64,
                // Of what another tool wrote there is none.
                sha256: (item.tool == Tool::Walsync).then(|| Sha256::of(&item.bytes)),
            })
            .collect(),
    }
}

/// A document that is JSON, and no manifest.
fn wrong(truth: &Manifest, field: u8) -> Vec<u8> {
    let mut document: serde_json::Value = serde_json::from_slice(&truth.encode()).expect("just written");
    let first = document["objects"].get(0).cloned();
    match (field, first) {
        (0, _) => document["format"] = 0.into(),
        (1, _) => document["database"] = "0".into(),
        (2, _) => document["writer"]["id"] = "xyz".into(),
        (3, Some(entry)) => document["objects"].as_array_mut().expect("a list").push(entry),
        (4, Some(_)) => document["objects"][0]["key"] = "0/x".into(),
        (5, Some(_)) => document["objects"][0]["sha256"] = "12".into(),
        (6, Some(_)) => document["objects"][0]["level"] = 0.into(),
        _ => document["l0_ms"] = "long".into(),
    }
    serde_json::to_vec(&document).expect("it is JSON")
}
