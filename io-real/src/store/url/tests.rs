//! What is a store's URL, and what is not.

use super::*;

fn s3(bucket: &str, prefix: &str) -> StoreUrl {
    StoreUrl::S3 { bucket: bucket.to_owned(), prefix: prefix.to_owned() }
}

fn file(root: &str) -> StoreUrl {
    StoreUrl::File { root: PathBuf::from(root) }
}

#[test]
fn s3_urls_name_a_bucket_and_a_prefix() {
    assert_eq!(StoreUrl::parse("s3://bucket"), Ok(s3("bucket", "")));
    assert_eq!(StoreUrl::parse("s3://bucket/"), Ok(s3("bucket", "")));
    assert_eq!(StoreUrl::parse("s3://bucket/a/b/"), Ok(s3("bucket", "a/b")));
    assert_eq!(StoreUrl::parse("s3://bucket/a%20b"), Ok(s3("bucket", "a b")));
    assert_eq!(s3("b", "p").kind(), StoreKind::S3);
}

#[test]
fn paths_and_file_urls_name_a_directory() {
    assert_eq!(StoreUrl::parse("/var/backups"), Ok(file("/var/backups")));
    assert_eq!(StoreUrl::parse("./walsync-store"), Ok(file("./walsync-store")));
    assert_eq!(StoreUrl::parse("file:///var/backups"), Ok(file("/var/backups")));
    assert_eq!(StoreUrl::parse("file://walsync-store"), Ok(file("walsync-store")));
    assert_eq!(StoreUrl::parse("/odd%20name#1"), Ok(file("/odd%20name#1")));
    assert_eq!(file("x").kind(), StoreKind::File);
}

#[test]
fn what_is_written_is_read_back() {
    for url in [s3("b", ""), s3("b", "a/b c%#?é"), file("/a b/100%"), file("relative/dir")] {
        assert_eq!(StoreUrl::parse(&url.to_string()).as_ref(), Ok(&url), "{url}");
    }
}

#[test]
fn schemes_whose_turn_has_not_come_are_named() {
    for scheme in ["gs", "az", "http", "https", "sftp"] {
        let refused = StoreUrl::parse(&format!("{scheme}://host/path"));
        assert_eq!(refused, Err(UrlError::NotInThisVersion { scheme: scheme.to_owned() }));
    }
    assert_eq!(StoreUrl::parse("ftp://host"), Err(UrlError::UnknownScheme { scheme: "ftp".to_owned() }));
}

#[test]
fn malformed_urls_say_what_is_wrong() {
    assert_eq!(StoreUrl::parse(""), Err(UrlError::Empty));
    for text in [
        "s3:bucket",
        "s3://",
        "s3:///prefix",
        "s3://user@bucket/x",
        "s3://host:9000/bucket",
        "s3://bucket/a//b",
        "s3://bucket/../other",
        "s3://bucket/p?region=x",
        "s3://bucket/%FF",
        "file://",
        "file://a\0b",
    ] {
        assert!(matches!(StoreUrl::parse(text), Err(UrlError::Malformed { .. })), "{text}");
    }
}

#[test]
fn places_are_joined_below_the_prefix() {
    assert_eq!(s3("b", "").join("prod/app"), s3("b", "prod/app"));
    assert_eq!(s3("b", "p").join("app/"), s3("b", "p/app"));
    assert_eq!(file("/x").join("app"), file("/x/app"));
}
