//! The control socket with a daemon that answers as a test says, and with clients that do not keep to it.

use super::client::daemons;
use super::message::{Answer, Done, Failed, Request, Selection};
use super::report::DaemonReport;
use super::server::{Asked, Server};
use super::socket::SocketError;
use super::wire::{self, LineError};
use crate::exit::{Failure, Kind};
use engine::types::Txid;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

fn report() -> DaemonReport {
    DaemonReport {
        pid: std::process::id(),
        version: "1.2.3".to_owned(),
        store: "file:///store".to_owned(),
        running_for_ms: 7,
        ending: false,
        databases: Vec::new(),
    }
}

/// A daemon that answers a status, and nothing else.
fn answering(dir: &Path) -> tokio::task::JoinHandle<()> {
    let mut server = Server::start(dir).unwrap();
    tokio::task::spawn(async move {
        loop {
            let Asked { request, answers } = server.next().await;
            if request == Request::Status {
                answers.end(Answer::Status(Box::new(report())));
            }
        }
    })
}

fn socket(dir: &Path) -> PathBuf {
    dir.join(format!("run/{}.sock", std::process::id()))
}

/// What a daemon says to these bytes before it ends the connection.
async fn says(dir: &Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket(dir)).await.unwrap();
    // It may have heard enough before all was written.
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text).await;
    text
}

async fn is_alive(dir: &Path) -> bool {
    matches!(&daemons(dir).await.unwrap()[..], [(_, Ok(found))] if *found == report())
}

#[tokio::test]
async fn daemon_is_found_and_asked_by_its_user_alone() {
    let dir = tempfile::tempdir().unwrap();
    assert!(daemons(dir.path()).await.unwrap().is_empty(), "there is no directory");
    let daemon = answering(dir.path());
    assert!(is_alive(dir.path()).await);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&dir.path().join("run")), mode(&socket(dir.path()))), (0o700, 0o600));
    daemon.abort();
    let _ = daemon.await;
    while socket(dir.path()).exists() {
        tokio::task::yield_now().await;
    }
    assert!(daemons(dir.path()).await.unwrap().is_empty(), "it took its socket with it");
}

#[tokio::test]
async fn sockets_of_the_dead_are_swept_and_others_stay() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    std::fs::create_dir(&run).unwrap();
    // A listener that is dropped leaves its file, as a daemon does that was killed.
    let dead = run.join("1.sock");
    drop(std::os::unix::net::UnixListener::bind(&dead).unwrap());
    let alive = std::os::unix::net::UnixListener::bind(run.join("2.sock")).unwrap();
    std::fs::write(run.join("notes.txt"), "not ours").unwrap();
    let daemon = answering(dir.path());
    assert!(!dead.exists());
    assert!(run.join("2.sock").exists() && run.join("notes.txt").exists());
    drop(alive);
    assert!(is_alive(dir.path()).await, "and one that died since is not there");
    daemon.abort();
}

#[tokio::test]
async fn malformed_requests_are_answered_and_harm_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = answering(dir.path());
    let endless = vec![b'['; 1 << 20];
    let nested = format!("{}\n", "[".repeat(10_000));
    let cases: [(&[u8], &str); 9] = [
        (b"hello\n", "not understood"),
        (b"\n", "not understood"),
        (b"{}\n", "missing field `protocol`"),
        (b"{\"protocol\":2,\"request\":\"status\"}\n", "protocol 2"),
        (b"{\"protocol\":1,\"request\":\"reboot\"}\n", "unknown variant `reboot`"),
        (b"{\"protocol\":1,\"request\":\"sync\"}\n", "missing field"),
        (b"{\"protocol\":1,\"request\":\"status\"}", "without an end"),
        (b"\xff\xfe\n", "not understood"),
        (nested.as_bytes(), "not understood"),
    ];
    for (bytes, why) in cases {
        let text = says(dir.path(), bytes).await;
        assert!(text.contains("\"answer\":\"failed\"") && text.contains(why), "{bytes:?}: {text}");
    }
    says(dir.path(), &endless).await;
    assert!(is_alive(dir.path()).await);
    daemon.abort();
}

#[tokio::test]
async fn clients_that_say_nothing_keep_nobody_out() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = answering(dir.path());
    let mut silent = Vec::new();
    for _ in 0..64 {
        silent.push(UnixStream::connect(socket(dir.path())).await.unwrap());
    }
    assert!(is_alive(dir.path()).await);
    daemon.abort();
}

#[tokio::test]
async fn several_requests_go_over_one_connection_and_a_half_closed_one_is_answered() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = answering(dir.path());
    let request = b"{\"protocol\":1,\"request\":\"status\",\"of a later version\":1}\n";
    let text = says(dir.path(), &request.repeat(3)).await;
    assert_eq!(text.lines().filter(|line| line.contains("\"answer\":\"status\"")).count(), 3, "{text}");
    daemon.abort();
}

#[tokio::test]
async fn daemon_that_ends_in_the_middle_is_told_as_such() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path()).unwrap();
    let daemon = tokio::task::spawn(async move {
        let asked = server.next().await;
        asked.answers.waiting();
        drop((asked, server));
    });
    let found = daemons(dir.path()).await.unwrap();
    let [(_, Err(failure))] = &found[..] else { panic!("{found:?}") };
    assert_eq!(failure.kind(), Kind::Unavailable);
    assert!(failure.to_string().contains("ended before it answered"), "{failure}");
    daemon.await.unwrap();
}

#[tokio::test]
async fn path_that_is_too_long_for_a_socket_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let long = dir.path().join("x".repeat(100));
    std::fs::create_dir(&long).unwrap();
    let error = Server::start(&long).unwrap_err();
    assert!(matches!(error, SocketError::TooLong { bytes, .. } if bytes > 107), "{error}");
    assert!(!long.join("run").exists(), "nothing is left behind");
}

#[tokio::test]
async fn line_that_does_not_come_is_not_waited_for() {
    let (_writer, reader) = tokio::io::duplex(64);
    let mut reader = tokio::io::BufReader::new(reader);
    let read = wire::read::<Request>(&mut reader, 100, Duration::from_millis(10)).await;
    assert!(matches!(read, Err(LineError::Late(_))), "{read:?}");
}

#[test]
fn documents_come_back_as_they_were_sent() {
    let requests = [
        Request::Status,
        Request::Sync { databases: Selection::All, wait: true, patience_ms: 5 },
        Request::Sync {
            databases: Selection::One("a/\"ü\n".to_owned()), wait: false, patience_ms: u64::MAX
        },
        Request::Snapshot { databases: Selection::One("app".to_owned()), patience_ms: 1 },
    ];
    for request in requests {
        let line = wire::line_of(&request).unwrap();
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1, "one line");
        assert_eq!(wire::parse::<Request>(&line).unwrap(), request);
    }
    let failure = Failure::new(Kind::Fenced, "another writer owns the place")
        .database("app")
        .object("app/k")
        .txid(Txid::new(7).unwrap())
        .cause("one")
        .cause("two")
        .hint("walsync list");
    let done = Done {
        name: "app".to_owned(),
        path: "/app.db".to_owned(),
        txid: None,
        durable: false,
        snapshot: None,
        failed: Some(Failed::from(&failure)),
    };
    let line = wire::line_of(&Answer::Synced { databases: vec![done] }).unwrap();
    let Answer::Synced { databases } = wire::parse(&line).unwrap() else { panic!("{line:?}") };
    assert_eq!(Failure::from(databases[0].failed.clone().unwrap()), failure);
}
