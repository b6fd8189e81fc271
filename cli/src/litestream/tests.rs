use super::endpoint::{Endpoint, of_host, with_scheme};
use super::*;
use crate::config::{Config, ConfigFile, Environment, Flags, Loaded, Surroundings};
use std::path::PathBuf;

const SAMPLES: [(&str, &str); 8] = [
    ("s3_0.5", include_str!("samples/s3_0.5.yml")),
    ("s3_0.3", include_str!("samples/s3_0.3.yml")),
    ("minio", include_str!("samples/minio.yml")),
    ("minio_url", include_str!("samples/minio_url.yml")),
    ("directory", include_str!("samples/directory.yml")),
    ("file", include_str!("samples/file.yml")),
    ("several_stores", include_str!("samples/several_stores.yml")),
    ("providers", include_str!("samples/providers.yml")),
];

fn imported(text: &str) -> Imported {
    import(text, "litestream.yml").unwrap()
}

/// What walsync makes of the result, with every variable set.
fn loaded(imported: &Imported) -> Loaded {
    let variables = imported.variables.iter().map(|name| (name.clone(), "value".to_owned()));
    let surroundings = Surroundings {
        environment: Environment::from_pairs(variables),
        working_dir: PathBuf::from("/work"),
        system_config: PathBuf::from("/nowhere"),
        is_root: false,
        stdout_is_terminal: false,
        stderr_is_terminal: false,
    };
    let file = ConfigFile { path: PathBuf::from("walsync.toml"), text: imported.toml.clone() };
    Loaded::of_file(Some(file), &Flags::default(), &surroundings)
}

#[test]
fn every_sample_becomes_a_configuration_without_errors() {
    for (name, text) in SAMPLES {
        let imported = imported(text);
        let loaded = loaded(&imported);
        assert!(loaded.config.is_some(), "{name}: {:?}\n{}", loaded.problems, imported.toml);
        assert_eq!(loaded.problems, [], "{name}");
    }
}

#[test]
fn values_have_the_keys_of_walsync_for_all_databases_or_their_own() {
    let value = |config: &Config, path: &str| config.values.get(path).unwrap().value.to_string();
    let new = imported(SAMPLES[0].1);
    assert_eq!(new.variables, ["AWS_KEY", "AWS_SECRET", "HOME"]);
    let config = loaded(&new).config.unwrap();
    for (path, expected) in [
        ("store.access_key_id", "\"value\""),
        ("store.region", "\"eu-central-1\""),
        ("sync.max_interval", "\"10s\""),
        ("sync.shutdown_timeout", "\"30s\""),
        ("snapshots.interval", "\"12h\""),
        ("compaction.levels", "[\"30s\", \"5m\", \"1h\"]"),
        ("retention.l0", "\"10m\""),
        ("retention.pitr", "\"72h\""),
        ("retention.monthly", "0"),
    ] {
        assert_eq!(value(&config, path), expected, "{path}");
    }
    let old = loaded(&imported(SAMPLES[1].1)).config.unwrap();
    assert_eq!(value(&old, "store.secret_access_key"), "\"000123\"", "as it was written");
    assert_eq!(value(&old, "store.region"), "\"eu-west-1\"");
    assert_eq!(value(&old, "retention.pitr"), "\"168h\"");
    let minio = loaded(&imported(SAMPLES[2].1)).config.unwrap();
    assert_eq!(value(&minio, "store.endpoint"), "\"http://localhost:9000\"");
    assert_eq!(value(&minio, "store.path_style"), "true");
    let directory = loaded(&imported(SAMPLES[4].1)).config.unwrap();
    assert_eq!(directory.entries[0].pattern.as_str(), "/data/tenants/**/*.db");
    assert_eq!(directory.settings.store.url.to_string(), "file:///backups/tenants");
    let own = loaded(&imported(SAMPLES[5].1)).config.unwrap();
    let settings: Vec<_> = own.entries.iter().map(|entry| &entry.settings).collect();
    assert_eq!(settings[0].sync.max_interval.as_millis(), 1000);
    assert_eq!(settings[1].sync.max_interval.as_millis(), 500);
    assert_eq!((settings[0].sync.checkpoint_pages, settings[1].sync.checkpoint_pages), (1000, 2000));
    assert_eq!(settings[1].retention.pitr.as_secs(), 1800);
    let kept = loaded(&imported(SAMPLES[7].1)).config.unwrap();
    assert_eq!(value(&kept, "retention.pitr"), "\"876000h\"", "nothing is deleted");
    assert_eq!(value(&kept, "store.endpoint"), "\"https://fly.storage.tigris.dev\"");
}

#[test]
fn every_database_keeps_the_place_of_its_replica() {
    for (text, store, places) in [
        (SAMPLES[0].1, "s3://my-bucket/prod", &["app", "users.db"][..]),
        (SAMPLES[1].1, "s3://backups", &["db"]),
        (SAMPLES[2].1, "s3://mybkt", &["app"]),
        (SAMPLES[3].1, "s3://mybkt", &["fruits.db"]),
        (SAMPLES[5].1, "file:///backups", &["a.db", "b"]),
        ("dbs: [{path: a.db, replica: {path: /x}}]", "file:///", &["x"]),
        ("dbs: [{path: a.db, replica: {path: backups/x}}]", "file:///work/backups", &["x"]),
        ("dbs: [{path: a.db, replica: {url: 's3://b/p/q/r'}}]", "s3://b/p/q", &["r"]),
        ("dbs: [{path: a.db, replica: {url: 's3://b'}}]", "s3://b", &["a"]),
        (
            "dbs: [{path: a.db, replica: {url: 's3://b/p/a'}}, {path: b.db, replica: {url: 's3://b/q/b'}}]",
            "s3://b",
            &["p/a", "q/b"],
        ),
    ] {
        let config = loaded(&imported(text)).config.unwrap();
        assert_eq!(config.settings.store.url.to_string(), store);
        let found = config.databases().unwrap().databases;
        let mut found: Vec<&str> = found.iter().map(|spec| spec.place.as_str()).collect();
        found.sort_unstable();
        assert_eq!(found, places, "{text}");
    }
}

#[test]
fn what_has_no_equivalent_is_named_with_its_line_once() {
    let left_out = imported(SAMPLES[7].1).left_out;
    let shown: Vec<String> = left_out.iter().map(|left| format!("{} {}", left.line, left.key)).collect();
    assert_eq!(
        shown,
        [
            "5 dbs[0].restore-if-db-not-exists",
            "8 dbs[0].replica.age",
            "9 dbs[0].replica.colour",
            "10 exec",
            "11 heartbeat-url",
        ]
    );
    for (key, reason) in [("dbs[1].path", "another store"), ("dbs[2].replica.type", "kind `gs`")] {
        let left_out = imported(SAMPLES[6].1).left_out;
        let found = left_out.iter().find(|left| left.key == key).unwrap();
        assert!(found.reason.contains(reason), "{found:?}");
    }
    let twice = "skip-verify: true\ndbs: [{path: a.db, replica: {url: 's3://b/a'}}, {path: b.db, replica: {url: 's3://b/b'}}]";
    let keys: Vec<String> = imported(twice).left_out.into_iter().map(|left| left.key).collect();
    assert_eq!(keys, ["skip-verify"]);
}

#[test]
fn values_that_are_none_are_named_and_left_out() {
    let text = "
l0-retention: 100ms
levels: [{interval: 5m}, {interval: 1m}]
snapshot: {interval: soon}
dbs:
  - path: a.db
    min-checkpoint-page-count: many
    replica: {path: /x, sync-interval: 10}
";
    let imported = imported(text);
    let keys: Vec<&str> = imported.left_out.iter().map(|left| left.key.as_str()).collect();
    let expected = [
        "l0-retention",
        "levels",
        "snapshot.interval",
        "dbs[0].min-checkpoint-page-count",
        "dbs[0].replica.sync-interval",
    ];
    assert!(expected.iter().all(|key| keys.contains(key)) && keys.len() == 5, "{:?}", imported.left_out);
    assert!(loaded(&imported).config.is_some());
}

#[test]
fn files_that_are_none_of_litestreams_are_refused() {
    for (text, error) in [
        ("", YamlError::NoKeys),
        ("dbs:", YamlError::NoDatabases),
        ("dbs: []", YamlError::NoDatabases),
        ("- a\n- b", YamlError::NoKeys),
        ("text", YamlError::NoKeys),
        ("a: 1\n---\nb: 2", YamlError::NoKeys),
        ("dbs: {path: a}", YamlError::NoDatabases),
        ("\tdbs: x", YamlError::NoDatabases),
    ] {
        assert_eq!(import(text, "x").unwrap_err(), error, "{text:?}");
    }
    for text in ["a: [", "a: b: c", "a: 1\na: 2", "a: *nobody"] {
        assert!(
            matches!(import(text, "x"), Err(YamlError::Syntax { .. })),
            "{text:?}: {:?}",
            import(text, "x")
        );
    }
    let deep = "[".repeat(10_000);
    assert!(import(&deep, "x").is_err());
    let laughs: String = (1..30).fold("a0: &a0 [x]\n".to_owned(), |text, n| {
        let before = format!("*a{}", n - 1);
        format!("{text}a{n}: &a{n} [{}]\n", [before.as_str(); 10].join(", "))
    });
    assert!(matches!(import(&laughs, "x"), Err(YamlError::TooMuch { .. })));
}

#[test]
fn hosts_of_providers_are_taken_apart() {
    let endpoint = |bucket: &str, url: Option<&str>, region: Option<&str>| Endpoint {
        bucket: bucket.to_owned(),
        url: url.map(str::to_owned),
        region: region.map(str::to_owned),
    };
    for (host, expected) in [
        ("bucket", endpoint("bucket", None, None)),
        ("my.bucket.com", endpoint("my.bucket.com", None, None)),
        ("b.s3.amazonaws.com", endpoint("b", None, None)),
        ("b.s3.eu-west-1.amazonaws.com", endpoint("b", None, Some("eu-west-1"))),
        (
            "b.nyc3.digitaloceanspaces.com",
            endpoint("b", Some("https://nyc3.digitaloceanspaces.com"), Some("nyc3")),
        ),
        (
            "b.s3.us-west-000.backblazeb2.com",
            endpoint("b", Some("https://s3.us-west-000.backblazeb2.com"), Some("us-west-000")),
        ),
        ("b.s3.filebase.com", endpoint("b", Some("https://s3.filebase.com"), None)),
        ("b.s3.fr-par.scw.cloud", endpoint("b", Some("https://s3.fr-par.scw.cloud"), Some("fr-par"))),
        ("b.minio:9000", endpoint("b", Some("http://minio:9000"), None)),
        ("localhost:9000", endpoint("", Some("http://localhost:9000"), None)),
    ] {
        assert_eq!(of_host(host), expected, "{host}");
    }
    for (given, expected) in [
        ("localhost:9000", "http://localhost:9000"),
        ("10.0.0.1", "http://10.0.0.1"),
        ("1.2.3.4", "https://1.2.3.4"),
        ("minio:9000", "http://minio:9000"),
        ("fly.storage.tigris.dev", "https://fly.storage.tigris.dev"),
        ("http://x", "http://x"),
    ] {
        assert_eq!(with_scheme(given), expected);
    }
}

#[test]
fn values_of_go_are_read_as_go_reads_them() {
    let micros = |text| value::duration(text).map(|span| span.as_micros());
    for (text, expected) in [
        ("0", Some(0)),
        ("10s", Some(10_000_000)),
        ("1h30m", Some(5_400_000_000)),
        ("1.5h", Some(5_400_000_000)),
        ("24h0m0s", Some(86_400_000_000)),
        ("500ms", Some(500_000)),
        ("2us", Some(2)),
        ("1000ns", Some(1)),
        ("999ns", None),
        ("10", None),
        ("-1s", None),
        ("", None),
        ("1d", None),
        ("s", None),
        ("1..5s", None),
        ("99999999999999999999h", None),
    ] {
        assert_eq!(micros(text), expected, "{text}");
    }
    let bytes = |text| value::size(text).map(|size| size.bytes());
    for (text, expected) in [
        ("5MB", Some(5_000_000)),
        ("16M", Some(16_000_000)),
        ("8 MiB", Some(8 << 20)),
        ("8mi", Some(8 << 20)),
        ("1024", Some(1024)),
        ("1.5GB", Some(1_500_000_000)),
        ("much", None),
    ] {
        assert_eq!(bytes(text), expected, "{text}");
    }
    for (text, expected) in [
        ("$A/${B}/c", "${A}/${B}/c"),
        ("cost $5", "cost $5"),
        ("$", "$"),
        ("a$", "a$"),
        ("$A_1-$B", "${A_1}-${B}"),
    ] {
        assert_eq!(value::with_braces(text), expected);
    }
    assert_eq!(value::variables("${A}x${B}${A}"), ["A", "B", "A"]);
}

#[test]
fn truncated_files_are_refused_or_become_configurations_without_errors() {
    for (name, text) in SAMPLES {
        for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
            let Ok(imported) = import(&text[..end], "x") else { continue };
            let loaded = loaded(&imported);
            assert!(loaded.config.is_some(), "{name} up to {end}: {:?}\n{}", loaded.problems, imported.toml);
        }
    }
}
