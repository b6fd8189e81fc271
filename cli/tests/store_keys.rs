//! Every key of `[store]` is seen at work: the real program with a configuration file, and what then comes in at an S3
//! server.
#![allow(clippy::unwrap_used, missing_docs, reason = "a failing test is the report")]

mod tls;

use rusqlite::Connection;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;
use tests::s3::{ACCESS_KEY, Fault, Operation, RequestRecord, Rule, S3Server, SECRET_KEY};
use tls::{TlsServer, tls_file};

/// A server, a database, and a directory to work in.
struct World {
    dir: TempDir,
    server: S3Server,
}

impl World {
    fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        let database = Connection::open(dir.path().join("app.db")).unwrap();
        database.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t(x)").unwrap();
        World { dir, server: S3Server::start(&["bucket"]) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `watch --once` with a store that works, but for these keys of `[store]`; an empty value leaves the key out.
    fn watch(&self, changes: &[(&str, &str)]) -> Output {
        self.watch_as(changes, "state")
    }

    /// The same with another local state: as another host.
    fn watch_as(&self, changes: &[(&str, &str)], state_dir: &str) -> Output {
        let endpoint = format!("{:?}", self.server.endpoint());
        let (access, secret) = (format!("{ACCESS_KEY:?}"), format!("{SECRET_KEY:?}"));
        let mut store = BTreeMap::from([
            ("url", "\"s3://bucket/base\""),
            ("endpoint", &endpoint),
            ("region", "\"us-east-1\""),
            ("access_key_id", &access),
            ("secret_access_key", &secret),
        ]);
        store.extend(changes.iter().copied());
        let lines = store.iter().filter(|(_, value)| !value.is_empty());
        let lines: String = lines.map(|(key, value)| format!("{key} = {value}\n")).collect();
        fs::write(self.path("walsync.toml"), format!("[store]\n{lines}")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_walsync"));
        command.current_dir(self.dir.path()).env_clear().env("HOME", self.dir.path());
        command.args(["watch", "--once", "app.db", "--state-dir", state_dir]);
        command.stdin(Stdio::null()).output().unwrap()
    }

    /// All requests of a run that ends with 0.
    fn requests(&self, changes: &[(&str, &str)]) -> Vec<RequestRecord> {
        let run = self.watch(changes);
        assert!(run.status.success(), "{changes:?}: {}", said(&run));
        let requests = self.server.log();
        assert!(requests.iter().any(|request| request.operation == Operation::PutObject), "{changes:?}");
        requests
    }

    /// The first request of a run whose every request is refused.
    fn first_request(&self, changes: &[(&str, &str)]) -> RequestRecord {
        self.server.inject(Rule::on_any(Fault::DENIED).always());
        let run = self.watch(changes);
        assert_eq!(run.status.code(), Some(3), "{changes:?}: {}", said(&run));
        self.server.log().swap_remove(0)
    }
}

fn said(run: &Output) -> String {
    String::from_utf8_lossy(&run.stderr).into_owned()
}

fn header<'a>(request: &'a RequestRecord, name: &str) -> &'a str {
    request.headers.get(name).map_or("", |value| value.to_str().unwrap())
}

/// Asserts that every request that creates an object says so.
fn assert_creations(requests: &[RequestRecord], name: &str, value: &str) {
    let creates = |r: &&RequestRecord| matches!(r.operation, Operation::PutObject | Operation::CreateUpload);
    let creations: Vec<&RequestRecord> = requests.iter().filter(creates).collect();
    assert!(creations.len() >= 3, "image, claim, manifest");
    for request in creations {
        assert_eq!(header(request, name), value, "{request:?}");
    }
}

/// This file has a test for each of them: a new key comes with its test.
#[test]
fn every_key_is_known_here() {
    let world = World::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_walsync"));
    command.current_dir(world.dir.path()).env_clear().env("HOME", world.dir.path());
    let run = command.args(["config", "show", "--json"]).output().unwrap();
    let shown: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    let mut keys: Vec<&str> = shown["settings"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|setting| setting["key"].as_str()?.strip_prefix("store."))
        .collect();
    keys.sort_unstable();
    assert_eq!(keys, KEYS);
}

const KEYS: [&str; 19] = [
    "access_key_id",
    "allow_http",
    "ca_file",
    "endpoint",
    "fencing",
    "kms_key_id",
    "part_size",
    "path_style",
    "profile",
    "proxy",
    "region",
    "secret_access_key",
    "session_token",
    "sse",
    "sse_key_file",
    "storage_class",
    "take_over",
    "timeout",
    "url",
];

#[test]
fn url_and_endpoint_say_where_requests_go() {
    let world = World::new();
    let requests = world.requests(&[]);
    assert!(requests.iter().all(|request| request.bucket == "bucket"));
    assert!(requests.iter().all(|request| request.key.is_empty() || request.key.starts_with("base/")));
    assert!(requests.iter().all(|request| header(request, "host") == world.server.address().to_string()));
    assert!(world.server.keys("bucket").iter().all(|key| key.starts_with("base/app/")));
}

#[test]
fn region_and_access_key_id_are_in_the_scope_of_each_signature() {
    let world = World::new();
    for request in world.requests(&[("region", "\"eu-west-9\"")]) {
        let signed = header(&request, "authorization");
        let credential = signed.split_once("Credential=").unwrap().1.split(',').next().unwrap();
        let parts: Vec<&str> = credential.split('/').collect();
        assert_eq!((parts[0], parts[2], parts[3]), (ACCESS_KEY, "eu-west-9", "s3"), "{signed}");
    }
}

#[test]
fn secret_access_key_signs() {
    let world = World::new();
    let run = world.watch(&[("secret_access_key", "\"guess\"")]);
    assert_eq!(run.status.code(), Some(3), "{}", said(&run));
    assert!(world.server.keys("bucket").is_empty() && world.server.count_all() > 0);
    // The server compares signatures.
    world.requests(&[]);
}

#[test]
fn session_token_goes_with_each_request() {
    let world = World::new();
    for request in world.requests(&[("session_token", "\"temporary\"")]) {
        assert_eq!(header(&request, "x-amz-security-token"), "temporary");
    }
}

#[test]
fn profile_gives_the_keys_of_the_shared_files() {
    let world = World::new();
    fs::create_dir(world.path(".aws")).unwrap();
    let text = format!(
        "[default]\naws_access_key_id = other\naws_secret_access_key = other\n\
         [work]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n"
    );
    fs::write(world.path(".aws/credentials"), text).unwrap();
    let without = [("access_key_id", ""), ("secret_access_key", "")];
    let named = [&without[..], &[("profile", "\"work\"")]].concat();
    world.requests(&named);
    let other = World { dir: world.dir, server: S3Server::start(&["bucket"]) };
    let request = other.first_request(&without);
    assert!(header(&request, "authorization").contains("Credential=other/"), "the default one");
}

#[test]
fn path_style_says_where_the_bucket_is_named() {
    let through = |world: &World, style: &str| {
        let proxy = format!("{:?}", world.server.endpoint());
        let style = format!("{style:?}");
        let changes =
            [("endpoint", "\"http://s3.example.test\""), ("proxy", &*proxy), ("path_style", &*style)];
        world.first_request(&changes)
    };
    for (style, host, first_part) in [
        ("false", "bucket.s3.example.test", "base"),
        ("true", "s3.example.test", "bucket"),
        ("auto", "s3.example.test", "bucket"),
    ] {
        let request = through(&World::new(), style);
        assert_eq!(header(&request, "host"), host, "{style}");
        assert_eq!(request.bucket, first_part, "{style}: the first part of the path");
    }
}

#[test]
fn proxy_gets_the_requests_for_another_host() {
    let world = World::new();
    let proxy = world.server.endpoint().replacen("http://", "http://user:word@", 1);
    let proxy = format!("{proxy:?}");
    let request = world.first_request(&[("endpoint", "\"http://s3.example.test\""), ("proxy", &proxy)]);
    assert_eq!(header(&request, "host"), "s3.example.test");
    assert_eq!(header(&request, "proxy-authorization"), "Basic dXNlcjp3b3Jk");
}

#[test]
fn storage_class_is_that_of_each_new_object() {
    let requests = World::new().requests(&[("storage_class", "\"STANDARD_IA\"")]);
    assert_creations(&requests, "x-amz-storage-class", "STANDARD_IA");
    assert_creations(&World::new().requests(&[]), "x-amz-storage-class", "");
}

#[test]
fn sse_asks_for_encryption_of_each_new_object() {
    const SSE: &str = "x-amz-server-side-encryption";
    assert_creations(&World::new().requests(&[]), SSE, "");
    assert_creations(&World::new().requests(&[("sse", "\"aes256\"")]), SSE, "AES256");
    let kms = World::new().requests(&[("sse", "\"kms\"")]);
    assert_creations(&kms, SSE, "aws:kms");
    assert_creations(&kms, "x-amz-server-side-encryption-aws-kms-key-id", "");
}

#[test]
fn kms_key_id_names_the_key() {
    let requests = World::new().requests(&[("sse", "\"kms\""), ("kms_key_id", "\"alias/backups\"")]);
    assert_creations(&requests, "x-amz-server-side-encryption", "aws:kms");
    assert_creations(&requests, "x-amz-server-side-encryption-aws-kms-key-id", "alias/backups");
}

#[test]
fn sse_key_file_is_the_customers_key_that_goes_along_with_every_request_for_bytes() {
    let world = World::new();
    fs::write(world.path("key"), [7; 32]).unwrap();
    let changes = [("sse", "\"customer\""), ("sse_key_file", "\"key\"")];
    world.requests(&changes);
    // Reads need it too.
    let requests = world.requests(&changes);
    let key = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
    for request in &requests {
        if matches!(request.operation, Operation::PutObject | Operation::GetObject) {
            assert_eq!(header(request, "x-amz-server-side-encryption-customer-key"), key, "{request:?}");
            assert_eq!(header(request, "x-amz-server-side-encryption-customer-algorithm"), "AES256");
        }
    }
    assert!(requests.iter().any(|request| request.operation == Operation::GetObject));
    fs::write(world.path("key"), [7; 31]).unwrap();
    let run = world.watch(&changes);
    assert_eq!(run.status.code(), Some(2), "{}", said(&run));
    assert!(said(&run).contains("31 bytes instead of 32"), "{}", said(&run));
}

#[test]
fn ca_file_is_trusted_beside_the_systems() {
    let world = World::new();
    let tls = TlsServer::start();
    let endpoint = format!("\"https://{}\"", tls.address);
    let run = world.watch(&[("endpoint", &endpoint), ("timeout", "\"1s\"")]);
    assert_eq!(run.status.code(), Some(3), "{}", said(&run));
    assert!(said(&run).contains("certificate"), "{}", said(&run));
    assert!(tls.requests.try_recv().is_err(), "nothing is sent to a stranger");
    let authority = format!("{:?}", tls_file("ca.pem"));
    let run = world.watch(&[("endpoint", &endpoint), ("ca_file", &authority)]);
    assert_eq!(run.status.code(), Some(3), "{}", said(&run));
    assert!(tls.requests.try_recv().unwrap().starts_with("PUT /bucket/base/.walsync-probe-"));
    assert!(said(&run).contains("access was refused"), "{}", said(&run));
}

#[test]
fn part_size_is_that_of_each_part_but_the_last() {
    let world = World::new();
    let database = Connection::open(world.path("app.db")).unwrap();
    // What does not compress.
    for _ in 0..13 {
        database.execute_batch("INSERT INTO t VALUES (randomblob(1048576))").unwrap();
    }
    drop(database);
    let requests = world.requests(&[("part_size", "\"6MiB\"")]);
    let parts = requests
        .iter()
        .filter(|request| request.operation == Operation::UploadPart && request.key.ends_with(".ltx"));
    let sizes: Vec<u64> = parts.map(|request| header(request, "content-length").parse().unwrap()).collect();
    assert_eq!(sizes.iter().filter(|size| **size == 6 << 20).count(), 2, "{sizes:?}");
    assert_eq!(sizes.len(), 3, "{sizes:?}");
}

#[test]
fn allow_http_false_sends_nothing_in_the_clear() {
    let world = World::new();
    let run = world.watch(&[("allow_http", "false")]);
    assert_eq!(run.status.code(), Some(2), "{}", said(&run));
    assert!(said(&run).contains("allow_http is false"), "{}", said(&run));
    assert_eq!(world.server.count_all(), 0);
    world.requests(&[("allow_http", "true")]);
}

#[test]
fn fencing_says_whether_conditions_are_tried_first() {
    let probes = |value: &str| {
        let requests = World::new().requests(&[("fencing", value)]);
        let writes = requests.iter().filter(|request| request.operation == Operation::PutObject);
        assert!(writes.clone().all(|request| header(request, "if-none-match") == "*"), "each is conditional");
        writes.filter(|request| request.key.contains(".walsync-probe-")).count()
    };
    assert!(probes("\"auto\"") >= 2);
    assert!(probes("\"require\"") >= 2);
    assert_eq!(probes("\"off\""), 0);
}

#[test]
fn take_over_decides_about_a_place_of_another_writer() {
    let world = World::new();
    world.requests(&[]);
    let slots = || world.server.keys("bucket").iter().filter(|key| key.contains("/0000/")).count();
    for (host, value, code, count) in [
        ("2", "\"never\"", 5, 1),
        ("2", "\"if-identical\"", 0, 2),
        ("3", "\"never\"", 5, 2),
        ("3", "\"always\"", 0, 3),
    ] {
        let run = world.watch_as(&[("take_over", value)], host);
        assert_eq!(run.status.code(), Some(code), "{value}: {}", said(&run));
        assert_eq!(slots(), count, "{value}: a claim is a slot");
    }
}

#[test]
fn timeout_is_how_long_an_answer_is_waited_for() {
    let world = World::new();
    world.requests(&[]);
    world.server.inject(Rule::on(Operation::ListObjects, Fault::CommitThenHang).always());
    let run = world.watch(&[("timeout", "\"1234ms\"")]);
    assert_eq!(run.status.code(), Some(3), "{}", said(&run));
    assert!(said(&run).contains("no answer within 1.234s"), "{}", said(&run));
}
