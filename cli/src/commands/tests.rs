use super::*;
use crate::config::{Environment, Surroundings};
use crate::output::Streams;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

/// Runs a command line in `dir`; exit code, standard output, standard error, with `dir` shown as `/dir`.
fn walsync(dir: &Path, variables: &[(&str, &str)], line: &str) -> (u8, String, String) {
    let surroundings = Surroundings {
        environment: Environment::from_pairs(variables.iter().copied()),
        working_dir: dir.to_owned(),
        system_config: dir.join("nowhere/walsync.toml"),
        is_root: false,
        stdout_is_terminal: false,
        stderr_is_terminal: false,
    };
    let arguments: Vec<OsString> =
        std::iter::once("walsync").chain(line.split_whitespace()).map(OsString::from).collect();
    let (streams, out, err) = Streams::captured();
    let code = run(&arguments, &surroundings, streams);
    let shown = |text: String| text.replace(&dir.display().to_string(), "/dir");
    (code, shown(out.text()), shown(err.text()))
}

fn transcript(dir: &Path, lines: &[&str]) -> String {
    let shown = lines.iter().map(|line| {
        let (code, out, err) = walsync(dir, &[], line);
        format!("$ walsync {line}\n-- stdout\n{out}-- stderr\n{err}=> {code}\n")
    });
    shown.collect::<Vec<String>>().join("\n")
}

const CONFIG: &str = r#"[store]
url = "s3://my-bucket/backups"
secret_access_key = "do not show"
access_key_id = "id"

[retention]
l0 = "1m"

[[databases]]
path = "data/*.db"
prefix = "tenant"

[[databases]]
path = "app.db"
name = "app"
prefix = "prod"
snapshot_interval = "30m"
"#;

fn scratch() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("walsync.toml"), CONFIG).unwrap();
    fs::create_dir(dir.path().join("data")).unwrap();
    for name in ["data/a.db", "data/b.db", "data/b.db-wal"] {
        fs::write(dir.path().join(name), "").unwrap();
    }
    dir
}

#[test]
fn config_show_is_as_reviewed() {
    let dir = scratch();
    insta::assert_snapshot!(transcript(dir.path(), &["config show --region eu -q", "config show --json -q"]));
}

#[test]
fn config_check_is_as_reviewed() {
    let dir = scratch();
    fs::write(dir.path().join("bad.toml"), "[sync]\nmax_intervl = \"1s\"\nmin_interval = \"5s\"\n").unwrap();
    fs::write(
        dir.path().join("clash.toml"),
        "[[databases]]\npath = \"data/a.db\"\n[[databases]]\npath = \"x/a.db\"\n",
    )
    .unwrap();
    let lines = [
        "config check",
        "config check bad.toml",
        "config check bad.toml --json",
        "config check clash.toml",
        "config check missing.toml",
        "watch --config bad.toml",
        "watch --config bad.toml --json",
        "watch --config clash.toml",
    ];
    insta::assert_snapshot!(transcript(dir.path(), &lines));
}

#[test]
fn config_check_looks_at_the_files_that_settings_name() {
    let dir = tempfile::tempdir().unwrap();
    let of = |text: &str| {
        fs::write(dir.path().join("walsync.toml"), format!("[store]\nurl = \"s3://b\"\n{text}")).unwrap();
        walsync(dir.path(), &[], "config check")
    };
    let file = |name: &str| dir.path().join(name).display().to_string();
    let key = format!("sse = \"customer\"\nsse_key_file = \"{}\"\n", file("key"));
    let authority = format!("ca_file = \"{}\"\n", file("ca.pem"));
    let (code, out, _) = of(&key);
    assert_eq!((code, out.contains("walsync.toml:4: error: store.sse_key_file: ")), (2, true), "{out}");
    fs::write(file("key"), [7; 31]).unwrap();
    assert!(of(&key).1.contains("31 bytes instead of 32"));
    fs::write(file("key"), [7; 32]).unwrap();
    assert_eq!(of(&key).0, 0);
    let (code, out, _) = of(&authority);
    assert_eq!((code, out.contains("walsync.toml:3: error: store.ca_file: ")), (2, true), "{out}");
    fs::write(file("ca.pem"), "no certificate").unwrap();
    let (code, out, _) = of(&authority);
    assert_eq!((code, out.contains("has no certificate")), (2, true), "{out}");
}

#[test]
fn nothing_to_watch_is_exit_2() {
    let dir = tempfile::tempdir().unwrap();
    let (code, out, err) = walsync(dir.path(), &[], "watch");
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.starts_with("error: no database to watch\n"), "{err}");
    let (code, _, err) = walsync(dir.path(), &[], "watch --once *.db --store s3://b");
    assert_eq!(code, 2);
    assert!(err.contains("no file matches"), "{err}");
}

#[test]
fn what_cannot_be_a_database_is_refused_before_anything_is_opened() {
    let dir = scratch();
    for (argument, reason) in [
        ("data", "is a directory"),
        ("data/b.db-wal", "belongs to a database"),
        ("data/[a.db", "not a wildcard"),
    ] {
        let (code, _, err) = walsync(dir.path(), &[], &format!("watch {argument} -q"));
        assert_eq!(code, 2, "{argument}");
        assert!(err.contains(reason), "{err}");
    }
}

#[test]
fn version_names_the_parts() {
    let dir = tempfile::tempdir().unwrap();
    let (code, out, _) = walsync(dir.path(), &[], "version");
    assert_eq!((code, out.as_str()), (0, concat!("walsync ", env!("CARGO_PKG_VERSION"), "\n")));
    let (_, out, _) = walsync(dir.path(), &[], "version --verbose --json");
    let parts: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(parts["ltx_version"], 3);
    assert_eq!(parts["sqlite_version"], rusqlite::version());
    let options = parts["sqlite_options"].as_array().unwrap();
    assert!(options.iter().all(|option| option["present"] == true), "{options:?}");
}

/// A plan, without doing it.
mod plans {
    use super::*;
    use crate::args::{Command, Parsed, What, parse};
    use crate::commands::list::ListJob;
    use crate::commands::restore::{JobTarget, RestoreJob};
    use crate::commands::watch::WatchJob;
    use crate::config::{Config, Flags, Loaded, Place, TakeOver};
    use crate::exit::{Failure, Kind};
    use crate::output::{Printer, Verbosity};

    fn command(line: &str) -> Command {
        let words: Vec<OsString> = format!("walsync {line}").split_whitespace().map(OsString::from).collect();
        match parse(&words) {
            Ok(Parsed::Run(invocation)) => invocation.command,
            other => panic!("{other:?}"),
        }
    }

    fn config(dir: &Path, flags: &Flags) -> Config {
        let surroundings = Surroundings {
            environment: Environment::from_pairs([("HOME", "/home/u")]),
            working_dir: dir.to_owned(),
            system_config: dir.join("nowhere/walsync.toml"),
            is_root: false,
            stdout_is_terminal: false,
            stderr_is_terminal: false,
        };
        Loaded::of(None, flags, &surroundings).unwrap().into_config().unwrap().0
    }

    fn watch(dir: &Path, line: &str) -> (Result<WatchJob, Failure>, String) {
        let Command::Watch(request) = command(line) else { panic!("{line}") };
        let (streams, _, err) = Streams::captured();
        let printer = Printer::new(streams, false, Verbosity::Normal, false, false);
        (WatchJob::plan(&request, &config(dir, &request.flags), &printer), err.text())
    }

    fn restore(dir: &Path, line: &str) -> Result<RestoreJob, Failure> {
        let Command::Restore(request) = command(line) else { panic!("{line}") };
        let What::One(target, output) = &request.what else { panic!("{line}") };
        RestoreJob::plan(target, output.as_deref(), request.how, &config(dir, &request.flags))
    }

    fn place(text: &str) -> Place {
        Place::parse(text).unwrap()
    }

    #[test]
    fn watch_takes_the_databases_of_the_configuration() {
        let dir = scratch();
        let (job, warnings) = watch(dir.path(), "watch --take-over");
        let job = job.unwrap();
        let places: Vec<&str> = job.databases.iter().map(|spec| spec.place.as_str()).collect();
        assert_eq!(places, ["prod/app", "tenant/a", "tenant/b"]);
        assert_eq!(job.databases[0].settings.snapshots.interval.unwrap().as_secs(), 1800);
        assert_eq!(job.store.take_over, TakeOver::IfIdentical);
        assert_eq!(job.store.take_over_origin.to_string(), "flag");
        assert!(!job.once && !job.store.is_default);
        assert!(!warnings.contains("not a backup"), "{warnings}");
    }

    #[test]
    fn database_arguments_replace_entries_and_keep_the_rest() {
        let dir = scratch();
        let job = watch(dir.path(), "watch app.db x.db --once").0.unwrap();
        let places: Vec<&str> = job.databases.iter().map(|spec| spec.place.as_str()).collect();
        assert_eq!(places, ["app", "x"]);
        assert_eq!(job.databases[0].settings.retention.l0.as_secs(), 60);
        assert_eq!(job.databases[0].settings.snapshots.interval.unwrap().as_secs(), 86_400);
        assert_eq!(job.store.url.to_string(), "s3://my-bucket/backups");
        assert!(job.once);
    }

    #[test]
    fn reload_reads_the_file_again_under_the_same_flags() {
        let dir = scratch();
        let job = watch(dir.path(), "watch --store s3://flag").0.unwrap();
        let (streams, _, _) = Streams::captured();
        let printer = Printer::new(streams, false, Verbosity::Normal, false, false);
        fs::write(dir.path().join("walsync.toml"), "[[databases]]\npath = \"new.db\"\n").unwrap();
        let again = job.reload(&[], &printer).unwrap();
        assert_eq!(again.databases[0].place, place("new"));
        assert_eq!(again.store.url.to_string(), "s3://flag");
        fs::write(dir.path().join("walsync.toml"), "[sinc]\n").unwrap();
        assert_eq!(again.reload(&[], &printer).unwrap_err().kind(), Kind::Usage);
    }

    #[test]
    fn embedded_default_store_is_warned_of_once() {
        let dir = tempfile::tempdir().unwrap();
        let (job, warnings) = watch(dir.path(), "watch app.db");
        assert!(job.unwrap().store.is_default);
        assert_eq!(warnings.matches("a copy on the same disk is not a backup").count(), 1);
        assert!(!watch(dir.path(), "watch app.db --store ./walsync-store").1.contains("not a backup"));
    }

    #[test]
    fn two_arguments_for_one_place_are_refused() {
        let dir = scratch();
        let failure = watch(dir.path(), "watch data/a.db other/a.db").0.unwrap_err();
        assert_eq!(failure.kind(), Kind::Usage);
    }

    #[test]
    fn restore_without_output_goes_to_the_configured_path() {
        let dir = scratch();
        for given in ["app", "prod/app", "app.db", "s3://my-bucket/backups/prod/app"] {
            let job = restore(dir.path(), &format!("restore {given}")).unwrap();
            assert_eq!(job.output, dir.path().join("app.db"), "{given}");
            assert_eq!(job.target, JobTarget::Place(place("prod/app")), "{given}");
        }
        for given in ["prod/unknown", "s3://elsewhere/app", "s3://my-bucket/backups/prod/other"] {
            let failure = restore(dir.path(), &format!("restore {given}")).unwrap_err();
            assert_eq!(failure.kind(), Kind::Usage, "{given}");
            assert!(failure.hint_text().ends_with("-o restored.db"), "{failure}");
        }
    }

    #[test]
    fn restore_works_in_spite_of_two_databases_for_one_place() {
        let dir = tempfile::tempdir().unwrap();
        let text = "[[databases]]\npath = \"a/app.db\"\n[[databases]]\npath = \"b/app.db\"\n";
        fs::write(dir.path().join("walsync.toml"), text).unwrap();
        assert_eq!(watch(dir.path(), "watch").0.unwrap_err().kind(), Kind::Usage);
        assert!(restore(dir.path(), "restore app -o out.db").is_ok());
    }

    #[test]
    fn restore_with_output_leaves_the_name_to_the_store() {
        let dir = scratch();
        let job = restore(dir.path(), "restore app -o out.db").unwrap();
        assert_eq!(job.target, JobTarget::Named("app".to_owned()));
        assert_eq!(job.output, dir.path().join("out.db"));
        let url = restore(dir.path(), "restore s3://elsewhere/x/app -o out.db").unwrap();
        assert_eq!(
            (url.target, url.store.url.to_string()),
            (JobTarget::Root, "s3://elsewhere/x/app".to_owned())
        );
        let failure = restore(dir.path(), "restore gs://b/app -o out.db").unwrap_err();
        assert_eq!(failure.kind(), Kind::Usage);
    }

    #[test]
    fn list_takes_all_or_one() {
        let dir = scratch();
        let job = |line: &str| {
            let Command::List(request) = command(line) else { panic!("{line}") };
            ListJob::plan(&request, &config(dir.path(), &request.flags)).unwrap()
        };
        assert_eq!(job("list").target, None);
        assert_eq!(job("list app --points").target, Some(JobTarget::Named("app".to_owned())));
        assert_eq!(job("list file:///s/app").store.url.to_string(), "file:///s/app");
        assert_eq!(job("list").databases[0].path, dir.path().join("app.db"));
    }
}
