//! Points in time on every replica that a real Litestream left behind: each TXID and many times, by the real program.
//! What it restores is what Litestream restored, byte for byte; what it refuses, it refuses with the points around it.
#![allow(clippy::unwrap_used, missing_docs, reason = "a failing test is the report")]

mod replica;
mod walsync;

use replica::{Expected, Replica, replica, replicas};
use serde_json::Value;
use std::collections::HashMap;
use std::fs;
use tests::s3::S3Server;
use tests::sequence::Sequence;
use walsync::{World, exit_code, stderr};

/// A point as `list --points` tells it.
#[derive(Clone, Debug)]
struct Point {
    txid: String,
    timestamp: String,
}

/// A replica in a directory or on S3, and the program.
struct Shelf<'a> {
    replica: &'a Replica,
    world: World,
    server: Option<S3Server>,
}

impl Shelf<'_> {
    fn in_a_directory(replica: &Replica) -> Shelf<'_> {
        let world = World::new();
        replica.copy_to(&world.path("store/app"));
        Shelf { replica, world, server: None }
    }

    /// Where the time of an object is in its metadata, not in the modification time.
    fn on_s3(replica: &Replica) -> Shelf<'_> {
        let server = S3Server::start(&["bucket"]);
        for (name, ms, bytes) in replica.objects() {
            let (level, name) = name.strip_prefix("ltx/").unwrap().split_once('/').unwrap();
            let level: u8 = level.parse().unwrap();
            let time = jiff::Timestamp::from_millisecond(ms.try_into().unwrap()).unwrap().to_string();
            let metadata = HashMap::from([("litestream-timestamp".to_owned(), time)]);
            server.put_object_with("bucket", &format!("app/{level:04x}/{name}"), bytes, metadata);
        }
        Shelf { replica, world: World::new(), server: Some(server) }
    }

    fn run(&self, arguments: &[&str]) -> std::process::Output {
        match &self.server {
            None => self.world.run(arguments),
            Some(server) => self.world.run_on_s3(server, "bucket", arguments, &[]),
        }
    }

    fn points(&self) -> Vec<Point> {
        let run = self.run(&["list", "app", "--points", "--json"]);
        assert!(run.status.success(), "{}", stderr(&run));
        let listed: Value = serde_json::from_slice(&run.stdout).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let point =
            |point: &Value| Point { txid: text(&point["txid"]), timestamp: text(&point["timestamp"]) };
        listed["points"].as_array().unwrap().iter().map(point).collect()
    }

    /// Restores; what came, or the error line of exit 1.
    fn restore(&self, flag: &str, target: &str) -> Result<(Value, Expected), Value> {
        let run = self.run(&["restore", "app", "-o", "out.db", flag, target, "--json"]);
        let output = self.world.path("out.db");
        if run.status.success() {
            let report = serde_json::from_slice(&run.stdout).unwrap();
            let restored = Expected::of_file(&output);
            fs::remove_file(&output).unwrap();
            return Ok((report, restored));
        }
        assert_eq!(exit_code(&run), 1, "{} {flag} {target}: {}", self.replica.case, stderr(&run));
        assert!(!output.exists(), "nothing is left behind");
        Err(serde_json::from_str(stderr(&run).lines().last().unwrap()).unwrap())
    }

    /// Every TXID of the manifest, one beyond, and that what is listed is what restores.
    fn assert_txids(&self) {
        let case = &self.replica.case;
        let points: Vec<String> = self.points().into_iter().map(|point| point.txid).collect();
        let mut restorable = Vec::new();
        for (txid, expected) in self.replica.expected() {
            match (self.restore("--txid", txid), expected) {
                (Ok((report, restored)), Expected::Database { .. }) => {
                    assert_eq!((&report["txid"], &restored), (&txid.as_str().into(), expected), "{case}");
                    restorable.push(txid.clone());
                }
                (Err(error), Expected::Refused { .. }) => assert_names_neighbours(&error, &points, txid),
                (Ok((report, _)), _) => panic!("{case}: {txid} was refused by Litestream: {report}"),
                (Err(error), _) => panic!("{case}: {txid} does not restore: {error}"),
            }
        }
        assert_eq!(points, restorable, "{case}");
        let newest = u64::from_str_radix(points.last().unwrap(), 16).unwrap();
        for beyond in [newest + 1, newest + 1000, u64::MAX] {
            let beyond = format!("{beyond:016x}");
            let error = self.restore("--txid", &beyond).expect_err("nothing is there");
            assert_names_neighbours(&error, &points, &beyond);
        }
    }

    /// Times before, at, between and after the points.
    fn assert_times(&self, samples: usize) {
        let case = &self.replica.case;
        let points = self.points();
        let at = |point: &Point| point.timestamp.parse::<jiff::Timestamp>().unwrap().as_millisecond();
        let times: Vec<i64> = points.iter().map(at).collect();
        assert!(times.is_sorted(), "{case}: {times:?}");
        let (first, last) = (times[0], times[times.len() - 1]);
        let mut wanted = vec![first - 1, first, last - 1, last, last + 1, last + 1_000_000_000];
        let mut random = Sequence::new(0x5eed);
        let mut below = |end: i64| i64::try_from(random.below(u64::try_from(end).unwrap())).unwrap();
        wanted.extend((0..samples).map(|_| first - 1000 + below(last - first + 2000)));
        wanted.extend((0..samples).map(|_| times[usize::try_from(below(times.len() as i64)).unwrap()]));
        for ms in wanted {
            let time = jiff::Timestamp::from_millisecond(ms).unwrap().to_string();
            // Of points of one time the newest is the state at that time.
            let newest =
                points.iter().zip(&times).filter(|(_, at)| **at <= ms).map(|(point, _)| point).next_back();
            match (self.restore("--timestamp", &time), newest) {
                (Ok((report, restored)), Some(point)) => {
                    assert_eq!(report["txid"], point.txid, "{case} at {time}");
                    assert_eq!(report["timestamp"], point.timestamp, "{case} at {time}");
                    assert_eq!(restored, self.replica.expected()[&point.txid], "{case} at {time}");
                }
                (Err(error), None) => {
                    let text = error["error"].as_str().unwrap();
                    assert!(text.contains("before the first point"), "{case} at {time}: {text}");
                    assert!(text.contains(&format!("{} after", points[0].txid)), "{case} at {time}: {text}");
                }
                (came, point) => panic!("{case} at {time}: {came:?}, not {point:?}"),
            }
        }
    }
}

/// An error tells the nearest points, if there are any, and a command that restores one of them.
fn assert_names_neighbours(error: &Value, points: &[String], txid: &str) {
    let text = error["error"].as_str().unwrap();
    let txid = txid.to_owned();
    let before = points.iter().filter(|point| **point < txid).max();
    let after = points.iter().filter(|point| **point > txid).min();
    for (neighbour, side) in [(before, "before"), (after, "after")] {
        match neighbour {
            Some(point) => assert!(text.contains(&format!("{point} {side}")), "{txid}: {text}"),
            None => assert!(!text.contains(&format!(" {side}")), "{txid}: {text}"),
        }
    }
    let hint = error["hint"].as_str().unwrap();
    let nearest = before.or(after).unwrap();
    assert!(hint.ends_with(&format!("--txid {nearest}")), "{hint}");
}

#[test]
fn every_txid_of_every_replica_restores_as_litestream_restored_it_or_is_refused_as_there() {
    for replica in replicas() {
        Shelf::in_a_directory(&replica).assert_txids();
    }
}

#[test]
fn every_time_restores_the_newest_point_that_is_not_younger() {
    for replica in replicas() {
        Shelf::in_a_directory(&replica).assert_times(12);
    }
}

#[test]
fn compacted_and_deleted_points_on_s3_are_those_in_a_directory() {
    let replica = replica("multi-level");
    let shelf = Shelf::on_s3(&replica);
    shelf.assert_txids();
    shelf.assert_times(12);
}

#[test]
fn a_time_in_or_behind_a_gap_restores_nothing_and_names_the_points_around_it() {
    let replica = replica("checkpoint-and-resume");
    let shelf = Shelf::in_a_directory(&replica);
    let before = shelf.points();
    fs::remove_file(shelf.world.path("store/app/ltx/0/0000000000000010-0000000000000010.ltx")).unwrap();
    let left: Vec<String> = shelf.points().into_iter().map(|point| point.txid).collect();
    for point in &before {
        let txid = u64::from_str_radix(&point.txid, 16).unwrap();
        let came = shelf.restore("--timestamp", &point.timestamp);
        if left.contains(&point.txid) {
            assert_eq!(came.unwrap().0["txid"], point.txid);
        } else {
            let error = came.expect_err("an earlier state is not what was asked for");
            assert!(error["error"].as_str().unwrap().contains("is missing"), "{txid}: {error}");
            assert!(error["error"].as_str().unwrap().contains("000000000000000f before"), "{error}");
            assert!(error["error"].as_str().unwrap().contains("0000000000000015 after"), "{error}");
        }
    }
}
