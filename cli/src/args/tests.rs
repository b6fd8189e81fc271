use super::*;
use crate::exit::{Failure, Kind};
use crate::output::{Color, LogFormat, Verbosity};
use engine::types::{Timestamp, Txid};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

fn words(line: &str) -> Vec<OsString> {
    std::iter::once("walsync").chain(line.split_whitespace()).map(OsString::from).collect()
}

fn invocation(line: &str) -> Invocation {
    match parse(&words(line)) {
        Ok(Parsed::Run(invocation)) => *invocation,
        other => panic!("{line}: {other:?}"),
    }
}

fn refusal(line: &str) -> Failure {
    let failure = parse(&words(line)).expect_err(line);
    assert_eq!(failure.kind(), Kind::Usage, "{line}");
    failure
}

fn watch(line: &str) -> WatchRequest {
    match invocation(line).command {
        Command::Watch(request) => request,
        other => panic!("{line}: {other:?}"),
    }
}

fn restore(line: &str) -> RestoreRequest {
    match invocation(line).command {
        Command::Restore(request) => request,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn definition_is_consistent() {
    command().debug_assert();
}

#[test]
fn global_flags_are_taken_before_and_after_every_command() {
    let flags = "--json --config c.toml --state-dir /s --color never -vv --log-format text";
    let global = Global {
        json: true,
        config: Some(PathBuf::from("c.toml")),
        state_dir: Some("/s".to_owned()),
        color: Color::Never,
        verbosity: Verbosity::Trace,
        log_format: LogFormat::Text,
    };
    for command in
        ["watch a.db", "restore app", "list", "verify app", "demo", "config check", "config show", "version"]
    {
        assert_eq!(invocation(&format!("{flags} {command}")).global, global, "{command}");
        assert_eq!(invocation(&format!("{command} {flags}")).global, global, "{command}");
    }
    let defaults = invocation("list").global;
    assert_eq!(
        (defaults.verbosity, defaults.color, defaults.log_format),
        (Verbosity::Normal, Color::Auto, LogFormat::Text)
    );
    assert_eq!(invocation("list --json").global.log_format, LogFormat::Json);
    assert_eq!(invocation("list -q").global.verbosity, Verbosity::Quiet);
    assert_eq!(invocation("list -v").global.verbosity, Verbosity::Verbose);
}

#[test]
fn store_flags_have_their_aliases_everywhere() {
    let mut expected = crate::config::Flags::default();
    expected.set("store.url", "--store", Some("s3://b"));
    for flag in ["--store s3://b", "--bucket s3://b", "-b s3://b", "-bs3://b", "--store=s3://b"] {
        assert_eq!(watch(&format!("watch a.db {flag}")).flags, expected);
        assert_eq!(restore(&format!("restore app {flag}")).flags, expected);
        for command in ["list", "config check", "config show"] {
            invocation(&format!("{command} {flag}"));
        }
    }
    expected.set("store.endpoint", "--endpoint", Some("http://h"));
    expected.set("store.region", "--region", Some("eu"));
    assert_eq!(watch("watch --store s3://b --region eu --endpoint http://h").flags, expected);
}

#[test]
fn bare_take_over_means_if_identical_and_takes_no_database_for_its_value() {
    let take_over = |word: &str| {
        let mut flags = crate::config::Flags::default();
        flags.set("store.take_over", "--take-over", Some(word));
        flags
    };
    let bare = watch("watch --take-over app.db");
    assert_eq!(bare.flags, take_over("if-identical"));
    assert_eq!(bare.databases, [PathBuf::from("app.db")]);
    for word in ["never", "if-identical", "always"] {
        assert_eq!(watch(&format!("watch --take-over={word}")).flags, take_over(word));
    }
    assert!(watch("watch a b --once").once);
    assert!(watch("watch").databases.is_empty());
}

#[test]
fn restore_understands_every_target_and_option() {
    let plain = restore("restore prod/app");
    assert_eq!(plain.what, What::One(Target::Named("prod/app".to_owned()), None));
    assert_eq!(
        (plain.how.point, plain.how.existing, plain.how.verify),
        (Point::Latest, Existing::Refuse, Verify::Checksum)
    );
    assert!(!plain.how.dry_run && !plain.how.allow_empty);
    let url = restore("restore s3://b/p -o out.db --force --dry-run --allow-empty --verify full");
    let target = Target::Url("s3://b/p".to_owned());
    assert_eq!(url.what, What::One(target, Some(PathBuf::from("out.db"))));
    assert_eq!((url.how.existing, url.how.verify), (Existing::Replace, Verify::Full));
    assert!(url.how.dry_run && url.how.allow_empty);
    assert_eq!(restore("restore app --if-missing --verify none").how.existing, Existing::LeaveAlone);
    let txid = |number| Point::Txid(Txid::new(number).unwrap());
    assert_eq!(restore("restore app --txid 16").how.point, txid(16));
    assert_eq!(restore("restore app --txid 0000000000000010").how.point, txid(16));
    let time = Point::AtOrBefore(Timestamp::from_millis(1_769_860_800_000));
    assert_eq!(restore("restore app --timestamp 2026-01-31T12:00:00Z").how.point, time);
    let all = restore("restore --all -o dir --timestamp 2026-01-31T12:00:00Z --if-missing");
    assert_eq!(all.what, What::All(PathBuf::from("dir")));
    assert_eq!((all.how.point, all.how.existing), (time, Existing::LeaveAlone));
}

#[test]
fn list_and_config_understand_their_arguments() {
    let target = Some(Target::Named("app".to_owned()));
    let Command::List(request) = invocation("list app --points").command else { panic!() };
    assert_eq!((request.target, request.points), (target, true));
    let Command::Verify(request) = invocation("verify app s3://b/p --deep").command else { panic!() };
    let targets = [Target::Named("app".to_owned()), Target::Url("s3://b/p".to_owned())];
    assert_eq!((&request.targets[..], request.deep), (&targets[..], true));
    let Command::Verify(request) = invocation("verify").command else { panic!() };
    assert_eq!((request.targets, request.deep), (Vec::new(), false));
    let Command::ConfigCheck { file, .. } = invocation("config check x.toml").command else { panic!() };
    assert_eq!(file, Some(PathBuf::from("x.toml")));
}

#[test]
fn commands_to_running_daemons_understand_their_arguments() {
    let Command::Status(request) = invocation("status --watch --max-lag 1m30s").command else { panic!() };
    assert_eq!(request, StatusRequest { watch: true, lag_max: Some(Duration::from_secs(90)) });
    let Command::Status(request) = invocation("status").command else { panic!() };
    assert_eq!(request, StatusRequest { watch: false, lag_max: None });
    let Command::Sync(request) = invocation("sync --wait").command else { panic!() };
    assert_eq!((request.target, request.wait), (None, true));
    let Command::Sync(request) = invocation("sync s3://b/p -b s3://b").command else { panic!() };
    assert_eq!((request.target, request.wait), (Some(Target::Url("s3://b/p".to_owned())), false));
    assert_ne!(request.flags, crate::config::Flags::default());
    let Command::Snapshot(request) = invocation("snapshot ./app.db").command else { panic!() };
    assert_eq!(request.target, Target::Named("./app.db".to_owned()));
    for line in ["snapshot", "sync /", "sync a b", "status app", "status --max-lag 5", "status --max-lag -1s"]
    {
        refusal(line);
    }
}

#[test]
fn what_has_not_come_is_refused_by_name() {
    for line in [
        "replicate s3://b/p --local x.db --interval 5s --repair",
        "serve --db x.db --port 1 --insecure",
        "promote x.db",
        "pause --help",
        "pause app.db",
        "resume app.db",
        "add app.db",
        "remove app.db",
        "rekey",
        "completions bash",
        "man dir",
    ] {
        let failure = refusal(line);
        let command = line.split(' ').next().unwrap();
        assert_eq!(failure.headline(), format!("{command}: not in this version"));
        refusal(&format!("--json {line} -v"));
    }
    for (line, thing) in [
        ("watch a.db --push-to http://h", "watch --push-to"),
        ("watch a.db --ack 1", "watch --ack"),
        ("watch a.db --dashboard-port 80", "watch --dashboard-port"),
        ("watch a.db --exec true", "watch --exec"),
        ("restore app --follow", "restore --follow"),
        ("verify app --deep --local", "verify --local"),
        ("restore app --interval 5s", "restore --interval"),
    ] {
        assert_eq!(refusal(line).headline(), format!("{thing}: not in this version"));
    }
}

#[test]
fn what_has_not_come_is_not_in_the_help() {
    let Ok(Parsed::Print(help)) = parse(&words("--help")) else { panic!() };
    for word in ["replicate", "rekey", "promote"] {
        assert!(!help.contains(&format!("  {word}")), "{word}");
    }
    let Ok(Parsed::Print(help)) = parse(&words("watch --help")) else { panic!() };
    assert!(!help.contains("push-to") && !help.contains("dashboard"));
}

#[test]
fn refusals_are_one_line_with_a_hint() {
    let lines = [
        "",
        "wach",
        "watch --onc",
        "watch --take-over=sometimes",
        "watch s3://b/p",
        "watch a --store",
        "watch a --store=",
        "watch a --store x --bucket y",
        "restore",
        "restore a b",
        "restore a --txid 1 --timestamp x",
        "restore a --txid 0",
        "restore a --txid 000000000000001g",
        "restore a --timestamp 2026-01-31",
        "restore a --verify maybe",
        "restore a --force --if-missing",
        "restore --all",
        "restore --all -o",
        "restore --all -o d --txid 1",
        "restore a --all -o d",
        "restore /",
        "list --points",
        "list a b",
        "config",
        "config chek",
        "config check a --config b",
        "version extra",
        "list -q -v",
        "list --color sometimes",
        "list --log-format xml",
        "demo x",
    ];
    let shown: Vec<String> =
        lines.iter().map(|line| format!("$ walsync {line}\n{}\n", refusal(line))).collect();
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn json_is_wanted_wherever_the_flag_stands() {
    assert!(wants_json(&words("restore --bad --json")));
    assert!(!wants_json(&words("watch -- --json")));
    assert!(!wants_json(&[OsString::from("--json")]));
}

#[test]
fn help_is_as_reviewed() {
    let help = |line: &str| match command().term_width(100).try_get_matches_from(words(line)) {
        Err(error) => error.render().to_string(),
        Ok(_) => panic!("{line}"),
    };
    for name in [
        "",
        "watch",
        "restore",
        "list",
        "verify",
        "status",
        "sync",
        "demo",
        "config",
        "config check",
        "version",
    ] {
        insta::assert_snapshot!(
            format!("help {name}").trim().replace(' ', "_"),
            help(&format!("{name} --help"))
        );
    }
}
