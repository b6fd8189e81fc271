//! What a run amounts to, and what is said on the way.

use super::again::Again;
use super::databases::memory_share;
use super::events::document;
use super::ledger::Ledger;
use crate::exit::{Failure, Kind};
use engine::replicate::{Fenced, Notice, RestoredHere, SourceError, SourceId, Standing, Status};
use engine::store::{Fatal, StoreError};
use engine::types::{NodeId, Timestamp, Txid};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

struct Run {
    ledger: Ledger,
    start: Instant,
}

const A: SourceId = SourceId(0);
const B: SourceId = SourceId(1);

impl Run {
    fn new() -> Run {
        let mut ledger = Ledger::default();
        for (id, name) in [(A, "a"), (B, "b")] {
            let place = format!("prod/{name}");
            let again = Again {
                watch: format!("walsync watch /data/{name}.db"),
                watch_anew: format!("walsync watch /data/{name}.db"),
                list: format!("walsync list {place} --points"),
                elsewhere: format!("walsync watch /data/{name}.db --state-dir DIR"),
                show_config: "walsync config show".to_owned(),
            };
            ledger.add(id, place, PathBuf::from(format!("/data/{name}.db")), again);
        }
        Run { ledger, start: Instant::now() }
    }

    fn note(&mut self, id: SourceId, notice: &Notice, after_s: u64) {
        self.ledger.note(id, notice, self.start + Duration::from_secs(after_s));
    }

    fn undone(&self) -> Option<Failure> {
        self.ledger.undone(&BTreeMap::new())
    }

    fn fails(&mut self, id: SourceId, error: SourceError) {
        self.note(id, &Notice::Source { error, fatal: true }, 0);
        self.note(id, &Notice::Status(Status::Failed), 0);
    }

    fn unreachable(&mut self, id: SourceId, after_s: u64) {
        let error = StoreError::Retryable("connection refused".into());
        self.note(id, &Notice::Store { error, key: "prod/a/k".to_owned(), attempt: 1 }, after_s);
    }
}

fn fenced(identical: Option<bool>) -> Notice {
    Notice::Fenced(Fenced {
        txid: Txid::new(7).unwrap(),
        by: NodeId::new(0xbeef),
        at: Some(Timestamp::from_millis(0)),
        host: Some("db1".to_owned()),
        claimed_by: None,
        needs_image: false,
        identical,
        copied_state: false,
        restored: None,
    })
}

#[test]
fn a_daemon_is_over_when_no_database_can_go_on() {
    let mut run = Run::new();
    run.fails(A, SourceError::Held("pid 1 on db1".into()));
    assert!(!run.ledger.is_over());
    run.note(B, &Notice::Status(Status::Missing), 0);
    assert!(!run.ledger.is_over(), "a missing file may appear");
    run.note(B, &fenced(None), 0);
    run.note(B, &Notice::Status(Status::Fenced), 0);
    assert!(run.ledger.is_over());
    assert!(!Ledger::default().is_over(), "a wildcard without files waits");
}

#[test]
fn the_gravest_failure_decides_the_exit_code() {
    let mut run = Run::new();
    run.fails(A, SourceError::Held("pid 1 on db1".into()));
    run.fails(B, SourceError::NotADatabase("header".into()));
    let kinds: Vec<Kind> = run.ledger.failures().iter().map(|failure| failure.kind()).collect();
    assert_eq!(kinds, [Kind::Corrupt, Kind::Fenced]);
}

#[test]
fn a_database_that_goes_on_after_all_is_no_failure() {
    let mut run = Run::new();
    run.fails(A, SourceError::Denied("mode 0000".into()));
    run.note(A, &Notice::Status(Status::Following), 1);
    assert!(run.ledger.failures().is_empty());
}

#[test]
fn fenced_names_the_writer_and_the_command_that_continues() {
    for (identical, flag) in [(Some(true), "--take-over"), (Some(false), "--take-over=always")] {
        let mut run = Run::new();
        run.note(A, &fenced(identical), 0);
        let failure = run.ledger.failures().remove(0);
        let text = failure.to_string();
        assert_eq!(failure.kind(), Kind::Fenced);
        for part in ["prod/a", "0000000000000007", "db1", "1970-01-01T00:00:00.000Z", "000000000000beef"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(text.ends_with(&format!("walsync watch /data/a.db {flag}")), "{text}");
    }
}

#[test]
fn fenced_tells_from_where_a_database_was_restored_here() {
    for (slot, is_newest, flag, part) in [
        (7, true, "--take-over", "restored here from slot 0000000000000007, the newest there is"),
        (7, false, "--take-over=always", "slot 0000000000000007, which holds another state now"),
        (5, false, "--take-over=always", "restored here from slot 0000000000000005, which is not the newest"),
    ] {
        let Notice::Fenced(mut told) = fenced(Some(false)) else { unreachable!("it is one") };
        told.restored = Some(RestoredHere { txid: Txid::new(slot).unwrap(), is_newest });
        let mut run = Run::new();
        run.note(A, &Notice::Fenced(told), 0);
        let text = run.ledger.failures().remove(0).to_string();
        assert!(text.contains(part), "{text}");
        assert!(text.ends_with(&format!("walsync watch /data/a.db {flag}")), "{text}");
    }
}

#[test]
fn patience_counts_from_the_first_failure_since_something_went_right() {
    let mut run = Run::new();
    let patience = Duration::from_secs(30);
    run.unreachable(A, 0);
    let durable = Notice::Durable { txid: Txid::ONE, timestamp: Timestamp::from_millis(0) };
    run.note(A, &durable, 20);
    run.unreachable(A, 25);
    run.unreachable(A, 54);
    assert!(run.ledger.given_up(patience).is_none());
    run.unreachable(A, 55);
    assert!(run.ledger.given_up(patience).is_none(), "the other one may still get on");
    run.note(B, &Notice::Status(Status::Stopped), 56);
    let failure = run.ledger.given_up(patience).unwrap().remove(0);
    assert_eq!(failure.kind(), Kind::Unavailable);
    assert!(failure.headline().contains("prod/a/k"), "{}", failure.headline());
}

#[test]
fn refused_credentials_are_given_up_at_once_and_the_gravest_failure_decides() {
    let mut run = Run::new();
    run.fails(A, SourceError::Held("pid 1 on db1".into()));
    run.note(A, &Notice::Status(Status::Stopped), 0);
    let error = StoreError::Fatal { kind: Fatal::Denied, message: "access denied".into() };
    run.note(B, &Notice::Store { error, key: String::new(), attempt: 1 }, 0);
    let failures = run.ledger.given_up(Duration::from_secs(30)).unwrap();
    let kinds: Vec<Kind> = failures.iter().map(Failure::kind).collect();
    assert_eq!(kinds, [Kind::Unavailable, Kind::Fenced]);
}

#[test]
fn long_upload_is_not_given_up_for_two_failures_far_apart() {
    let mut run = Run::new();
    run.note(B, &Notice::Status(Status::Stopped), 0);
    run.unreachable(A, 0);
    run.unreachable(A, 3600);
    assert!(run.ledger.given_up(Duration::from_secs(30)).is_none());
}

#[test]
fn database_that_stays_busy_is_given_up_too() {
    let mut run = Run::new();
    run.note(B, &Notice::Status(Status::Stopped), 0);
    let busy = Notice::Source { error: SourceError::Busy, fatal: false };
    run.note(A, &busy, 0);
    assert!(run.ledger.given_up(Duration::from_secs(30)).is_none());
    run.note(A, &busy, 31);
    let failure = run.ledger.given_up(Duration::from_secs(30)).unwrap().remove(0);
    assert_eq!(failure.kind(), Kind::Unavailable);
    assert!(failure.to_string().contains("busy"), "{failure}");
}

#[test]
fn local_state_that_cannot_be_kept_is_given_up_too() {
    let mut run = Run::new();
    run.note(B, &Notice::Status(Status::Stopped), 0);
    let full = Notice::State { message: "disk full".into() };
    run.note(A, &full, 0);
    run.note(A, &full, 31);
    let failure = run.ledger.given_up(Duration::from_secs(30)).unwrap().remove(0);
    assert_eq!(failure.kind(), Kind::Unavailable);
    assert!(failure.to_string().contains("disk full"), "{failure}");
}

#[test]
fn damaged_object_in_the_store_is_a_failure_of_the_run() {
    let mut run = Run::new();
    let corrupt = Notice::Corrupt { key: "prod/a/manifest.json".to_owned(), message: "not JSON".into() };
    run.note(A, &corrupt, 0);
    run.note(A, &Notice::Status(Status::Degraded), 0);
    run.note(A, &Notice::Stopped { durable: None, complete: false }, 1);
    let failure = run.ledger.failures().remove(0);
    assert_eq!(failure.kind(), Kind::Corrupt);
    assert!(failure.headline().contains("prod/a/manifest.json"), "{failure}");
}

#[test]
fn an_end_in_trouble_says_that_something_is_undone() {
    let mut run = Run::new();
    run.note(A, &Notice::Status(Status::Degraded), 0);
    run.note(A, &Notice::Stopped { durable: Some(Txid::ONE), complete: false }, 1);
    let failure = run.undone().unwrap();
    assert_eq!(failure.kind(), Kind::Unavailable);
    assert!(failure.causes()[0].contains("after slot 0000000000000001"), "{failure}");
    run.note(B, &Notice::Status(Status::Following), 0);
    run.note(B, &Notice::Stopped { durable: Some(Txid::ONE), complete: false }, 1);
    assert_eq!(run.ledger.failures().len(), 1, "an application that goes on writing is no failure");
}

#[test]
fn an_end_that_came_too_late_says_what_is_open() {
    let mut run = Run::new();
    run.note(A, &Notice::Durable { txid: Txid::ONE, timestamp: Timestamp::from_millis(0) }, 0);
    run.note(B, &Notice::Status(Status::Stopped), 0);
    let failure = run.undone().unwrap();
    assert_eq!(failure.kind(), Kind::Unavailable);
    assert!(failure.causes()[0].contains("after slot 0000000000000001"), "{failure}");
    run.note(A, &Notice::Status(Status::Stopped), 1);
    assert!(run.undone().is_none());
}

#[test]
fn an_end_names_every_database_that_may_have_more_than_the_store() {
    let mut run = Run::new();
    run.note(A, &Notice::Durable { txid: Txid::ONE, timestamp: Timestamp::from_millis(0) }, 0);
    run.note(A, &fenced(None), 0);
    run.note(B, &Notice::Status(Status::Degraded), 0);
    for id in [A, B] {
        run.note(id, &Notice::Stopped { durable: None, complete: false }, 1);
        run.note(id, &Notice::Status(Status::Stopped), 1);
    }
    let text = run.undone().unwrap().to_string();
    for part in [
        "prod/a: commits after slot 0000000000000001 are not known to be in the store",
        "prod/a: another writer owns the place",
        "prod/b: nothing of this run is known to be in the store",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_file_that_is_missing_or_none_of_ours_leaves_nothing_undone() {
    for error in
        [SourceError::Missing, SourceError::NotADatabase("header".into()), SourceError::Held("pid 1".into())]
    {
        let mut run = Run::new();
        run.note(B, &Notice::Status(Status::Stopped), 0);
        run.fails(A, error.clone());
        run.note(A, &Notice::Stopped { durable: None, complete: false }, 1);
        run.note(A, &Notice::Status(Status::Stopped), 1);
        assert_eq!(run.undone(), None, "{error}");
    }
    let mut run = Run::new();
    run.note(B, &Notice::Status(Status::Stopped), 0);
    run.fails(A, SourceError::Denied("mode 0000".into()));
    run.note(A, &Notice::Stopped { durable: None, complete: false }, 1);
    assert!(run.undone().is_some(), "commits of a file that may not be read are not known");
}

#[test]
fn what_is_open_is_told_with_how_much_it_is() {
    let mut run = Run::new();
    run.note(B, &Notice::Status(Status::Stopped), 0);
    let standing = Standing { unsent_pages: 12, wal_bytes: Some(50_000), ..Standing::default() };
    let failure = run.ledger.undone(&BTreeMap::from([(A, standing)])).unwrap();
    assert!(failure.causes()[0].ends_with("12 pages of them were read, the WAL holds 48.8 KiB"), "{failure}");
}

#[test]
fn a_json_event_names_the_database_and_the_point() {
    let run = Run::new();
    let durable = Notice::Durable { txid: Txid::new(255).unwrap(), timestamp: Timestamp::from_millis(1) };
    let line = document(run.ledger.account(A).unwrap(), &durable, None);
    let expected = serde_json::json!({
        "event": "durable",
        "database": "prod/a",
        "txid": "00000000000000ff",
        "timestamp": "1970-01-01T00:00:00.001Z",
    });
    assert_eq!(line, expected);
}

#[test]
fn a_clock_that_is_behind_is_told_with_how_far_and_where_to_look() {
    let run = Run::new();
    let (head, ahead) = (Timestamp::from_millis(1), Duration::from_millis(301_500));
    let line = document(run.ledger.account(A).unwrap(), &Notice::ClockBehind { head, ahead }, None);
    assert_eq!((&line["event"], &line["ahead_seconds"]), (&"clock_behind".into(), &301.into()));
    assert_eq!(line["head"], "1970-01-01T00:00:00.001Z");
    assert!(line["hint"].as_str().unwrap().contains("timedatectl"), "{line}");
}

#[test]
fn many_databases_share_the_memory_and_one_does_not_take_all() {
    assert_eq!(memory_share(256 << 20, 1), 64 << 20);
    assert_eq!(memory_share(256 << 20, 16), 8 << 20);
    assert_eq!(memory_share(256 << 20, 100_000), 256 << 10);
    assert_eq!(memory_share(256 << 20, 0), 64 << 20);
}
