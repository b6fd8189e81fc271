//! What needs a disk of its own or a user without rights: `.ci/system` gives both and runs this, which `./test` does
//! not build.
//!
//! A full disk and a missing permission are an error with the right exit code, and nothing partial stays.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod walsync;

use rusqlite::Connection;
use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;
use walsync::{World, exit_code, stderr};

/// A small file system, empty before and after each test.
struct Disk(PathBuf);

impl Disk {
    fn empty() -> Disk {
        let path = std::env::var_os("WALSYNC_SMALL_DISK").expect("run `.ci/system`: it mounts a small disk");
        let disk = Disk(path.into());
        disk.clear();
        disk
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// Leaves about so many bytes free.
    fn fill(&self, free_bytes: u64) {
        let mut ballast = File::create(self.0.join("ballast")).unwrap();
        while ballast.write_all(&[7; 4096]).is_ok() {}
        let length = ballast.metadata().unwrap().len();
        assert!(length < 64 << 20, "the disk is not small");
        ballast.set_len(length.saturating_sub(free_bytes)).unwrap();
    }

    fn free(&self) {
        fs::remove_file(self.0.join("ballast")).unwrap();
    }

    /// All files below, but the ballast.
    fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.0.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                match entry.file_type().unwrap().is_dir() {
                    true => folders.push(entry.path()),
                    false => found.push(entry.file_name().into_string().unwrap()),
                }
            }
        }
        found.retain(|name| name != "ballast");
        found
    }

    fn clear(&self) {
        for entry in fs::read_dir(&self.0).unwrap().map(Result::unwrap) {
            match entry.file_type().unwrap().is_dir() {
                true => fs::remove_dir_all(entry.path()).unwrap(),
                false => fs::remove_file(entry.path()).unwrap(),
            }
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.clear();
    }
}

/// A world with a database of some 3 MB.
fn world() -> World {
    let world = World::new();
    let app = world.database("app.db");
    for _ in 0..30 {
        app.execute("INSERT INTO t VALUES (randomblob(100000))", []).unwrap();
    }
    world
}

fn replicated() -> World {
    let world = world();
    let output = world.once(&["app.db"]);
    assert_eq!(exit_code(&output), 0, "{}", stderr(&output));
    world
}

fn rows(path: &Path) -> i64 {
    Connection::open(path).unwrap().query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap()
}

fn assert_told(output: &Output, code: i32, says: &[&str]) {
    let told = stderr(output);
    assert_eq!(exit_code(output), code, "{told}");
    assert!(told.contains("error: ") && told.contains("hint: ") && !told.contains("panicked"), "{told}");
    for text in says {
        assert!(told.contains(text), "does not say `{text}`:\n{told}");
    }
}

#[test]
fn full_disk_under_the_output_leaves_nothing_of_a_restore() {
    let (world, disk) = (replicated(), Disk::empty());
    disk.fill(1 << 20);
    let out = disk.path("out.db");
    let output = world.run(&["restore", "app", "-o", &out]);
    assert_told(&output, 3, &["out.db", "No space left"]);
    assert_eq!(disk.files(), [""; 0]);
    disk.free();
    fs::write(&out, "mine").unwrap();
    disk.fill(1 << 20);
    assert_told(&world.run(&["restore", "app", "-o", &out, "--force"]), 3, &["No space left"]);
    assert_eq!(
        (disk.files(), fs::read_to_string(&out).unwrap()),
        (vec!["out.db".to_owned()], "mine".to_owned())
    );
    disk.free();
    let output = world.run(&["restore", "app", "-o", &out, "--force"]);
    assert_eq!((exit_code(&output), rows(Path::new(&out))), (0, 30), "{}", stderr(&output));
}

#[test]
fn full_disk_under_the_state_directory_is_no_mistake_of_the_user() {
    let (world, disk) = (world(), Disk::empty());
    disk.fill(0);
    let state = disk.path("state");
    let output = world.run(&["watch", "--once", "app.db", "--state-dir", &state]);
    assert_told(&output, 3, &["full", "--state-dir DIR"]);
    disk.free();
    let output = world.run(&["watch", "--once", "app.db", "--state-dir", &state]);
    assert_eq!(exit_code(&output), 0, "{}", stderr(&output));
}

#[test]
fn full_disk_under_a_store_keeps_no_half_of_an_object() {
    let (world, disk) = (world(), Disk::empty());
    disk.fill(1 << 20);
    let store = disk.path("store");
    let output = world.run(&["watch", "--once", "app.db", "--store", &store]);
    assert_told(&output, 3, &["No space left"]);
    assert!(disk.files().iter().all(|name| name == "manifest.json"), "{:?}", disk.files());
    disk.free();
    let output = world.run(&["watch", "--once", "app.db", "--store", &store]);
    assert_eq!(exit_code(&output), 0, "{}", stderr(&output));
    let output = world.run(&["restore", "app", "-o", "out.db", "--store", &store]);
    assert_eq!((exit_code(&output), rows(&world.path("out.db"))), (0, 30), "{}", stderr(&output));
}

/// Takes rights away, and gives them back for the removal of the directory.
struct Forbidden(PathBuf, Permissions);

impl Forbidden {
    fn new(path: PathBuf, mode: u32) -> Forbidden {
        assert!(!rustix::process::geteuid().is_root(), "run `.ci/system`: root may do everything");
        let before = fs::metadata(&path).unwrap().permissions();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        Forbidden(path, before)
    }
}

impl Drop for Forbidden {
    fn drop(&mut self) {
        fs::set_permissions(&self.0, self.1.clone()).unwrap();
    }
}

#[test]
fn unreadable_database_is_said_to_be_that() {
    let world = world();
    let _forbidden = Forbidden::new(world.path("app.db"), 0o000);
    assert_told(&world.once(&["app.db"]), 2, &["app.db"]);
    assert!(!world.path("store/app").exists(), "a place was claimed");
}

#[test]
fn output_in_a_folder_that_may_not_be_written_is_refused() {
    let world = replicated();
    fs::create_dir(world.path("fixed")).unwrap();
    let _forbidden = Forbidden::new(world.path("fixed"), 0o555);
    assert_told(&world.run(&["restore", "app", "-o", "fixed/out.db"]), 2, &["fixed", "ermission denied"]);
    assert_eq!(world.objects("fixed"), [""; 0]);
}

#[test]
fn store_that_may_not_be_written_or_read_is_exit_3() {
    let world = world();
    fs::create_dir(world.path("store")).unwrap();
    {
        let _forbidden = Forbidden::new(world.path("store"), 0o555);
        assert_told(&world.once(&["app.db"]), 3, &["ermission denied"]);
        assert_eq!(world.objects("store"), [""; 0]);
    }
    let _forbidden = Forbidden::new(world.path("store"), 0o000);
    assert_told(&world.run(&["list"]), 3, &["ermission denied"]);
}

#[test]
fn state_directory_that_may_not_be_written_is_refused() {
    let world = world();
    fs::create_dir(world.path("fixed")).unwrap();
    let _forbidden = Forbidden::new(world.path("fixed"), 0o555);
    for dir in ["fixed", "fixed/state"] {
        let output = world.run(&["watch", "--once", "app.db", "--state-dir", dir]);
        assert_told(&output, 2, &["--state-dir DIR"]);
    }
}
