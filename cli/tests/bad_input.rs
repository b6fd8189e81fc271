//! Everything that a user, a disk or a store can get wrong: a clear error with its exit code and a hint, no panic, no
//! partial output, nothing in the store changed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod walsync;

use rusqlite::Connection;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Output;
use tests::s3::S3Server;
use walsync::{World, exit_code, stderr};

/// One thing that is wrong.
struct Case {
    name: &'static str,
    /// Makes it wrong, in a world with the replicated database `app.db`.
    spoil: fn(&World),
    arguments: &'static [&'static str],
    code: i32,
    /// What the error names.
    says: &'static [&'static str],
}

const OUT: &str = "out.db";

const CASES: &[Case] = &[
    Case {
        name: "text that is no database",
        spoil: |world| {
            fs::write(world.path("bad.db"), "no database at all, but long enough to be one".repeat(40))
                .unwrap()
        },
        arguments: &["watch", "--once", "bad.db"],
        code: 4,
        says: &["bad.db", "not a database"],
    },
    Case {
        name: "an encrypted database",
        spoil: |world| {
            // As SQLCipher's: a random salt where the magic was, and nothing to tell it from noise.
            let noise: Vec<u8> = (0..8192_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
            fs::write(world.path("bad.db"), noise).unwrap();
        },
        arguments: &["watch", "--once", "bad.db"],
        code: 4,
        says: &["bad.db", "not a database"],
    },
    Case {
        name: "a database that was cut off",
        spoil: |world| {
            let whole = fs::read(world.path("app.db")).unwrap();
            fs::write(world.path("bad.db"), &whole[..60]).unwrap();
        },
        arguments: &["watch", "--once", "bad.db"],
        code: 4,
        says: &["bad.db"],
    },
    Case {
        name: "a directory in the place of a database",
        spoil: |world| fs::create_dir(world.path("bad.db")).unwrap(),
        arguments: &["watch", "--once", "bad.db"],
        code: 2,
        says: &["bad.db", "is a directory"],
    },
    Case {
        name: "no database",
        spoil: |_| {},
        arguments: &["watch", "--once", "bad.db"],
        code: 2,
        says: &["bad.db"],
    },
    Case {
        name: "a database that is not in WAL mode, where that is required",
        spoil: |world| {
            Connection::open(world.path("bad.db")).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
            fs::write(world.path("require.toml"), "[sync]\nwal_mode = \"require\"\n").unwrap();
        },
        arguments: &["watch", "--once", "bad.db", "--config", "require.toml"],
        code: 2,
        says: &["bad.db", "delete"],
    },
    Case {
        name: "an output that exists",
        spoil: |world| fs::write(world.path(OUT), "mine").unwrap(),
        arguments: &["restore", "app", "-o", OUT],
        code: 2,
        says: &[OUT, "--force"],
    },
    Case {
        name: "a leftover log beside the output",
        spoil: |world| fs::write(world.path("out.db-wal"), "mine").unwrap(),
        arguments: &["restore", "app", "-o", OUT],
        code: 2,
        says: &["out.db-wal"],
    },
    Case {
        name: "a leftover log where nothing but a missing output may be written",
        spoil: |world| fs::write(world.path("out.db-wal"), "mine").unwrap(),
        arguments: &["restore", "app", "-o", OUT, "--if-missing"],
        code: 2,
        says: &["out.db-wal", "--force"],
    },
    Case {
        name: "one database under two names",
        spoil: |world| std::os::unix::fs::symlink("app.db", world.path("link.db")).unwrap(),
        arguments: &["watch", "--once", "app.db", "link.db"],
        code: 2,
        says: &["/app.db and ", "/link.db are the same file"],
    },
    Case {
        name: "an output in a folder that is not there",
        spoil: |_| {},
        arguments: &["restore", "app", "-o", "nowhere/out.db"],
        code: 2,
        says: &["nowhere"],
    },
    Case {
        name: "a name that the store does not know",
        spoil: |_| {},
        arguments: &["restore", "apt", "-o", OUT],
        code: 1,
        says: &["apt", "did you mean `app`"],
    },
    Case {
        name: "a TXID that is none",
        spoil: |_| {},
        arguments: &["restore", "app", "-o", OUT, "--txid", "12g"],
        code: 2,
        says: &["--txid", "12g", "16 hex digits"],
    },
    Case {
        name: "a TXID beyond the newest",
        spoil: |_| {},
        arguments: &["restore", "app", "-o", OUT, "--txid", "00000000000000ff"],
        code: 1,
        says: &["00000000000000ff", "0000000000000004"],
    },
    Case {
        name: "a time that is none",
        spoil: |_| {},
        arguments: &["restore", "app", "-o", OUT, "--timestamp", "yesterday"],
        code: 2,
        says: &["--timestamp", "yesterday"],
    },
    Case {
        name: "a time before the first point",
        spoil: |_| {},
        arguments: &["restore", "app", "-o", OUT, "--timestamp", "2001-01-01T00:00:00Z"],
        code: 1,
        says: &["2001-01-01"],
    },
    Case {
        name: "an unknown key in the configuration",
        spoil: |world| fs::write(world.path("bad.toml"), "[sync]\nmax_intervall = \"1s\"\n").unwrap(),
        arguments: &["watch", "--once", "app.db", "--config", "bad.toml"],
        code: 2,
        says: &["max_intervall", "max_interval", "bad.toml"],
    },
    Case {
        name: "a configuration that is not there",
        spoil: |_| {},
        arguments: &["list", "--config", "absent.toml"],
        code: 2,
        says: &["absent.toml"],
    },
    Case {
        name: "an object that was cut off",
        spoil: |world| alter(world, NEWEST, |bytes| bytes.truncate(bytes.len() * 2 / 3)),
        arguments: &["restore", "app", "-o", OUT],
        code: 4,
        says: &[NEWEST_KEY],
    },
    Case {
        name: "an empty object",
        spoil: |world| alter(world, NEWEST, Vec::clear),
        arguments: &["restore", "app", "-o", OUT],
        code: 4,
        says: &[NEWEST_KEY],
    },
    Case {
        name: "an altered time in a header",
        spoil: |world| alter(world, NEWEST, |bytes| bytes[34] ^= 0x40),
        arguments: &["restore", "app", "-o", OUT],
        code: 4,
        says: &[NEWEST_KEY],
    },
    Case {
        name: "an altered page",
        spoil: |world| alter(world, NEWEST, |bytes| bytes[140] ^= 1),
        arguments: &["restore", "app", "-o", OUT],
        code: 4,
        says: &[NEWEST_KEY],
    },
    Case {
        name: "an altered checksum at the end",
        spoil: |world| alter(world, NEWEST, |bytes| *bytes.last_mut().unwrap() ^= 1),
        arguments: &["restore", "app", "-o", OUT],
        code: 4,
        says: &[NEWEST_KEY],
    },
    Case {
        name: "an altered first image",
        spoil: |world| alter(world, IMAGE, |bytes| bytes[150] ^= 1),
        arguments: &["restore", "app", "-o", OUT],
        code: 4,
        says: &["9/0000000000000001-0000000000000001"],
    },
    Case {
        name: "two objects that changed their names",
        spoil: |world| {
            let (third, fourth) = (world.path(THIRD), world.path(NEWEST));
            let (a, b) = (fs::read(&third).unwrap(), fs::read(&fourth).unwrap());
            fs::write(third, b).unwrap();
            fs::write(fourth, a).unwrap();
        },
        arguments: &["restore", "app", "-o", OUT],
        code: 4,
        says: &["it holds the TXIDs"],
    },
    Case {
        name: "a missing object in the middle",
        spoil: |world| fs::remove_file(world.path(THIRD)).unwrap(),
        arguments: &["restore", "app", "-o", OUT],
        code: 1,
        says: &["0000000000000003"],
    },
    Case {
        name: "a missing first image",
        spoil: |world| fs::remove_file(world.path(IMAGE)).unwrap(),
        arguments: &["restore", "app", "-o", OUT],
        code: 1,
        says: &["app"],
    },
    Case {
        name: "a command of a later version",
        spoil: |_| {},
        arguments: &["replicate", "app"],
        code: 2,
        says: &["not in this version"],
    },
    Case {
        name: "a kind of store of a later version",
        spoil: |_| {},
        arguments: &["list", "--store", "gs://bucket"],
        code: 2,
        says: &["not in this version"],
    },
    Case {
        name: "a store that is a file",
        spoil: |world| fs::write(world.path("file"), "").unwrap(),
        arguments: &["watch", "--once", "app.db", "--store", "file"],
        code: 3,
        says: &["file"],
    },
];

const IMAGE: &str = "store/app/ltx/9/0000000000000001-0000000000000001.ltx";
const THIRD: &str = "store/app/ltx/0/0000000000000003-0000000000000003.ltx";
const NEWEST: &str = "store/app/ltx/0/0000000000000004-0000000000000004.ltx";
const NEWEST_KEY: &str = "0/0000000000000004-0000000000000004";

#[test]
fn whatever_is_wrong_is_said_and_nothing_is_harmed() {
    let mut failed = Vec::new();
    for case in CASES {
        let world = replicated();
        (case.spoil)(&world);
        let (files, store) = (files(&world.path("")), contents(&world.path("store")));
        let output = world.run(case.arguments);
        let mut wrong = complaints(&output, case.code, case.says);
        if self::files(&world.path("")) != files {
            wrong.push(format!("files came or went: {files:?}, now {:?}", self::files(&world.path(""))));
        }
        if contents(&world.path("store")) != store {
            wrong.push("the store changed".to_owned());
        }
        if !wrong.is_empty() {
            failed.push(format!("{}: {}\n{}", case.name, wrong.join("; "), stderr(&output)));
        }
    }
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), CASES.len(), failed.join("\n"));
}

/// A database with the image `1-1` and the slots 2 to 4, and nobody who has it open.
fn replicated() -> World {
    let world = World::new();
    let app = world.database("app.db");
    for n in 0..3 {
        app.execute("INSERT INTO t VALUES (randomblob(9000 + ?1))", [n]).unwrap();
        let output = world.once(&["app.db"]);
        assert_eq!(exit_code(&output), 0, "{}", stderr(&output));
    }
    world
}

fn alter(world: &World, object: &str, change: fn(&mut Vec<u8>)) {
    let mut bytes = fs::read(world.path(object)).unwrap();
    change(&mut bytes);
    fs::write(world.path(object), bytes).unwrap();
}

/// What is wrong with how a failure was told.
fn complaints(output: &Output, code: i32, says: &[&str]) -> Vec<String> {
    let (told, got) = (stderr(output), output.status.code());
    let mut wrong = Vec::new();
    if got != Some(code) {
        wrong.push(format!("exit code {got:?}, not {code}"));
    }
    wrong.extend(
        says.iter().filter(|text| !told.contains(**text)).map(|text| format!("does not say `{text}`")),
    );
    if !told.lines().any(|line| line.starts_with("error: ")) || !told.contains("hint: ") {
        wrong.push("no error line with a hint".to_owned());
    }
    if told.contains("panicked") || told.contains("a bug in walsync") {
        wrong.push("a panic".to_owned());
    }
    if told.contains("=\"\"") {
        wrong.push("a field without a value".to_owned());
    }
    if !output.stdout.is_empty() {
        wrong.push("data on stdout".to_owned());
    }
    wrong
}

/// The names in the folder, without what a daemon may leave.
fn files(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> =
        names.filter(|name| name != "state" && !name.ends_with("-walsync.lock") && !is_log(name)).collect();
    names.sort();
    names
}

/// Of the database in WAL mode: SQLite makes them when it opens it.
fn is_log(name: &str) -> bool {
    ["app.db-wal", "app.db-shm"].contains(&name)
}

fn contents(folder: &Path) -> BTreeMap<std::path::PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path)
            } else {
                drop(found.insert(path.clone(), fs::read(path).unwrap()))
            }
        }
    }
    found
}

/// Variables and their values.
type Environment<'e> = &'e [(&'e str, &'e str)];

#[test]
fn an_s3_store_that_cannot_be_used_is_exit_3_and_says_why() {
    let world = World::new();
    drop(world.database("app.db"));
    let server = S3Server::start(&["backups"]);
    let hurry = ("WALSYNC_STORE_TIMEOUT", "2s");
    let once = ["--once", "app.db"];
    let refused = [("AWS_SECRET_ACCESS_KEY", "wrong"), hurry];
    let unreachable = [("AWS_ENDPOINT_URL", "http://127.0.0.1:9"), hurry];
    // Connections are made, and nothing is ever said on them.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", silent.local_addr().unwrap());
    let mute = [("AWS_ENDPOINT_URL", address.as_str()), hurry];
    let cases: [(&str, &str, Environment<'_>, &str); 4] = [
        ("a bucket that is not there", "nowhere", &[hurry], "nowhere"),
        ("credentials that are wrong", "backups", &refused, "credentials"),
        ("an endpoint where nobody listens", "backups", &unreachable, "127.0.0.1:9"),
        ("an endpoint that never answers", "backups", &mute, "no answer within 2s"),
    ];
    for (name, bucket, environment, says) in cases {
        let output = world.s3(&server, bucket, &once, environment);
        let wrong = complaints(&output, 3, &[says]);
        assert!(wrong.is_empty(), "{name}: {wrong:?}\n{}", stderr(&output));
        assert_eq!(server.keys("backups"), Vec::<String>::new(), "{name}");
    }
}
