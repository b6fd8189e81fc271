use super::*;

fn flags(path: &str, flag: &'static str, text: &str) -> Flags {
    let mut flags = Flags::default();
    flags.set(path, flag, Some(text));
    flags
}

#[test]
fn flag_beats_environment_beats_file_beats_default() {
    let text = "[store]\nurl = \"s3://file\"\n";
    let variables = [("WALSYNC_STORE", "s3://variable")];
    let flag = flags("store.url", "--store", "s3://flag");
    let url = |text: &str, flags: &Flags, variables: &[(&str, &str)]| {
        let config = load(text, flags, &surroundings(variables)).config.unwrap();
        (config.settings.store.url.to_string(), config.values.origin("store.url").to_string())
    };
    let pair = |url: &str, origin: &str| (url.to_owned(), origin.to_owned());
    assert_eq!(url(text, &flag, &variables), pair("s3://flag", "flag"));
    assert_eq!(url(text, &Flags::default(), &variables), pair("s3://variable", "environment"));
    assert_eq!(url(text, &Flags::default(), &[]), pair("s3://file", "file:2"));
    assert_eq!(url("", &Flags::default(), &[]), pair("file:///w/walsync-store", "default"));
}

#[test]
fn every_key_has_its_variable() {
    for key in KEYS.iter().filter(|key| key.in_this_version) {
        let text = match key.kind {
            ValueKind::Duration { .. } => "7h",
            ValueKind::Durations { .. } => "1s, 2s,3s",
            ValueKind::Size { .. } => "9MiB",
            ValueKind::Count { .. } => "5",
            ValueKind::Bool => "false",
            ValueKind::Choice(words) => words.last().unwrap(),
            ValueKind::Text | ValueKind::Texts => "https://text",
        };
        let variable = format!("WALSYNC_{}_{}", key.section(), key.name()).to_ascii_uppercase();
        let mut values = Values::defaults();
        let mut found = Vec::new();
        values.read_environment(&Environment::from_pairs([(variable.as_str(), text)]), false, &mut found);
        assert_eq!(found, []);
        assert_eq!(values.origin(key.path), Origin::Environment { variable }, "{}", key.path);
        assert_eq!(values.get(key.path).unwrap().value, key.kind.parse(text).unwrap());
    }
}

#[test]
fn short_variables_mean_the_same_and_may_not_contradict() {
    let take_over = |variables: &[(&str, &str)]| {
        load("", &Flags::default(), &surroundings(variables))
            .config
            .map(|config| config.settings.store.take_over)
    };
    assert_eq!(take_over(&[("WALSYNC_TAKE_OVER", "always")]), Some(TakeOver::Always));
    assert_eq!(take_over(&[("WALSYNC_STORE_TAKE_OVER", "if-identical")]), Some(TakeOver::IfIdentical));
    assert_eq!(take_over(&[("WALSYNC_TAKE_OVER", "always"), ("WALSYNC_STORE_TAKE_OVER", "never")]), None);
    assert_eq!(take_over(&[("WALSYNC_TAKE_OVER", "")]), Some(TakeOver::Never));
    assert_eq!(take_over(&[("WALSYNC_TAKE_OVER", "sometimes")]), None);
}

#[test]
fn aws_endpoint_ranks_above_the_file_and_aws_region_below_it() {
    let text = "[store]\nendpoint = \"http://file:1\"\nregion = \"file\"\n";
    let store = |text: &str, variables: &[(&str, &str)]| {
        let config = load(text, &Flags::default(), &surroundings(variables)).config.unwrap();
        (config.settings.store.endpoint, config.settings.store.region)
    };
    let some = |a: &str, b: &str| (Some(a.to_owned()), Some(b.to_owned()));
    let aws = [("AWS_ENDPOINT_URL", "http://all:1"), ("AWS_REGION", "aws")];
    assert_eq!(store(text, &aws), some("http://all:1", "file"));
    assert_eq!(store("", &aws), some("http://all:1", "aws"));
    let both = [("AWS_ENDPOINT_URL", "http://all:1"), ("AWS_ENDPOINT_URL_S3", "http://s3:1")];
    assert_eq!(store(text, &both), some("http://s3:1", "file"));
    let ours = [("AWS_ENDPOINT_URL_S3", "http://s3:1"), ("WALSYNC_STORE_ENDPOINT", "http://ours:1")];
    assert_eq!(store(text, &ours), some("http://ours:1", "file"));
}

#[test]
fn variable_that_looks_like_ours_but_is_not_is_a_warning() {
    let with = surroundings(&[
        ("WALSYNC_SYNC_MAX_INTERVL", "1s"),
        ("WALSYNC_HOME", "x"),
        ("WALSYNC_STORE", "s3://b"),
    ]);
    let loaded = load("", &Flags::default(), &with);
    let found: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "WALSYNC_SYNC_MAX_INTERVL: no key of the configuration has this variable; did you mean `WALSYNC_SYNC_MAX_INTERVAL`?"
        ]
    );
    assert!(loaded.config.is_some());
}

#[test]
fn environment_is_checked_like_the_file() {
    let with = surroundings(&[("WALSYNC_SYNC_MIN_INTERVAL", "2s"), ("WALSYNC_DASHBOARD_LISTEN", ":80")]);
    let found: Vec<String> =
        load("", &Flags::default(), &with).problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "WALSYNC_DASHBOARD_LISTEN: dashboard.listen: not in this version",
            "WALSYNC_SYNC_MIN_INTERVAL: sync.min_interval: \"2s\" is more than sync.max_interval = \"1s\"; write at most \"1s\", or raise sync.max_interval",
        ]
    );
}

#[test]
fn file_is_searched_in_the_documented_order() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str| std::fs::write(dir.path().join(name), format!("# {name}")).unwrap();
    ["flag.toml", "variable.toml"].into_iter().for_each(write);
    let mut with = surroundings_in(dir.path(), &[]);
    with.system_config = dir.path().join("system.toml");
    let found = |flag: Option<&str>, with: &Surroundings| {
        find(flag.map(Path::new), with).map(|file| file.map(|file| file.text))
    };
    assert_eq!(found(None, &with), Ok(None));
    write("system.toml");
    assert_eq!(found(None, &with), Ok(Some("# system.toml".to_owned())));
    write("walsync.toml");
    assert_eq!(found(None, &with), Ok(Some("# walsync.toml".to_owned())));
    with.environment = Environment::from_pairs([("WALSYNC_CONFIG", "variable.toml")]);
    assert_eq!(found(None, &with), Ok(Some("# variable.toml".to_owned())));
    assert_eq!(found(Some("flag.toml"), &with), Ok(Some("# flag.toml".to_owned())));
    let missing = found(Some("missing.toml"), &with).unwrap_err();
    assert_eq!(missing.kind(), crate::exit::Kind::Usage);
    std::fs::write(dir.path().join("long.toml"), "#".repeat((1 << 20) + 1)).unwrap();
    assert!(found(Some("long.toml"), &with).unwrap_err().to_string().contains("longer than 1 MiB"));
}

#[test]
fn state_lives_in_the_first_place_that_the_documentation_names() {
    let database = Path::new("/data/app.db");
    let state = |variables: &[(&str, &str)], is_root: bool, flag: Option<&str>, usable: bool| {
        let mut with = surroundings(variables);
        with.is_root = is_root;
        let mut flags = Flags::default();
        flags.set("state.dir", "--state-dir", flag);
        let config = load("", &flags, &with).config.unwrap();
        let dir = StateDir::resolve(&config.values, &with, database, &|_: &Path| usable);
        (dir.path.display().to_string(), dir.is_last_resort)
    };
    let all = [
        ("WALSYNC_STATE_DIR", "/own"),
        ("STATE_DIRECTORY", "/systemd:/other"),
        ("XDG_STATE_HOME", "/xdg"),
        ("HOME", "/home/u"),
    ];
    let chosen = |path: &str| (path.to_owned(), false);
    assert_eq!(state(&all, true, Some("rel"), true), chosen("/w/rel"));
    assert_eq!(state(&all, true, None, true), chosen("/own"));
    assert_eq!(state(&all[1..], true, None, true), chosen("/systemd"));
    assert_eq!(state(&all[2..], true, None, true), chosen("/var/lib/walsync"));
    assert_eq!(state(&all[2..], false, None, true), chosen("/xdg/walsync"));
    assert_eq!(state(&all[3..], false, None, true), chosen("/home/u/.local/state/walsync"));
    let last_resort = ("/data/.walsync-state".to_owned(), true);
    assert_eq!(state(&[], false, None, true), last_resort);
    assert_eq!(state(&all[3..], false, None, false), last_resort);
    assert_eq!(state(&all, false, None, false), chosen("/own"), "a configured directory is never replaced");
}
