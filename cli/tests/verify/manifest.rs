//! `manifest.json` and what is kept beside objects: named where it is wrong, and never what decides what restores.

use crate::scene::{IMAGE, LARGE, Scene};
use crate::walsync::{exit_code, stderr};
use engine::ltx::{Decoder, Encoder, Header, Item};
use engine::types::LockByte;
use serde_json::{Value, json};
use tests::s3::S3Server;

#[test]
fn a_manifest_that_is_damaged_or_lies_is_named_and_one_that_is_behind_is_not() {
    for scene in Scene::both() {
        let bytes = scene.get("manifest.json");
        let found = |change: &dyn Fn(&mut Value), object: &str| {
            let mut document: Value = serde_json::from_slice(&bytes).unwrap();
            let image = scene.get(IMAGE);
            let millis = i64::from_be_bytes(image[32..40].try_into().unwrap());
            let sha256 = engine::store::Sha256::of(&image).to_string();
            document["objects"] = json!([{
                "key": IMAGE, "level": 9, "min_txid": "0000000000000001", "max_txid": "0000000000000001",
                "time_ms": millis, "size_bytes": image.len(), "sha256": sha256,
            }]);
            change(&mut document);
            scene.with(
                "manifest.json",
                |b| *b = serde_json::to_vec(&document).unwrap(),
                |scene| {
                    if object.is_empty() {
                        scene.assert_ok()
                    } else {
                        scene.assert_found(object, "manifest")
                    }
                    // Whatever it says, what restores does not change.
                    let restored = scene.run(&["restore", "app", "-o", "copy.db", "--force"]);
                    assert_eq!(exit_code(&restored), 0, "{}", stderr(&restored));
                    let read = |name| std::fs::read(scene.world.path(name)).unwrap();
                    assert!(read("copy.db") == read("app.db"), "{document}");
                },
            );
        };
        found(&|_| {}, "");
        found(&|document| document["objects"] = json!([]), "");
        found(&|document| document["objects"][0]["sha256"] = Value::Null, "");
        found(&|document| document["objects"][0]["time_ms"] = json!(5), IMAGE);
        found(&|document| document["objects"][0]["size_bytes"] = json!(5), IMAGE);
        let gone = "9/0000000000000001-0000000000000004";
        found(
            &|d| {
                (d["objects"][0]["key"], d["objects"][0]["max_txid"]) =
                    (json!(gone), json!("0000000000000004"))
            },
            gone,
        );
        // TXIDs that are not those of the key make no index.
        found(&|document| document["objects"][0]["max_txid"] = json!("0000000000000002"), "manifest.json");
        found(&|document| document["database"] = json!("x"), "manifest.json");
        for cut in [0, 30, bytes.len() - 3] {
            scene.with("manifest.json", |b| b.truncate(cut), |s| s.assert_found("manifest.json", "torn"));
        }
        scene.remove("manifest.json");
        scene.assert_ok();
        assert_eq!(scene.verify(false).document["databases"][0]["notes"][0]["kind"], "no-manifest");
    }
}

#[test]
fn a_wrong_digest_of_the_index_is_told_and_changes_no_restore() {
    for scene in Scene::both() {
        let image = scene.get(IMAGE);
        let mut document: Value = serde_json::from_slice(&scene.get("manifest.json")).unwrap();
        document["objects"] = json!([{
            "key": IMAGE, "level": 9, "min_txid": "0000000000000001", "max_txid": "0000000000000001",
            "time_ms": i64::from_be_bytes(image[32..40].try_into().unwrap()), "size_bytes": image.len(),
            "sha256": "00".repeat(32),
        }]);
        scene.put("manifest.json", &serde_json::to_vec(&document).unwrap());
        let restored = scene.run(&["restore", "app", "-o", "copy.db", "--verify", "full"]);
        assert_eq!(exit_code(&restored), 0, "{}", stderr(&restored));
        let listed = scene.run(&["list", "app", "--points", "--json"]);
        let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
        assert_eq!(listed["points"].as_array().unwrap().len(), 5);
        // An image of this size is not read whole for its header, but S3 keeps its digest beside it.
        if scene.server.is_some() {
            scene.assert_found(IMAGE, "digest")
        } else {
            scene.assert_found_deep(IMAGE, "digest")
        }
        scene.verify(true).assert_names("SHA-256", "what is wrong is said");
    }
}

/// The same pages as another tool writes them.
fn without_tag(object: &[u8]) -> Vec<u8> {
    let (mut decoder, mut input) = (Decoder::new(LockByte::SQLITE), object);
    let (mut encoder, mut bytes) = (None, Vec::new());
    while let Some(item) = decoder.read(&mut input).unwrap() {
        match item {
            Item::Header(h) => {
                let plain = Header::new(h.page_size(), h.commit(), h.txids(), h.timestamp());
                encoder = Some(Encoder::new(&plain, LockByte::SQLITE, &mut bytes));
            }
            Item::Page { pgno, page } => encoder.as_mut().unwrap().push(pgno, page, &mut bytes),
            Item::End(_) => {}
        }
    }
    encoder.unwrap().finish(&mut bytes);
    bytes
}

#[test]
fn an_object_without_our_tag_is_held_to_the_digest_of_the_index() {
    for scene in Scene::both() {
        let image = scene.get(IMAGE);
        let stranger = without_tag(&image);
        scene.put(IMAGE, &stranger);
        let restore = || scene.run(&["restore", "app", "-o", "copy.db", "--txid", "1", "--force"]);
        assert_eq!(exit_code(&restore()), 0, "nothing says that another object was here");
        let mut document: Value = serde_json::from_slice(&scene.get("manifest.json")).unwrap();
        document["objects"] = json!([{
            "key": IMAGE, "level": 9, "min_txid": "0000000000000001", "max_txid": "0000000000000001",
            "time_ms": i64::from_be_bytes(image[32..40].try_into().unwrap()), "size_bytes": stranger.len(),
            "sha256": engine::store::Sha256::of(&image).to_string(),
        }]);
        scene.put("manifest.json", &serde_json::to_vec(&document).unwrap());
        assert_eq!(exit_code(&restore()), 4, "{}", stderr(&restore()));
        scene.verify(true).assert_names(IMAGE, "another object");
    }
}

#[test]
fn what_is_stored_beside_an_object_is_compared_with_it() {
    let scene = Scene::new(Some(S3Server::start(&["bucket"])));
    let name = scene.name("app", LARGE);
    let server = scene.server.as_ref().unwrap();
    // The same content under the digest of another.
    let bytes = scene.get(LARGE);
    let metadata = [("walsync-sha256".to_owned(), "11".repeat(32))];
    server.put_object_with("bucket", &name, bytes, metadata.into());
    scene.assert_found_deep(LARGE, "metadata");
}
