//! A place in a directory or on an S3 server, how it is spoiled, and what `verify` says of it.

use crate::walsync::{World, exit_code, stderr};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Output;
use tests::s3::S3Server;

/// A place of ours with an image and a slot above 64 KiB, which are read in ranges, and small slots, which are not.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) server: Option<S3Server>,
}

pub(crate) const IMAGE: &str = "9/0000000000000001-0000000000000001";
pub(crate) const CLAIM: &str = "0/0000000000000002-0000000000000002";
pub(crate) const SMALL: &str = "0/0000000000000003-0000000000000003";
pub(crate) const LARGE: &str = "0/0000000000000004-0000000000000004";
pub(crate) const NEWEST: &str = "0/0000000000000005-0000000000000005";

impl Scene {
    pub(crate) fn both() -> [Scene; 2] {
        [Scene::new(None), Scene::new(Some(S3Server::start(&["bucket"])))]
    }

    pub(crate) fn directory() -> Scene {
        Scene::new(None)
    }

    pub(crate) fn new(server: Option<S3Server>) -> Scene {
        let scene = Scene { world: World::new(), server };
        scene.replicate("app", 1);
        scene
    }

    /// A history of random pages, in slots of known sizes.
    pub(crate) fn replicate(&self, name: &str, seed: u8) {
        let writer = self.world.database(&format!("{name}.db"));
        let rows = |count: u32| {
            writer
                .execute_batch(&format!("INSERT INTO t SELECT randomblob(3000) FROM ({})", numbers(count)))
                .unwrap();
        };
        rows(40 + u32::from(seed));
        self.sync(name);
        for count in [1, 40, 2] {
            rows(count);
            self.sync(name);
        }
    }

    pub(crate) fn sync(&self, name: &str) {
        let output = self.run(&["watch", "--once", &format!("{name}.db")]);
        assert_eq!(exit_code(&output), 0, "{}", stderr(&output));
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        match &self.server {
            Some(server) => self.world.run_on_s3(server, "bucket", arguments, &[]),
            None => self.world.run(arguments),
        }
    }

    /// The file or key of an object.
    pub(crate) fn name(&self, place: &str, object: &str) -> String {
        match (object.split_once('/'), &self.server) {
            (None, _) => format!("{place}/{object}"),
            (Some((level, range)), Some(_)) => format!("{place}/000{level}/{range}.ltx"),
            (Some((level, range)), None) => format!("{place}/ltx/{level}/{range}.ltx"),
        }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.world.path("store").join(name)
    }

    pub(crate) fn get(&self, object: &str) -> Vec<u8> {
        self.get_of("app", object)
    }

    pub(crate) fn get_of(&self, place: &str, object: &str) -> Vec<u8> {
        let name = self.name(place, object);
        match &self.server {
            Some(server) => server.object("bucket", &name).unwrap().to_vec(),
            None => std::fs::read(self.file(&name)).unwrap(),
        }
    }

    pub(crate) fn put(&self, object: &str, bytes: &[u8]) {
        let name = self.name("app", object);
        match &self.server {
            Some(server) => server.put_object("bucket", &name, bytes.to_vec()),
            None => std::fs::write(self.file(&name), bytes).unwrap(),
        }
    }

    pub(crate) fn remove(&self, object: &str) {
        let name = self.name("app", object);
        match &self.server {
            Some(server) => server.remove_object("bucket", &name),
            None => std::fs::remove_file(self.file(&name)).unwrap(),
        }
    }

    pub(crate) fn verify(&self, deep: bool) -> Verdict {
        let arguments: &[&str] = if deep { &["verify", "--json", "--deep"] } else { &["verify", "--json"] };
        let output = self.run(arguments);
        if deep && !self.world.path("state").join("state.db").exists() {
            assert!(!self.world.path("state").exists(), "nothing is left behind");
        }
        Verdict::of(&output)
    }

    pub(crate) fn assert_ok(&self) {
        for deep in [false, true] {
            let verdict = self.verify(deep);
            assert_eq!((verdict.code, verdict.kinds()), (0, Vec::new()), "{:?}", verdict.document);
        }
    }

    /// Asserts that both looks name an object.
    pub(crate) fn assert_found(&self, object: &str, what: &str) {
        for deep in [false, true] {
            self.verify(deep).assert_names(object, what);
        }
    }

    /// Asserts that only the deep look names an object.
    pub(crate) fn assert_found_deep(&self, object: &str, what: &str) {
        let shallow = self.verify(false);
        assert_eq!(shallow.code, 0, "{what}: {:?}", shallow.document);
        self.verify(true).assert_names(object, what);
    }

    /// Changes an object for the while of a check.
    pub(crate) fn with(&self, object: &str, change: impl FnOnce(&mut Vec<u8>), check: impl FnOnce(&Scene)) {
        let bytes = self.get(object);
        let mut changed = bytes.clone();
        change(&mut changed);
        self.put(object, &changed);
        check(self);
        self.put(object, &bytes);
    }
}

pub(crate) fn numbers(count: u32) -> String {
    format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) SELECT i FROM n"
    )
}

/// An answer of `verify --json`.
pub(crate) struct Verdict {
    pub(crate) code: i32,
    pub(crate) document: Value,
    pub(crate) err: String,
}

impl Verdict {
    pub(crate) fn of(output: &Output) -> Verdict {
        let document = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        Verdict { code: exit_code(output), document, err: stderr(output) }
    }

    /// Kind and object of each problem of all databases.
    pub(crate) fn kinds(&self) -> Vec<String> {
        let databases = self.document["databases"].as_array().unwrap();
        let problems = databases.iter().flat_map(|database| database["problems"].as_array().unwrap());
        problems
            .map(|p| format!("{} {}", p["kind"].as_str().unwrap(), p["object"].as_str().unwrap_or("-")))
            .collect()
    }

    pub(crate) fn assert_names(&self, object: &str, what: &str) {
        assert_eq!(self.code, 1, "{what}: {:?} {}", self.document, self.err);
        let database = &self.document["databases"][0];
        assert_eq!(database["ok"], false);
        let problems = database["problems"].as_array().unwrap();
        let is_named = |p: &&Value| p["object"] == object || p["message"].as_str().unwrap().contains(object);
        assert!(problems.iter().any(|p| is_named(&p)), "{what}: {object} is not among {problems:#?}");
        assert!(self.err.contains("\"exit_code\":1"), "{}", self.err);
    }
}

/// Where the page index of an object begins, by the size before the trailer.
pub(crate) fn index_at(object: &[u8]) -> usize {
    let size = object.len() - 24;
    size - usize::try_from(u64::from_be_bytes(object[size..size + 8].try_into().unwrap())).unwrap()
}
