use super::prices::{PriceError, Prices};
use super::*;
use crate::config::{ConfigFile, DatabaseSettings, Environment, Flags, Loaded, Settings, Surroundings};
use std::path::PathBuf;

fn settings(text: &str) -> Settings {
    let surroundings = Surroundings {
        environment: Environment::default(),
        working_dir: PathBuf::from("/work"),
        system_config: PathBuf::from("/nowhere"),
        is_root: false,
        stdout_is_terminal: false,
        stderr_is_terminal: false,
    };
    let file = ConfigFile { path: PathBuf::from("walsync.toml"), text: text.to_owned() };
    let loaded = Loaded::of_file(Some(file), &Flags::default(), &surroundings);
    loaded.config.unwrap_or_else(|| panic!("{:?}", loaded.problems)).settings
}

fn database(text: &str) -> DatabaseSettings {
    settings(text).database
}

fn assumed(commits_per_second: f64) -> Assumed {
    Assumed { commits_per_second, database_bytes: 100 << 20, part_bytes: 8 << 20 }
}

fn of(text: &str, commits_per_second: f64) -> Estimate {
    estimate(&database(text), assumed(commits_per_second), Prices::built_in().of_host("s3.amazonaws.com"))
}

/// `actual` is within a hundredth of `expected`.
fn about(actual: u64, expected: f64) {
    assert!((actual as f64 - expected).abs() <= expected / 100.0, "{actual}, not about {expected}");
}

const MONTH_SECONDS: f64 = 2_629_746.0;

#[test]
fn a_busy_database_writes_a_slot_an_interval_and_an_object_a_level() {
    let estimate = of("[sync]\nmax_interval = \"10s\"\n[snapshots]\ninterval = \"0s\"\n", 1000.0);
    let [slots, level_1, level_2, level_3] =
        [10.0, 30.0, 300.0, 3600.0].map(|seconds| MONTH_SECONDS / seconds);
    // The manifest names what the highest level made.
    about(estimate.puts_per_month, slots + level_1 + level_2 + 2.0 * level_3);
    about(estimate.gets_per_month, slots + 2.0 * (level_1 + level_2) + level_3);
    about(estimate.lists_per_month, level_1 + 30.4);
}

#[test]
fn an_idle_database_costs_one_listing_a_day_and_its_image() {
    let estimate = of("", 0.0);
    assert_eq!((estimate.puts_per_month, estimate.gets_per_month, estimate.lists_per_month), (0, 0, 30));
    about(estimate.stored_bytes, f64::from(50 << 20));
}

#[test]
fn rare_commits_are_a_slot_and_at_most_an_object_of_each_level() {
    // One a day: nothing is merged with anything.
    let estimate = of("[snapshots]\ninterval = \"0s\"\n", 1.0 / 86_400.0);
    let days = MONTH_SECONDS / 86_400.0;
    about(estimate.puts_per_month, days * 5.0 - 1.0);
    about(estimate.lists_per_month, days * 2.0);
}

#[test]
fn number_of_frames_and_guard_decide_about_slots() {
    let slots =
        |text: &str| of(&format!("{text}\n[compaction]\nlevels = [\"24h\"]\n"), 100.0).puts_per_month as f64;
    let every_100_ms = slots("[sync]\nmax_interval = \"1h\"\nmax_changes = 30");
    assert!((every_100_ms - MONTH_SECONDS * 10.0).abs() < MONTH_SECONDS / 10.0, "{every_100_ms}");
    let guarded = slots("[sync]\nmax_interval = \"1h\"\nmax_changes = 30\nmin_interval = \"10s\"");
    assert!((guarded - MONTH_SECONDS / 10.0).abs() < MONTH_SECONDS / 100.0, "{guarded}");
}

#[test]
fn longer_intervals_longer_retention_and_more_commits_go_the_way_that_people_expect() {
    let usd = |text: &str, rate: f64| of(text, rate).usd_per_month.unwrap();
    assert!(usd("[sync]\nmax_interval = \"1m\"\n", 1.0) < usd("", 1.0) / 2.0);
    assert!(usd("", 10.0) > usd("", 1.0));
    let stored = |text: &str| of(text, 1.0).stored_bytes;
    assert!(stored("[retention]\npitr = \"240h\"\n") > stored(""));
    assert!(stored("[retention]\nmonthly = 0\n") < stored(""));
    assert!(stored("[retention]\nl0 = \"24h\"\n") > stored(""));
    let (hourly, a_day) =
        ("[snapshots]\ninterval = \"1h\"\n", "[retention]\ndaily = 0\nweekly = 0\nmonthly = 0\n");
    assert!(stored(&format!("{hourly}{a_day}")) > stored(a_day), "each of them is an image");
    assert!(stored(hourly) < stored(""), "but an old point needs less beside its image");
}

#[test]
fn a_large_image_goes_up_in_parts() {
    let puts = |bytes: u64| {
        let assumed = Assumed { database_bytes: bytes, ..assumed(1.0) };
        estimate(&database(""), assumed, None).puts_per_month
    };
    let days = MONTH_SECONDS / 86_400.0;
    // Half of it in parts of 8 MiB, a beginning and an end.
    about(puts(1 << 30) - puts(0), days * (65.0 + 2.0 - 1.0));
}

#[test]
fn nothing_that_can_be_configured_breaks_the_estimate() {
    for text in [
        "[sync]\nmax_interval = \"0s\"\n",
        "[sync]\nmax_changes = 1\n",
        "[retention]\npitr = \"0s\"\nhourly = 0\ndaily = 0\nweekly = 0\nmonthly = 0\n",
        "[retention]\npitr = \"876000h\"\nmonthly = 4294967295\n",
        "[compaction]\nlevels = [\"1s\"]\n",
        "[snapshots]\ninterval = \"1us\"\n",
    ] {
        for rate in [0.0, 1e-9, 1.0, 1e6] {
            for database_bytes in [0, 1, u64::MAX] {
                let settings = database(text);
                let estimate = estimate(
                    &settings,
                    Assumed { database_bytes, ..assumed(rate) },
                    Prices::built_in().of_host("file"),
                );
                assert_eq!(estimate.usd_per_month, Some(0.0), "{text}");
                assert!(!outcome(&settings.retention, &settings.compaction).is_empty());
            }
        }
    }
}

#[test]
fn prices_are_found_by_host_and_the_users_come_first() {
    let built_in = Prices::built_in();
    for (host, name) in [
        ("s3.amazonaws.com", Some("aws-s3")),
        ("s3.eu-west-1.amazonaws.com", Some("aws-s3")),
        ("abc.r2.cloudflarestorage.com", Some("cloudflare-r2")),
        ("file", Some("directory")),
        ("notamazonaws.com", None),
        ("127.0.0.1", None),
    ] {
        assert_eq!(built_in.of_host(host).map(|provider| provider.name.as_str()), name, "{host}");
    }
    let own = "[[providers]]\nname = \"mine\"\nas_of = \"2026-01-01\"\nhosts = [\"*\"]\nputs_per_thousand = 1.0\nlists_per_thousand = 0\ngets_per_thousand = 0\nstorage_per_gb = 0\n";
    let own = own.replace("= 0\n", "= 0.0\n");
    let prices = Prices::parse(&own).unwrap().before(built_in);
    assert_eq!(prices.of_host("127.0.0.1").unwrap().name, "mine");
    let estimate = estimate(&database(""), assumed(1.0), prices.of_host("x"));
    let usd = estimate.usd_per_month.unwrap();
    assert!((usd - estimate.puts_per_month as f64 / 1000.0).abs() < 0.001);
    assert_eq!(estimate.provider.as_deref(), Some("mine"));
}

#[test]
fn price_tables_that_are_none_are_refused() {
    for text in ["", "x", "[[providers]]\nname = \"x\"\n", "providers = 3"] {
        assert!(matches!(Prices::parse(text), Err(PriceError::Form(_))), "{text}");
    }
    for price in ["-1.0", "nan", "inf"] {
        let text = format!(
            "[[providers]]\nname = \"x\"\nas_of = \"\"\nhosts = []\nputs_per_thousand = 0.0\nlists_per_thousand = 0.0\ngets_per_thousand = {price}\nstorage_per_gb = 0.0\n"
        );
        let expected = PriceError::Price { provider: "x".to_owned(), key: "gets_per_thousand" };
        assert_eq!(Prices::parse(&text), Err(expected));
    }
}

#[test]
fn outcome_says_what_a_policy_keeps() {
    let shown = |text: &str| {
        let settings = database(text);
        let rows = outcome(&settings.retention, &settings.compaction);
        rows.iter().map(|row| format!("{}: {}\n", row.points, row.stay)).collect::<String>()
    };
    assert_eq!(
        shown(""),
        "every sync: 5m after it was compacted\none every 30s: 24h\n\
         the last one of each hour (UTC): 24 hours; adds nothing to what stays anyway\n\
         the last one of each day (UTC): 7 days\nthe last one of each week (UTC): 12 weeks\n\
         the last one of each month (UTC): 12 months\nthe newest state: always\n"
    );
    let nothing = "[retention]\npitr = \"0s\"\nhourly = 0\ndaily = 1\nweekly = 0\nmonthly = 0\n";
    assert_eq!(
        shown(nothing),
        "every sync: 5m after it was compacted\nthe last one of each day (UTC): 1 day\nthe newest state: always\n"
    );
}

#[test]
fn triggers_say_when_and_take_their_times_from_who_knows() {
    let settings =
        settings("[sync]\nmax_changes = 9\nmin_interval = \"1s\"\n[snapshots]\non_idle = \"1h\"\n");
    let times = |kind: Kind, level: Option<usize>| Times {
        last_at: (kind == Kind::Compaction).then(|| format!("level {}", level.unwrap())),
        next_at: (kind == Kind::Sync).then(|| "soon".to_owned()),
    };
    let all = triggers(&settings.database, &settings.verify, &times);
    let rule = |kind: Kind| all.iter().find(|trigger| trigger.kind == kind).unwrap();
    assert_eq!(
        rule(Kind::Sync).rule,
        "at most 1s after a commit, or after 9 frames, but not more often than every 1s"
    );
    assert_eq!(rule(Kind::Sync).next_at.as_deref(), Some("soon"));
    assert_eq!(
        rule(Kind::Snapshot).rule,
        "every 24h, after changes; after 1h without a commit; at a start that cannot prove continuity"
    );
    let levels: Vec<_> = all.iter().filter(|trigger| trigger.kind == Kind::Compaction).collect();
    assert_eq!(levels.len(), 3);
    assert_eq!(levels[2].rule, "level 3 of level 2 every 1h, after changes");
    assert_eq!(levels[2].last_at.as_deref(), Some("level 3"));
    assert!(rule(Kind::Verify).rule.starts_with("off"));
}
