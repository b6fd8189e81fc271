use super::*;
use crate::types::Txid;

#[test]
fn keys_lie_below_the_folder() {
    let place = Place::new("prod/app/").unwrap();
    let object = ObjectKey::slot(Txid::new(2).unwrap());
    let key = place.object_key(Layout::S3, object);
    assert_eq!(key, "prod/app/0000/0000000000000002-0000000000000002.ltx");
    assert_eq!(place.name_of(&key), Some("0000/0000000000000002-0000000000000002.ltx"));
    assert_eq!(place.name_of("prod/app2/manifest.json"), None);
    assert_eq!(place.name_of("prod/app"), None);
    assert_eq!(place.manifest_key(), "prod/app/manifest.json");
    assert_eq!(place.level_prefix(Layout::Tree, Level::L0), "prod/app/ltx/0/");
}

#[test]
fn the_root_can_be_a_place() {
    let root = Place::new("/").unwrap();
    assert_eq!(root.prefix(), "");
    assert_eq!(root.name_of("manifest.json"), Some("manifest.json"));
}

#[test]
fn folders_that_would_be_ambiguous_are_refused() {
    for bad in ["a//b", "a/./b", "..", "a/ltx", "0009/a", "sync", "a\nb", "a/manifest.json"] {
        assert!(Place::new(bad).is_err(), "{bad}");
    }
    for good in ["0010", "00000", "ltx2", "tenant/0001.db"] {
        assert!(Place::new(good).is_ok(), "{good}");
    }
}

#[test]
fn a_place_shows_by_its_manifest_or_a_level_folder() {
    assert!(is_place(["manifest.json"], []));
    assert!(is_place([], ["ltx/"]));
    assert!(is_place(["x"], ["a/", "0009/"]));
    assert!(!is_place(["manifest.json.bak"], ["sync/", "000a/", "app/"]));
}

#[test]
fn what_a_place_owns_is_no_other_places() {
    for (layout, level) in [(Layout::S3, "0009"), (Layout::Tree, "ltx/9")] {
        let place = Place::new("prod/app").unwrap();
        for name in ["manifest.json", "time", &format!("{level}/x"), &format!("{level}/a.ltx")] {
            assert!(place.owns(layout, &format!("prod/app/{name}")), "{name}");
        }
        for key in [
            format!("prod/app2/{level}/x"),
            format!("prod/app/inner/{level}/x"),
            "prod/app/inner/manifest.json".to_owned(),
            format!("{level}/x"),
            "prod/app".to_owned(),
        ] {
            assert!(!place.owns(layout, &key), "{key}");
        }
        // At the root other people's things lie beside ours.
        let root = Place::new("").unwrap();
        assert!(root.owns(layout, &format!("{level}/x")) && !root.owns(layout, "x"));
    }
}
