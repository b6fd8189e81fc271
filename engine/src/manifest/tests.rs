use super::*;
use crate::key::ObjectKey;
use crate::retention::Policy;
use crate::store::Sha256;
use crate::types::{NodeId, Timestamp, Txid};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

fn example() -> Manifest {
    Manifest {
        database: DatabaseId::from_random([7; 16]),
        writer: WriterClaim {
            id: NodeId::new(0xabc).unwrap(),
            host: "db-1".into(),
            time: Timestamp::from_millis(1_795_225_303_612),
        },
        store: "s3://backups/prod".into(),
        l0_ms: 300_000,
        policy: Some(Policy {
            l0: Duration::from_secs(300),
            pitr: Duration::from_secs(86_400),
            hourly: 24,
            daily: 7,
            weekly: 12,
            monthly: 0,
        }),
        objects: vec![IndexEntry {
            key: ObjectKey::snapshot(Txid::new(3).unwrap()),
            time: Timestamp::from_millis(1_795_225_303_000),
            size_bytes: 637,
            sha256: Some(Sha256::of(b"x")),
        }],
    }
}

fn example_value() -> Value {
    serde_json::from_slice(&example().encode()).unwrap()
}

fn decode(value: &Value) -> Result<Manifest, ManifestError> {
    Manifest::decode(&serde_json::to_vec(value).unwrap())
}

#[test]
fn decode_reads_what_encode_writes() {
    assert_eq!(Manifest::decode(&example().encode()), Ok(example()));
    insta::assert_snapshot!(String::from_utf8(example().encode()).unwrap(), @r#"
    {
      "format": 1,
      "database": "07070707-0707-4707-8707-070707070707",
      "writer": {
        "id": "0000000000000abc",
        "host": "db-1",
        "time_ms": 1795225303612
      },
      "store": "s3://backups/prod",
      "l0_ms": 300000,
      "retention": {
        "l0_ms": 300000,
        "pitr_ms": 86400000,
        "hourly": 24,
        "daily": 7,
        "weekly": 12,
        "monthly": 0
      },
      "objects": [
        {
          "key": "9/0000000000000001-0000000000000003",
          "level": 9,
          "min_txid": "0000000000000001",
          "max_txid": "0000000000000003",
          "time_ms": 1795225303000,
          "size_bytes": 637,
          "sha256": "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
        }
      ]
    }
    "#);
}

#[test]
fn a_newer_format_is_told_apart_from_damage() {
    let newer = br#"{"format": 2, "database": 5}"#;
    assert_eq!(Manifest::decode(newer), Err(ManifestError::Newer { format: 2 }));
    for damaged in ["", "[]", "{}", r#"{"format":-1}"#, r#"{"format":0}"#, r#"{"format":1}"#] {
        assert!(matches!(Manifest::decode(damaged.as_bytes()), Err(ManifestError::Corrupt(_))), "{damaged}");
    }
}

#[test]
fn unknown_fields_of_the_same_format_are_passed_over() {
    let mut value = example_value();
    value["colour"] = "blue".into();
    value["writer"]["pid"] = 4.into();
    value["objects"][0]["parts"] = Value::Array(vec![]);
    assert_eq!(decode(&value), Ok(example()));
}

#[test]
fn every_wrong_field_is_refused() {
    let wrong: [(&str, Value); 10] = [
        ("/format", 0.into()),
        ("/database", "07070707-0707-4707-8707-07070707070".into()),
        ("/writer/id", "0000000000000000".into()),
        ("/l0_ms", (-1).into()),
        ("/objects/0/key", "9/0000000000000001-0000000000000004".into()),
        ("/objects/0/level", 0.into()),
        ("/objects/0/level", 10.into()),
        ("/objects/0/min_txid", "0000000000000002".into()),
        ("/objects/0/max_txid", "3".into()),
        ("/objects/0/sha256", "zz".into()),
    ];
    for (pointer, value) in wrong {
        let mut document = example_value();
        *document.pointer_mut(pointer).unwrap() = value;
        assert!(matches!(decode(&document), Err(ManifestError::Corrupt(_))), "{pointer}");
    }
    let mut level_0 = example_value();
    level_0["objects"][0]["level"] = 0.into();
    level_0["objects"][0]["key"] = "0/0000000000000001-0000000000000003".into();
    assert!(matches!(decode(&level_0), Err(ManifestError::Corrupt(_))));
    let mut twice = example_value();
    let entry = twice["objects"][0].clone();
    twice["objects"].as_array_mut().unwrap().push(entry);
    assert!(matches!(decode(&twice), Err(ManifestError::Corrupt(_))));
}

#[test]
fn every_truncation_is_damage() {
    let whole = example().encode();
    for len in 0..whole.len() - 2 {
        assert!(Manifest::decode(&whole[..len]).is_err(), "{len}");
    }
}

#[test]
fn the_index_finds_its_entries() {
    let manifest = example();
    assert!(manifest.entry(ObjectKey::snapshot(Txid::new(3).unwrap())).is_some());
    assert!(manifest.entry(ObjectKey::snapshot(Txid::new(4).unwrap())).is_none());
}

/// The first column of the table in the format's description is the set of fields that are written.
#[test]
fn the_described_fields_are_the_written_fields() {
    let page = include_str!("../../../docs/formats/manifest.md");
    let described: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(field, _)| field.to_owned())
        .collect();
    let mut written = BTreeSet::new();
    collect("", &example_value(), &mut written);
    assert_eq!(described, written);
}

fn collect(path: &str, value: &Value, out: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                let dot = if path.is_empty() { "" } else { "." };
                collect(&format!("{path}{dot}{name}"), inner, out);
            }
        }
        Value::Array(items) => items.iter().for_each(|inner| collect(&format!("{path}[]"), inner, out)),
        _ => {
            out.insert(path.to_owned());
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_make_decode_panic(at in 0usize..600, byte: u8) {
        let mut json = example().encode();
        if let Some(b) = json.get_mut(at) {
            *b = byte;
        }
        let _ = Manifest::decode(&json);
    }

    #[test]
    fn database_id_reads_its_own_text(bytes: [u8; 16]) {
        let id = DatabaseId::from_random(bytes);
        prop_assert_eq!(DatabaseId::parse(&id.to_string()), Some(id));
    }
}
