//! `walsync explain`.

use super::walsync::{World, exit_code, stderr};
use super::{configure, databases, following};
use serde_json::Value;
use std::fs;

fn explained(world: &World, arguments: &[&str]) -> Value {
    let output = world.run(&[&["explain", "--json"], arguments].concat());
    assert_eq!(exit_code(&output), 0, "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

const CONFIG: &str = "[sync]
max_interval = \"10s\"
[[databases]]
path = \"*.db\"
prefix = \"all\"
[[databases]]
path = \"app.db\"
prefix = \"prod\"
retention.pitr = \"72h\"
";

#[test]
fn each_database_is_explained_as_the_contract_has_it() {
    let world = World::new();
    configure(&world, CONFIG);
    let (_app, _other) = (world.database("app.db"), world.database("other.db"));
    let document = explained(&world, &[]);
    let databases = document["databases"].as_array().unwrap();
    assert_eq!(databases.len(), 2);
    let app = &databases[0];
    assert_eq!((&app["name"], &app["prefix"]), (&"prod/app".into(), &"prod".into()));
    assert_eq!(app["path"], world.path("app.db").to_str().unwrap());
    assert!(app["store"].as_str().unwrap().starts_with("file://"));
    let kinds: Vec<&str> =
        app["triggers"].as_array().unwrap().iter().map(|trigger| trigger["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["sync", "snapshot", "compaction", "compaction", "compaction", "retention", "verify"]);
    for key in ["rule", "last_at", "next_at"] {
        assert!(app["triggers"][0].get(key).is_some(), "{key}");
    }
    let setting = |database: &Value, key: &str| {
        let settings = database["settings"].as_array().unwrap();
        let found = settings.iter().find(|setting| setting["key"] == key).unwrap();
        (found["value"].clone(), found["origin"].as_str().unwrap().to_owned())
    };
    assert_eq!(setting(app, "retention.pitr"), ("72h".into(), "file:9".to_owned()));
    assert_eq!(setting(&databases[1], "retention.pitr"), ("24h".into(), "default".to_owned()));
    assert_eq!(setting(app, "sync.max_interval"), ("10s".into(), "file:2".to_owned()));
    assert_eq!(setting(app, "store.url").1, "environment");
    assert_eq!(app["estimate"]["usd_per_month"], 0.0, "a directory asks for nothing");
    assert_eq!(app["estimate"]["assumed_commits_per_second"], 1.0);
    for key in ["puts_per_month", "lists_per_month", "gets_per_month", "stored_bytes"] {
        assert!(app["estimate"][key].as_u64().unwrap() > 0, "{key}");
    }
    assert!(!world.path("store").exists(), "nothing was asked of the store");
}

#[test]
fn running_daemon_says_when_things_were_done_and_are_due() {
    let world = World::new();
    // No level is made meanwhile.
    let levels = "[compaction]\nlevels = [\"1h\", \"2h\", \"3h\"]";
    configure(&world, &format!("[verify]\ninterval = \"1h\"\n{levels}\n{CONFIG}"));
    let (writer, _other) = (world.database("app.db"), world.database("other.db"));
    let mut daemon = world.watch(&["app.db"]);
    following(&mut daemon, "app");
    daemon.until("verified", |_| true);
    writer.execute_batch("INSERT INTO t VALUES (1)").unwrap();
    assert_eq!(exit_code(&world.run(&["sync", "app.db", "--wait"])), 0);
    let status: Value = serde_json::from_slice(&world.run(&["status", "--json"]).stdout).unwrap();
    let app = &status["databases"][0];
    // Named as an argument it has the place of its name.
    configure(&world, &format!("[verify]\ninterval = \"1h\"\n{}", databases(&["*.db"])));
    let document = explained(&world, &[]);
    let times = |database: usize| {
        let triggers = document["databases"][database]["triggers"].as_array().unwrap().clone();
        triggers.into_iter().map(|one| {
            (one["kind"].as_str().unwrap().to_owned(), one["last_at"].clone(), one["next_at"].clone())
        })
    };
    let of = |kind: &str| -> Vec<(Value, Value)> {
        times(0).filter(|(one, ..)| one == kind).map(|(_, last, next)| (last, next)).collect()
    };
    let first = |kind: &str| of(kind).remove(0);
    assert_eq!(first("sync"), (app["last_sync_at"].clone(), Value::Null));
    assert_eq!(first("snapshot"), (Value::Null, app["next_snapshot_at"].clone()));
    // What was synced waits for level 1; nothing waits for those above, and nothing was made yet.
    let levels: Vec<bool> = of("compaction").iter().map(|(_, next)| next.is_string()).collect();
    assert_eq!(levels, [true, false, false]);
    assert!(first("retention").1.is_string());
    let (checked, again) = first("verify");
    assert_eq!(checked, app["verify"]["at"]);
    assert!(again.as_str() > checked.as_str(), "{again}, an hour after {checked}");
    assert!(times(1).all(|(_, last, next)| last.is_null() && next.is_null()), "nobody follows the other");
}

#[test]
fn rate_and_prices_decide_what_it_costs() {
    let world = World::new();
    configure(&world, CONFIG);
    let _app = world.database("app.db");
    fs::write(
        world.path("prices.toml"),
        "[[providers]]\nname = \"disk\"\nas_of = \"2026-01-01\"\nhosts = [\"file\"]\nputs_per_thousand = 1.0\nlists_per_thousand = 0.0\ngets_per_thousand = 0.0\nstorage_per_gb = 0.0\n",
    )
    .unwrap();
    let estimate = |arguments: &[&str]| explained(&world, arguments)["databases"][0]["estimate"].clone();
    let priced = estimate(&["--prices", "prices.toml"]);
    let puts = priced["puts_per_month"].as_f64().unwrap();
    assert!((priced["usd_per_month"].as_f64().unwrap() - puts / 1000.0).abs() < 0.01, "{priced}");
    assert_eq!(priced["provider"], "disk");
    let idle = estimate(&["--commits-per-second", "0"]);
    assert_eq!(idle["puts_per_month"], 0);
    let unknown = estimate(&["--store", "s3://bucket", "--endpoint", "http://127.0.0.1:9000"]);
    assert_eq!(unknown["usd_per_month"], Value::Null);
    let text = world.run(&["explain"]);
    let text = String::from_utf8(text.stdout).unwrap();
    for part in
        ["prod/app", "at most 10s after a commit", "one every 30s", "72h", "A month at 1 commits per second"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn bad_rates_and_price_tables_end_with_2() {
    let world = World::new();
    configure(&world, CONFIG);
    fs::write(world.path("bad.toml"), "[[providers]]\nname = 1\n").unwrap();
    for arguments in [
        &["--commits-per-second", "many"][..],
        &["--commits-per-second", "-1"],
        &["--commits-per-second", "nan"],
        &["--commits-per-second", "1e9"],
        &["--prices", "bad.toml"],
        &["--prices", "missing.toml"],
    ] {
        let failed = world.run(&[&["explain"], arguments].concat());
        assert_eq!(exit_code(&failed), 2, "{arguments:?}");
        assert!(stderr(&failed).contains("hint: "), "{}", stderr(&failed));
    }
}
