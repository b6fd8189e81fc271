use super::*;
use std::time::Duration;

/// The block of the contract, without the sections whose turn has not come.
const CONTRACT: &str = include_str!("contract.toml");
/// Those sections.
const LATER: &str = include_str!("later.toml");

#[test]
fn documented_block_loads_without_a_word() {
    assert_eq!(problems(CONTRACT), [""; 0]);
    let config = config(CONTRACT);
    assert_eq!(config.settings.store.url.to_string(), "s3://my-bucket/backups");
    assert_eq!(config.settings.store.endpoint.as_deref(), Some("http://127.0.0.1:9000"));
    assert_eq!(config.settings.limits.memory_bytes, 256 << 20);
    assert_eq!(config.entries.len(), 2);
    let app = &config.entries[1].settings;
    assert_eq!(app.snapshots.interval, Some(Duration::from_secs(1800)));
    assert_eq!(config.entries[0].settings.snapshots.interval, Some(Duration::from_secs(86_400)));
    assert_eq!(app.compaction.intervals, [30, 300, 3600].map(Duration::from_secs));
}

#[test]
fn documented_values_are_the_defaults() {
    let (documented, bare) = (config(CONTRACT), config(""));
    for key in KEYS.iter().filter(|key| !["store.url", "store.endpoint", "store.region"].contains(&key.path))
    {
        let value = |config: &Config| config.values.get(key.path).map(|found| found.value.clone());
        assert_eq!(value(&documented), value(&bare), "{}", key.path);
    }
}

#[test]
fn sections_whose_turn_has_not_come_are_refused_by_name() {
    insta::assert_snapshot!(problems(LATER).join("\n"));
    let harmless = "[dashboard]\n[alerts]\nheartbeat_url = \"\"\nnot_durable_after = \"5m\"\n[encryption]\nrecipients = []";
    assert_eq!(problems(harmless), [""; 0]);
}

/// A legal value for every key that is not its default, as TOML.
fn sample(key: &Key) -> &'static str {
    match (key.path, key.kind) {
        ("store.endpoint" | "store.proxy", _) => "\"https://example.com\"",
        ("sync.max_interval", _) => "\"7h\"",
        (_, ValueKind::Duration { .. }) => "\"6h\"",
        (_, ValueKind::Durations { .. }) => "[\"1s\", \"2s\", \"3s\"]",
        (_, ValueKind::Size { .. }) => "\"9MiB\"",
        (_, ValueKind::Count { .. }) => "5",
        (_, ValueKind::Bool) => "false",
        (_, ValueKind::Choice(words)) => match words.last() {
            Some(&"off") => "\"off\"",
            Some(&"always") => "\"always\"",
            Some(&"false") => "false",
            Some(&"customer") => "\"kms\"",
            _ => "\"require\"",
        },
        (_, ValueKind::Text) => "\"text\"",
        (_, ValueKind::Texts) => "[\"text\"]",
    }
}

#[test]
fn every_key_is_read_from_its_section_with_its_line() {
    for key in KEYS.iter().filter(|key| key.in_this_version) {
        // Relations are not the point here: what one key alone contradicts is looked at below.
        let text = format!("\n[{}]\n{} = {}\n", key.section(), key.name(), sample(key));
        let mut found = Vec::new();
        let document = document::read(&text, &Environment::default(), &mut found);
        assert_eq!(found, [], "{}", key.path);
        let sourced = document.values.get(key.path).expect(key.path);
        assert_eq!(sourced.origin, Origin::File { line: 3 });
        let default = Values::defaults().get(key.path).map(|default| default.value.clone());
        assert_ne!(Some(&sourced.value), default.as_ref(), "{}", key.path);
    }
}

#[test]
fn every_key_refuses_a_value_of_another_kind() {
    for key in KEYS {
        let wrong = if matches!(key.kind, ValueKind::Bool) { "7" } else { "1.5" };
        let found = problems(&format!("[{}]\n{} = {wrong}\n", key.section(), key.name()));
        assert!(found[0].starts_with(&format!("error: line 2: {}: expected ", key.path)), "{found:?}");
    }
}

#[test]
fn every_per_database_key_is_read_in_each_spelling() {
    for key in KEYS.iter().filter(|key| key.is_per_database()) {
        let (name, section) = (key.name(), key.section());
        let spellings = [format!("{name} = {}", sample(key)), format!("{section}.{name} = {}", sample(key))];
        for spelling in spellings {
            let text = format!(
                "[sync]\nmax_interval = \"8h\"\n[[databases]]\npath = \"/data/app.db\"\n{spelling}\n"
            );
            let config = config(&text);
            let sourced = config.entries[0].overrides.get(key.path).expect(key.path);
            assert_eq!(sourced.origin, Origin::File { line: 5 });
        }
    }
}

#[test]
fn all_problems_are_reported_at_once_in_the_order_of_the_file() {
    insta::assert_snapshot!(problems(include_str!("wrong.toml")).join("\n"));
}

#[test]
fn broken_toml_is_reported_with_its_line_and_nothing_else() {
    let found = problems("[sync]\nmax_interval = \nunknown = 1\n");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("error: line 2: not TOML: "), "{found:?}");
    let twice = problems("[sync]\nmax_changes = 1\nmax_changes = 2\n");
    assert!(twice[0].starts_with("error: line 3: not TOML: "), "{twice:?}");
}

#[test]
fn hostile_files_neither_panic_nor_exhaust_the_stack() {
    let nested = format!("a = {}", "[".repeat(100_000));
    assert!(!problems(&nested).is_empty());
    for end in 0..CONTRACT.len() {
        let _ = problems(CONTRACT.get(..end).unwrap_or_default());
    }
}

#[test]
fn s3_is_store_by_another_name() {
    let config = config("[s3]\nbucket = \"my-bucket\"\nendpoint = \"http://h:1\"\nregion = \"eu\"\n");
    assert_eq!(config.settings.store.url.to_string(), "s3://my-bucket");
    assert_eq!(config.settings.store.region.as_deref(), Some("eu"));
    let with_url = self::config("[s3]\nbucket = \"s3://my-bucket/backups/\"\n");
    assert_eq!(with_url.settings.store.url.to_string(), "s3://my-bucket/backups");
    insta::assert_snapshot!(
        problems("[s3]\nbucket = \"a\"\nurl = \"s3://b\"\n[store]\n[[stores]]\n").join("\n")
    );
}

#[test]
fn variables_expand_in_every_string_and_an_unset_one_is_named() {
    let text = "[store]\nurl = \"s3://${BUCKET}/$${x}/${EMPTY}y\"\n[sync]\nmax_changes = \"${N}\"\n[compaction]\nlevels = [\"${L}\", \"2s\", \"3s\"]\n";
    let with = surroundings(&[("BUCKET", "b"), ("EMPTY", ""), ("N", "12"), ("L", "1s")]);
    let config = load(text, &Flags::default(), &with).config.unwrap();
    assert_eq!(config.settings.store.url.to_string(), "s3://b/${x}/y");
    assert_eq!(config.settings.database.sync.max_changes, Some(12));
    let found = problems(text);
    assert_eq!(
        found,
        [
            "error: line 2: store.url: the environment variable `BUCKET` is not set",
            "error: line 4: sync.max_changes: the environment variable `N` is not set",
            "error: line 6: compaction.levels: the environment variable `L` is not set",
        ]
    );
    assert!(problems("[store]\nurl = \"s3://${B\"\n")[0].contains("without `}`"));
}

#[test]
fn secrets_are_never_shown() {
    let text = "[store]\naccess_key_id = \"id\"\nsecret_access_key = \"hidden1\"\nsession_token = \"hidden2\"\nproxy = \"http://user:hidden3@proxy:3128/x\"\n";
    let config = config(text);
    assert_eq!(config.settings.store.secret_access_key.as_ref().unwrap().expose(), "hidden1");
    let shown = as_toml(&config, &[]);
    let json = serde_json::to_string(&config.values.settings()).unwrap();
    let debug = format!("{:?}", config.settings);
    for text in [&shown, &json, &debug] {
        assert!(!text.contains("hidden"), "{text}");
    }
    assert!(shown.contains("proxy = \"http://user:***@proxy:3128/x\""), "{shown}");
}

#[test]
fn no_quotes_are_suggested_only_where_a_value_remains() {
    let found = problems("[store]\nallow_http = \"false\"\n[retention]\nhourly = \"many\"\n");
    assert!(found[0].ends_with("write false without quotes"), "{found:?}");
    assert!(!found[1].contains("without quotes"), "{found:?}");
}
