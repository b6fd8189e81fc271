//! A day of policy on real stores: a real SQLite application, the real driver and the real binary, in a directory and on an
//! S3 server. Only the clock is ours. In the evening every point that is listed is restored and compared with what the
//! application had.
#![allow(clippy::unwrap_used, reason = "a failing test is the report")]

mod application;
mod clock;
mod daemon;
mod evening;
mod history;
mod live;
mod promises;
#[path = "../verify/scene.rs"]
#[allow(dead_code, reason = "made for `verify`")]
mod scene;
mod store;
#[path = "../walsync/mod.rs"]
mod walsync;

use engine::retention::Policy;
use evening::{assert_evening, cleanup, list};
use live::live;
use scene::Scene;
use std::collections::BTreeSet;
use std::time::Duration;
use tests::s3::S3Server;
use walsync::World;

/// Every grade lets something go within the day.
const POLICY: Policy = Policy {
    l0: Duration::from_secs(5 * 60),
    pitr: Duration::from_secs(2 * 3600),
    hourly: 8,
    daily: 2,
    weekly: 0,
    monthly: 0,
};

#[test]
fn a_day_in_a_directory() {
    let scene = Scene { world: World::new(), server: None };
    let day = live(&scene, POLICY);
    let before = assert_evening(&scene, &day, &POLICY);
    // Files are as old as the disk says, and that has not seen the day pass.
    let nothing = (BTreeSet::new(), BTreeSet::new());
    assert_eq!(cleanup(&scene, &["--dry-run"]), nothing);
    assert_eq!(cleanup(&scene, &[]), nothing);
    assert_eq!(list(&scene, &day).points, before.points);
}

#[test]
fn a_day_on_an_s3_server() {
    let scene = Scene { world: World::new(), server: Some(S3Server::start(&["bucket"])) };
    let day = live(&scene, POLICY);
    let before = assert_evening(&scene, &day, &POLICY);
    // Later the last single syncs may go.
    scene.server.as_ref().unwrap().advance_clock(2 * POLICY.l0);
    let (objects, points) = cleanup(&scene, &["--dry-run"]);
    assert!(!objects.is_empty());
    assert_eq!(list(&scene, &day).points, before.points);
    assert_eq!(cleanup(&scene, &[]), (objects, points.clone()));
    let left = before.points.into_iter().filter(|(txid, _)| !points.contains(txid)).collect();
    assert_eq!(list(&scene, &day).points, left);
    scene.assert_ok();
}
