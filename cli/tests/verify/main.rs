//! `verify` as users run it: the real binary on places that it wrote, and that Litestream wrote, with everything that can be
//! wrong with them, in a directory and on an S3 server.
#![allow(clippy::unwrap_used, reason = "a failing test is the report")]

mod damage;
mod manifest;
mod scene;
#[path = "../walsync/mod.rs"]
mod walsync;

use scene::{CLAIM, IMAGE, LARGE, NEWEST, SMALL, Scene, Verdict};
use serde_json::json;
use std::path::Path;
use tests::s3::{Fault, Operation, Rule, S3Server};
use walsync::{World, exit_code, stderr};

#[test]
fn sound_places_have_no_problem() {
    for scene in Scene::both() {
        assert!(scene.get(IMAGE).len() > 64 << 10 && scene.get(LARGE).len() > 64 << 10);
        assert!(scene.get(SMALL).len() < 64 << 10);
        scene.assert_ok();
        let (shallow, deep) = (scene.verify(false), scene.verify(true));
        let database = |verdict: &Verdict| verdict.document["databases"][0].clone();
        assert_eq!(
            (&database(&deep)["name"], &database(&deep)["objects_checked"]),
            (&json!("app"), &json!(5))
        );
        let all: usize =
            [IMAGE, CLAIM, SMALL, LARGE, NEWEST].iter().map(|object| scene.get(object).len()).sum();
        assert!(database(&deep)["bytes_checked"].as_u64().unwrap() >= all as u64);
        assert!(database(&shallow)["bytes_checked"].as_u64().unwrap() < all as u64 / 3);
        assert_eq!(database(&shallow)["notes"][0]["kind"], "unindexed");
    }
}

#[test]
fn what_litestream_wrote_has_no_problem() {
    let world = World::new();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures");
    let mut cases = 0;
    for case in std::fs::read_dir(fixtures).unwrap().map(|entry| entry.unwrap().path()) {
        if case.is_dir() {
            cases += 1;
            let place = world.path("store/litestream").join(case.file_name().unwrap());
            copy(&case.join("replica"), &place);
        }
    }
    for arguments in [&["verify", "--json"][..], &["verify", "--json", "--deep"]] {
        let verdict = Verdict::of(&world.run(arguments));
        assert_eq!((verdict.code, verdict.kinds()), (0, Vec::new()), "{:?}", verdict.document);
        assert_eq!(verdict.document["databases"].as_array().unwrap().len(), cases);
        assert!(cases >= 7);
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn one_database_that_cannot_be_read_hides_no_other() {
    let scene = Scene::new(Some(S3Server::start(&["bucket"])));
    scene.replicate("other", 2);
    scene.remove(SMALL);
    let denied = |key: &'static str| {
        let server = scene.server.as_ref().unwrap();
        server.clear_faults();
        server.inject(
            Rule::on(Operation::GetObject, Fault::DENIED)
                .for_keys(move |asked| asked.starts_with(key))
                .always(),
        );
    };
    denied("other/");
    let verdict = scene.verify(false);
    assert_eq!(verdict.code, 3, "{}", verdict.err);
    assert_eq!(verdict.kinds(), [format!("gap {LARGE}"), "unavailable -".to_owned()]);
    assert_eq!(verdict.document["databases"][1]["ok"], false);
    scene.server.as_ref().unwrap().clear_faults();
    let named = Verdict::of(&scene.run(&["verify", "--json", "nothing", "other", "app", "other"]));
    assert_eq!((named.code, named.kinds()), (1, vec!["no -".to_owned(), format!("gap {LARGE}")]));
    assert_eq!(named.document["databases"].as_array().unwrap().len(), 3);
}

#[test]
fn names_paths_and_urls_are_understood_and_the_report_is_as_reviewed() {
    let scene = Scene::directory();
    let url = format!("file://{}", scene.world.path("store/app").display());
    for name in ["app", "app.db", &url] {
        let output = scene.run(&["verify", name]);
        assert_eq!(exit_code(&output), 0, "{}", stderr(&output));
        let out = String::from_utf8(output.stdout).unwrap();
        assert!(out.starts_with("NAME") && out.contains("  ok  "), "{out}");
    }
    let local = scene.run(&["verify", "--local"]);
    assert_eq!(exit_code(&local), 2);
    assert!(stderr(&local).contains("verify --local: not in this version"));
    scene.remove(SMALL);
    let faulty = scene.run(&["verify", "app"]);
    assert_eq!(exit_code(&faulty), 1);
    let out = String::from_utf8(faulty.stdout.clone()).unwrap();
    let told = out.lines().skip(3).collect::<Vec<_>>();
    let expected = [
        "NAME  PROBLEM  OBJECT                               WHAT",
        "app   gap      0/0000000000000004-0000000000000004  TXID 0000000000000003 is missing before it",
    ];
    assert_eq!(told, expected, "{out}");
    assert!(out.lines().nth(1).unwrap().contains("1 fault"), "{out}");
    assert!(stderr(&faulty).contains("error: 1 fault in 1 of 1 database"), "{}", stderr(&faulty));
    let empty = scene.run(&["verify", "--store", "nowhere"]);
    assert_eq!((exit_code(&empty), empty.stdout), (0, Vec::new()));
}

#[test]
fn what_does_not_hold_together_as_a_database_is_found_by_restoring_it() {
    let scene = Scene::directory();
    // Whole objects with a sound chain, around pages that SQLite finds faults in: an index that lacks a row.
    let writer = scene.world.database("bad.db");
    writer.execute_batch("CREATE INDEX i ON t(x); INSERT INTO t VALUES (1), (2), (3)").unwrap();
    writer.close().unwrap();
    let mut file = std::fs::read(scene.world.path("bad.db")).unwrap();
    let index_page = 2 * 4096;
    assert_eq!((file[index_page], file[index_page + 4]), (10, 3), "the root of the index, with three cells");
    file[index_page + 4] = 2;
    std::fs::write(scene.world.path("bad.db"), file).unwrap();
    scene.sync("bad");
    let shallow = Verdict::of(&scene.run(&["verify", "bad", "--json"]));
    assert_eq!(shallow.code, 0, "{:?}", shallow.document);
    let deep = Verdict::of(&scene.run(&["verify", "bad", "--json", "--deep"]));
    assert_eq!(deep.code, 1, "{:?}", deep.document);
    let kinds = deep.kinds();
    assert!(kinds.iter().all(|kind| kind.starts_with("restore ")) && !kinds.is_empty(), "{kinds:?}");
    assert_eq!(leftovers(&scene.world.path("state")), Vec::<String>::new());
}

#[test]
fn a_signal_leaves_nothing_behind() {
    let scene = Scene::new(Some(S3Server::start(&["bucket"])));
    let server = scene.server.as_ref().unwrap();
    // The first image never comes: the restore waits for it with its temporary file made.
    let reads = std::sync::atomic::AtomicUsize::new(0);
    let is_of_restore = move |key: &str| {
        key.contains("/0009/") && reads.fetch_add(1, std::sync::atomic::Ordering::Relaxed) >= 4
    };
    server.inject(Rule::on(Operation::GetObject, Fault::CommitThenHang).for_keys(is_of_restore).always());
    let mut run = scene.world.start_on_s3(server, "bucket", &["verify", "--deep", "app"]);
    let state = scene.world.path("state");
    let began = std::time::Instant::now();
    while leftovers(&state).is_empty() && began.elapsed() < std::time::Duration::from_secs(60) {
        std::thread::yield_now();
    }
    assert_eq!(leftovers(&state).len(), 1, "a temporary file");
    let pid = rustix::process::Pid::from_child(&run);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(130));
    assert_eq!(leftovers(&state), Vec::<String>::new());
}

/// Temporary databases.
fn leftovers(state: &Path) -> Vec<String> {
    let names =
        std::fs::read_dir(state).into_iter().flatten().map(|e| e.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.contains("verify")).collect()
}
