use super::*;
use crate::exit::Kind;

fn places(names: &[&str]) -> Vec<Place> {
    names.iter().map(|name| Place::parse(name).unwrap()).collect()
}

fn lookup(
    given: &str,
    names: &[&str],
    databases: &[DatabaseSpec],
) -> Result<(String, Option<PathBuf>), crate::exit::Failure> {
    let found = resolve(given, &places(names), databases, Path::new("/w"))?;
    Ok((found.place.to_string(), found.path))
}

#[test]
fn name_is_the_whole_place_or_its_unambiguous_end() {
    let names = ["prod/app", "test/app", "prod/shop", "app2", "a/b/c"];
    let place = |given: &str| lookup(given, &names, &[]).map(|found| found.0);
    assert_eq!(place("prod/app").unwrap(), "prod/app");
    assert_eq!(place("/prod/app/").unwrap(), "prod/app");
    assert_eq!(place("shop").unwrap(), "prod/shop");
    assert_eq!(place("b/c").unwrap(), "a/b/c");
    assert_eq!(place("app2").unwrap(), "app2");
    assert_eq!(place("hop").unwrap_err().kind(), Kind::No);
}

#[test]
fn exact_name_wins_over_ends() {
    assert_eq!(lookup("app", &["app", "prod/app"], &[]).unwrap().0, "app");
}

#[test]
fn ambiguous_name_is_refused_with_the_candidates() {
    let failure = lookup("app", &["test/app", "prod/app", "shop"], &[]).unwrap_err();
    assert_eq!(failure.kind(), Kind::Usage);
    insta::assert_snapshot!(failure);
}

#[test]
fn unknown_name_is_answered_with_the_nearest() {
    let failure = lookup("ap", &["prod/app", "shop"], &[]).unwrap_err();
    assert_eq!(failure.kind(), Kind::No);
    insta::assert_snapshot!(failure);
}

#[test]
fn local_path_is_a_name_too() {
    let databases = config("[[databases]]\npath = \"data/main.db\"\nname = \"app\"\nprefix = \"prod\"\n")
        .databases()
        .unwrap()
        .databases;
    let names = ["prod/app", "other"];
    let configured = ("prod/app".to_owned(), Some(PathBuf::from("/w/data/main.db")));
    for given in ["data/main.db", "./data/main.db", "/w/data/main.db", "prod/app", "app"] {
        assert_eq!(lookup(given, &names, &databases).unwrap(), configured, "{given}");
    }
    let by_default_name = ("other".to_owned(), Some(PathBuf::from("/w/other.db")));
    assert_eq!(lookup("other.db", &names, &databases).unwrap(), by_default_name);
    assert_eq!(lookup("x/other", &names, &databases).unwrap_err().kind(), Kind::No);
}

#[test]
fn places_are_safe_components_that_no_level_is_mistaken_for() {
    assert_eq!(Place::new("/a/b/", "c").unwrap().as_str(), "a/b/c");
    assert_eq!(Place::new("", "c").unwrap().as_str(), "c");
    for name in ["", "a//b", "/a", "a/", ".", "a/../b", "a\nb", "0000", "x/0009", "ltx/a", "manifest.json"] {
        assert!(Place::parse(name).is_err(), "{name}");
    }
    for name in ["0010", "00001", "000a", "ltxs", "a b", "ü"] {
        assert!(Place::parse(name).is_ok(), "{name}");
    }
    assert!(Place::parse(&"x".repeat(701)).is_err());
}

#[test]
fn store_urls_are_read_and_shown_in_one_spelling() {
    for (text, shown) in [
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/", "s3://bucket"),
        ("s3://bucket/a/b/", "s3://bucket/a/b"),
        ("file:///dir/", "file:///dir"),
        ("file://dir", "file:///w/dir"),
        ("file://./dir", "file:///w/dir"),
        ("./dir", "file:///w/dir"),
        ("/dir", "file:///dir"),
        ("a:b", "file:///w/a:b"),
    ] {
        assert_eq!(StoreUrl::parse(text, Path::new("/w")).unwrap().to_string(), shown, "{text}");
    }
}

#[test]
fn what_is_no_store_url_says_why() {
    let error = |text: &str| StoreUrl::parse(text, Path::new("/w")).unwrap_err();
    for text in ["gs://b", "az://c", "http://h", "https://h", "sftp://h"] {
        assert!(error(text).to_string().ends_with("are not in this version"), "{text}");
    }
    assert!(matches!(error("ftp://h"), StoreUrlError::UnknownScheme(_)));
    assert!(matches!(error("s3:/b"), StoreUrlError::NoSlashes(..)));
    assert!(matches!(error("s3://"), StoreUrlError::NoBucket(_)));
    assert!(matches!(error("s3:///b"), StoreUrlError::NoBucket(_)));
    assert!(matches!(error("s3://b?endpoint=x"), StoreUrlError::Options(_)));
    assert!(matches!(error("s3://id:secret@b/p"), StoreUrlError::Options(_)));
    assert!(matches!(error(""), StoreUrlError::Empty));
    assert!(matches!(error("file://"), StoreUrlError::Empty));
}

#[test]
fn url_inside_the_store_is_a_place_of_it() {
    let url = |text: &str| StoreUrl::parse(text, Path::new("/w")).unwrap();
    let place =
        |inner: &str, store: &str| url(inner).place_within(&url(store)).map(|place| place.to_string());
    assert_eq!(place("s3://b/p/prod/app", "s3://b/p").as_deref(), Some("prod/app"));
    assert_eq!(place("s3://b/app", "s3://b").as_deref(), Some("app"));
    assert_eq!(place("file:///s/app/", "/s").as_deref(), Some("app"));
    assert_eq!(place("s3://b/px/app", "s3://b/p"), None);
    assert_eq!(place("s3://b/p", "s3://b/p"), None);
    assert_eq!(place("s3://c/p/app", "s3://b/p"), None);
    assert_eq!(place("file:///s/app", "s3://b"), None);
}
