//! `[verify] interval`: the daemon checks what it stored, tells what it finds, and goes on.

use crate::scene::{status, status_of, until_following, until_status};
use crate::walsync::{Run, World, exit_code, stderr};
use serde_json::Value;
use std::path::PathBuf;
use tests::s3::{Fault, Rule, S3Server};

const OFTEN: (&str, &str) = ("WALSYNC_VERIFY_INTERVAL", "1s");

fn newest(world: &World) -> PathBuf {
    let folder = "store/app/ltx/0";
    world.path(folder).join(world.objects(folder).pop().unwrap())
}

fn checked(daemon: &mut Run, ok: bool) -> Value {
    daemon.until("verified", |line| line["ok"] == ok)
}

#[test]
fn daemon_checks_its_places_and_a_fault_is_told_and_stops_nothing() {
    let world = World::new();
    let writer = world.database("app.db");
    let mut daemon = world.start(None, &["app.db"], &[OFTEN], "log");
    until_following(&mut daemon, "app");
    let sound = checked(&mut daemon, true);
    assert_eq!((&sound["deep"], &sound["database"]), (&true.into(), &"app".into()));
    let app = until_status(&world, "app", |app| app["verify"]["ok"] == true);
    assert!(app["verify"]["objects_checked"].as_u64() >= Some(2), "{app}");
    assert_eq!(status(&world, &[]).0, 0);

    writer.execute_batch("INSERT INTO t VALUES (1)").unwrap();
    daemon.until("durable", |line| line["txid"] == "0000000000000003");
    // A bit in a page: only a deep look sees all of those.
    let (object, good) = (newest(&world), std::fs::read(newest(&world)).unwrap());
    let mut bad = good.clone();
    *bad.last_mut().unwrap() ^= 1;
    std::fs::write(&object, &bad).unwrap();
    checked(&mut daemon, false);
    let app = until_status(&world, "app", |app| app["verify"]["ok"] == false);
    assert_eq!(app["state"], "following", "replication goes on");
    let problem = app["verify"]["problems"][0].as_str().unwrap().to_owned();
    assert!(problem.contains("0000000000000003"), "{problem}");
    let output = world.run(&["status"]);
    assert_eq!(exit_code(&output), 1);
    assert!(stderr(&output).contains("app: verify found faults"), "{}", stderr(&output));
    let log = world.text("log");
    let said = log.lines().find(|line| line.contains("verify found a fault")).expect("it is logged");
    assert!(said.contains("ERROR") && said.contains("walsync verify app --deep"), "{said}");
    writer.execute_batch("INSERT INTO t VALUES (2)").unwrap();
    daemon.until("durable", |line| line["txid"] == "0000000000000004");

    std::fs::write(&object, &good).unwrap();
    checked(&mut daemon, true);
    daemon.signal(rustix::process::Signal::TERM);
    assert_eq!(daemon.exit_code(), 0);
    let left: Vec<String> =
        world.objects("state").into_iter().filter(|name| name.contains("walsync-restore")).collect();
    assert_eq!(left, Vec::<String>::new(), "no temporary database stays");
}

#[test]
fn shallow_checks_are_made_on_request_of_the_configuration() {
    let world = World::new();
    let _writer = world.database("app.db");
    let mut daemon = world.start(None, &["app.db"], &[OFTEN, ("WALSYNC_VERIFY_DEEP", "false")], "log");
    assert_eq!(checked(&mut daemon, true)["deep"], false);
}

#[test]
fn every_database_is_checked_one_after_the_other() {
    let world = World::new();
    let _writers = ["one", "two", "three"].map(|name| world.database(&format!("{name}.db")));
    let mut daemon = world.start(None, &["one.db", "two.db", "three.db"], &[OFTEN], "log");
    for name in ["one", "two", "three"] {
        until_status(&world, name, |database| database["verify"]["ok"] == true);
    }
    daemon.kill();
}

#[test]
fn result_outlives_the_daemon_and_the_next_one_does_not_check_again_before_it_is_due() {
    let world = World::new();
    let _writer = world.database("app.db");
    let mut daemon = world.start(None, &["app.db"], &[("WALSYNC_VERIFY_INTERVAL", "10h")], "log");
    let first = checked(&mut daemon, true);
    daemon.kill();
    let mut next = world.start(None, &["app.db"], &[("WALSYNC_VERIFY_INTERVAL", "10h")], "log");
    until_following(&mut next, "app");
    let app = status_of(&world, "app");
    assert_eq!(app["verify"]["at"], first["at"]);
    // Two looks at what is due have passed by then.
    std::thread::sleep(std::time::Duration::from_millis(1200));
    assert_eq!(status_of(&world, "app")["verify"]["at"], first["at"]);
    next.kill();
}

#[test]
fn check_that_could_not_be_made_is_no_fault_and_is_told() {
    let (world, server) = (World::new(), S3Server::start(&["bucket"]));
    let _writer = world.database("app.db");
    let first = world.run_on_s3(&server, "bucket", &["watch", "--once", "app.db"], &[]);
    assert_eq!(exit_code(&first), 0, "{}", stderr(&first));
    let environment = [OFTEN, ("WALSYNC_STORE_TIMEOUT", "1s")];
    let mut daemon = world.start(Some(&server), &["app.db"], &environment, "log");
    checked(&mut daemon, true);
    server.inject(Rule::on_any(Fault::Drop).always());
    daemon.until("verified", |line| line["ok"].is_null());
    let app = until_status(&world, "app", |app| app["verify"]["ok"].is_null());
    assert!(app["verify"]["problems"][0].as_str().is_some(), "{app}");
    assert!(world.text("log").contains("cannot verify"), "{}", world.text("log"));
    daemon.kill();
}
