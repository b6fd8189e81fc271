//! A look beside a checkpoint of the application that is under way.

use super::world::{IDENTITY, PAUSE, World, session};
use crate::sqlite::connection::lock_of;
use crate::sqlite::raw::{ShmLock, shm_lock};
use engine::replicate::{HandOver, SourceError};
use rusqlite::Connection;
use std::cell::Cell;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::rc::Rc;

/// A checkpoint of the application that copies all of the log: it has slot 0 for itself, and says so.
struct Copying(Connection);

impl Copying {
    fn begin(world: &World) -> Copying {
        let app = world.app();
        app.query_row("SELECT count(*) FROM t", [], |_| Ok(())).unwrap();
        assert!(shm_lock(&app, lock_of(0), ShmLock::Exclude).unwrap());
        says_that_all_is_copied(world);
        Copying(app)
    }

    fn end(self) {
        shm_lock(&self.0, lock_of(0), ShmLock::Readmit).unwrap();
        copy(&self.0);
    }

    /// It dies, and what it has said stays.
    fn die(self) {
        shm_lock(&self.0, lock_of(0), ShmLock::Readmit).unwrap();
    }
}

/// In the wal-index: what a checkpoint writes before its first page.
fn says_that_all_is_copied(world: &World) {
    let index = File::options().read(true).write(true).open(world.beside("-shm")).unwrap();
    let mut frames = [0; 4];
    index.read_exact_at(&mut frames, 16).unwrap();
    index.write_all_at(&frames, 128).unwrap();
    // Closing it would take this process's locks with it.
    std::mem::forget(index);
}

/// A database that is followed, with a commit that was not looked at.
fn followed() -> (World, Connection) {
    let mut world = World::new();
    let app = world.app_with_table();
    world.start();
    insert(&app);
    (world, app)
}

fn insert(app: &Connection) {
    app.execute("INSERT INTO t (b) VALUES (randomblob(9000))", []).unwrap();
}

fn copy(app: &Connection) {
    let copied: (i64, i64, i64) = app
        .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap();
    assert!(copied.0 == 0 && copied.1 == copied.2, "{copied:?}");
}

/// What happens in each pause of the looks that follow.
fn in_pauses(mut deed: impl FnMut(u32) + 'static) -> Rc<Cell<u32>> {
    let pauses = Rc::new(Cell::new(0));
    let count = pauses.clone();
    let hook = move || {
        count.set(count.get() + 1);
        deed(count.get());
    };
    PAUSE.set(Some(Box::new(hook)));
    pauses
}

#[test]
fn end_is_waited_for_and_the_next_commit_begins_the_log_anew() {
    let (mut world, app) = followed();
    let mut copying = Some(Copying::begin(&world));
    let pauses = in_pauses(move |pause| {
        if pause == 3 {
            copying.take().unwrap().end();
        }
    });
    let looked = world.look();
    assert!(looked.handed_over && looked.backfilled && !looked.copying, "{looked:?}");
    assert_eq!(pauses.get(), 3);
    let salts = world.replica.position.salts;
    insert(&app);
    PAUSE.set(None);
    world.look();
    assert_ne!(world.replica.position.salts, salts, "the log goes on");
    world.assert_same();
}

#[test]
fn commit_in_the_last_moment_is_read_before_the_log_may_begin_anew() {
    let (mut world, app) = followed();
    let (mut copying, copies, writes) = (Some(Copying::begin(&world)), world.app(), world.app());
    in_pauses(move |pause| {
        if pause == 1 {
            copying.take().unwrap().end();
            insert(&writes);
            copy(&copies);
        }
    });
    let looked = world.look();
    assert!(looked.handed_over && !looked.copying, "{looked:?}");
    let salts = world.replica.position.salts;
    insert(&app);
    PAUSE.set(None);
    world.look();
    assert_eq!(world.replica.position.salts, salts, "the log began anew");
    world.assert_same();
}

#[test]
fn commit_behind_the_last_check_is_read_before_the_log_may_begin_anew() {
    let (mut world, app) = followed();
    let mut copying = Some(Copying::begin(&world));
    let (copies, writes) = (world.app(), world.app());
    in_pauses(move |pause| {
        if pause == 1 {
            copying.take().unwrap().end();
            let (copies, writes, mut is_done) = (world_app(&copies), world_app(&writes), false);
            let hook = move || {
                if !std::mem::replace(&mut is_done, true) {
                    // Pages that no later commit writes again.
                    writes.execute("UPDATE t SET b = zeroblob(9000) WHERE a = 1", []).unwrap();
                    copy(&copies);
                }
            };
            IDENTITY.set(Some(Box::new(hook)));
        }
    });
    world.look();
    IDENTITY.set(None);
    PAUSE.set(None);
    insert(&app);
    world.look();
    world.assert_same();
}

/// One more connection to the same database.
fn world_app(to: &Connection) -> Connection {
    let app = Connection::open(to.path().unwrap()).unwrap();
    app.execute_batch("PRAGMA wal_autocheckpoint = 0").unwrap();
    app
}

#[test]
fn dead_checkpoint_is_not_waited_for() {
    let (mut world, _app) = followed();
    Copying::begin(&world).die();
    let pauses = in_pauses(|_| ());
    assert!(!world.look().copying && pauses.get() == 0, "{} pauses", pauses.get());
}

/// A recovery says what a checkpoint says that copies all of the log.
#[test]
fn recovered_log_is_not_waited_for() {
    let mut world = World::new();
    let app = world.app_with_table();
    insert(&app);
    let copy = World::new();
    for suffix in ["", "-wal"] {
        std::fs::copy(world.beside(suffix), copy.beside(suffix)).unwrap();
    }
    world = copy;
    world.session = session(&world.path());
    let pauses = in_pauses(|_| ());
    world.start();
    for _ in 0..3 {
        assert!(!world.look().copying && pauses.get() == 0, "{} pauses", pauses.get());
    }
}

#[test]
fn checkpoint_that_takes_long_is_waited_for_a_while() {
    let (mut world, app) = followed();
    let copying = Copying::begin(&world);
    let pauses = in_pauses(|_| ());
    let mut waited = 0;
    while world.look().copying {
        waited += 1;
        assert_eq!(pauses.replace(0), 1000, "10 ms of pauses");
    }
    assert_eq!(waited, 32);
    copying.end();
    insert(&app);
    world.look();
    let _copying = Copying::begin(&world);
    assert!(world.look().copying, "another one");
}

#[test]
fn copy_that_comes_with_the_end_of_the_checkpoint_is_seen() {
    let mut world = World::new();
    let app = world.app_with_table();
    insert(&app);
    copy(&app);
    world.start();
    let before = std::fs::read(world.path()).unwrap();
    insert(&app);
    world.look();
    let (mut copying, path) = (Some(Copying::begin(&world)), world.path());
    in_pauses(move |pause| {
        if pause == 1 {
            copying.take().unwrap().end();
            put(&before, &path);
        }
    });
    let looked = world.look();
    assert!(!looked.backfilled, "moved to a file that is another one");
    PAUSE.set(None);
    let error = world.try_look(u64::MAX, HandOver::Allowed).unwrap_err();
    assert!(matches!(error, SourceError::Replaced(_)), "{error}");
}

/// A checkpoint that has died writes nothing: the file was written by somebody else.
#[test]
fn copy_behind_a_dead_checkpoint_is_seen() {
    let (mut world, _app) = followed();
    world.look();
    Copying::begin(&world).die();
    world.look();
    let before = std::fs::read(world.path()).unwrap();
    put(&before, &world.path());
    let error = world.try_look(u64::MAX, HandOver::Allowed).unwrap_err();
    assert!(matches!(error, SourceError::Replaced(_)), "{error}");
}

#[test]
fn checkpoint_after_a_dead_one_explains_what_it_writes() {
    let (mut world, app) = followed();
    world.look();
    Copying::begin(&world).die();
    world.look();
    // It gets no further, and has written.
    let copying = Copying::begin(&world);
    let before = std::fs::read(world.path()).unwrap();
    put(&before, &world.path());
    in_pauses(|_| ());
    world.look();
    copying.end();
    insert(&app);
    world.look();
    world.assert_same();
}

/// What `cp` does.
fn put(content: &[u8], path: &Path) {
    let database = File::options().write(true).open(path).unwrap();
    database.write_all_at(content, 0).unwrap();
    database.set_len(content.len() as u64).unwrap();
    std::mem::forget(database);
}

/// The next commit would take away what the file is compared with.
#[test]
fn copy_behind_the_last_check_is_seen_before_the_log_may_begin_anew() {
    for beside_a_checkpoint in [true, false] {
        let mut world = World::new();
        let app = world.app_with_table();
        insert(&app);
        copy(&app);
        world.start();
        let before = std::fs::read(world.path()).unwrap();
        insert(&app);
        world.look();
        let path = world.path();
        let put_at_the_last_check = move || {
            let (before, path, mut looks) = (before.clone(), path.clone(), 0);
            let hook = move || {
                looks += 1;
                // A check looks at three files, and compares: behind that.
                if looks == 4 {
                    put(&before, &path);
                }
            };
            IDENTITY.set(Some(Box::new(hook)));
        };
        if beside_a_checkpoint {
            let mut copying = Some(Copying::begin(&world));
            in_pauses(move |pause| {
                if pause == 1 {
                    copying.take().unwrap().end();
                    put_at_the_last_check();
                }
            });
        } else {
            copy(&app);
            put_at_the_last_check();
        }
        let looked = world.try_look(u64::MAX, HandOver::Allowed);
        PAUSE.set(None);
        IDENTITY.set(None);
        insert(&app);
        let next = world.try_look(u64::MAX, HandOver::Allowed);
        let seen = [looked.map(drop), next.map(drop)]
            .into_iter()
            .any(|it| matches!(it, Err(SourceError::Replaced(_))));
        assert!(seen, "beside a checkpoint: {beside_a_checkpoint}");
    }
}
