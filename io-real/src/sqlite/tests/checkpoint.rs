use super::world::World;
use engine::replicate::{CheckpointMode, Checkpointed, HandOver, Looked, SourceAnswer, SourceJob};

fn checkpoint(world: &mut World, mode: CheckpointMode) -> Checkpointed {
    match world.session.run(SourceJob::Checkpoint(mode)).unwrap() {
        SourceAnswer::Checkpointed(done) => done,
        other => panic!("{other:?}"),
    }
}

#[test]
fn passive_copies_up_to_the_anchor() {
    let mut world = World::new();
    let app = world.app_with_table();
    world.start();
    let anchored = world.replica.position.frames;
    app.execute("INSERT INTO t (b) VALUES (1)", []).unwrap();
    let done = checkpoint(&mut world, CheckpointMode::Passive);
    assert_eq!((done.busy, done.backfilled), (false, Some(anchored)));
    assert!(done.frames > done.backfilled);
    world.look();
    let done = checkpoint(&mut world, CheckpointMode::Passive);
    assert_eq!(done.frames, done.backfilled);
    world.look();
    // The anchor ignores the log now: the next commit starts it over.
    app.execute("INSERT INTO t (b) VALUES (2)", []).unwrap();
    assert_eq!(world.look().tail.unwrap().start.frames, 0);
    world.assert_same();
}

#[test]
fn truncate_empties_the_log_once_everything_is_read() {
    let mut world = World::new();
    let app = world.app_with_table();
    world.start();
    app.execute("INSERT INTO t (b) VALUES (1)", []).unwrap();
    world.look();
    assert!(checkpoint(&mut world, CheckpointMode::Truncate).busy, "the anchor is in the way");
    checkpoint(&mut world, CheckpointMode::Passive);
    world.look();
    assert!(!checkpoint(&mut world, CheckpointMode::Truncate).busy);
    assert_eq!(std::fs::metadata(world.beside("-wal")).unwrap().len(), 0);
    let looked = world.look();
    assert!(looked.tail.is_none() && looked.handed_over);
    world.assert_same();
}

#[test]
fn checkpoint_waits_for_nobody() {
    let mut world = World::new();
    let app = world.app_with_table();
    app.execute("INSERT INTO t (b) VALUES (1)", []).unwrap();
    world.start();
    let reader = world.app();
    reader.execute_batch("BEGIN; SELECT * FROM t").unwrap();
    app.execute_batch("BEGIN IMMEDIATE; INSERT INTO t (b) VALUES (2)").unwrap();
    assert!(checkpoint(&mut world, CheckpointMode::Truncate).busy);
    assert!(!checkpoint(&mut world, CheckpointMode::Passive).busy);
}

/// A look that keeps the writers out.
fn restart(world: &mut World) -> Looked {
    world.try_look(u64::MAX, HandOver::Restart).unwrap()
}

#[test]
fn log_begins_anew_although_something_is_committed_before_every_look() {
    let mut world = World::new();
    let app = world.app_with_table();
    world.start();
    for round in 0..3 {
        app.execute("INSERT INTO t (b) VALUES (1)", []).unwrap();
        let looked = restart(&mut world);
        assert!(looked.tail.is_some() && looked.handed_over && looked.backfilled, "{round}: {looked:?}");
        // The write lock is free again, and the next commit begins the log.
        app.execute("INSERT INTO t (b) VALUES (2)", []).unwrap();
        assert_eq!(world.look().tail.unwrap().start.frames, 0, "{round}");
        world.assert_same();
    }
}

#[test]
fn reader_keeps_the_log_and_loses_nothing() {
    let mut world = World::new();
    let app = world.app_with_table();
    world.start();
    app.execute("INSERT INTO t (b) VALUES (1)", []).unwrap();
    let reader = world.app();
    reader.execute_batch("BEGIN; SELECT * FROM t").unwrap();
    app.execute("INSERT INTO t (b) VALUES (2)", []).unwrap();
    let looked = restart(&mut world);
    assert!(looked.handed_over && !looked.backfilled, "{looked:?}");
    app.execute("INSERT INTO t (b) VALUES (3)", []).unwrap();
    world.look();
    world.assert_same();
    drop(reader);
    app.execute("INSERT INTO t (b) VALUES (4)", []).unwrap();
    assert!(restart(&mut world).backfilled);
    world.assert_same();
}

#[test]
fn writer_that_does_not_let_go_is_not_waited_for() {
    let mut world = World::new();
    let app = world.app_with_table();
    world.start();
    app.execute("INSERT INTO t (b) VALUES (1)", []).unwrap();
    let writer = world.app();
    writer.execute_batch("BEGIN IMMEDIATE; INSERT INTO t (b) VALUES (2)").unwrap();
    let looked = restart(&mut world);
    assert!(looked.tail.is_some() && looked.handed_over && !looked.backfilled, "{looked:?}");
    writer.execute_batch("COMMIT").unwrap();
    world.look();
    world.assert_same();
}

#[test]
fn what_a_checkpoint_of_the_application_copied_meanwhile_is_read_outside_of_the_lock() {
    let mut world = World::new();
    let app = world.app_with_table();
    world.start();
    for n in 0..300 {
        app.execute("INSERT INTO t (b) VALUES (randomblob(3000))", []).unwrap();
        if n == 0 {
            world.look();
        }
    }
    app.execute("DELETE FROM t WHERE a > 1", []).unwrap();
    app.execute_batch("PRAGMA wal_checkpoint(passive)").unwrap();
    app.execute("INSERT INTO t (b) VALUES (1)", []).unwrap();
    assert!(!restart(&mut world).backfilled, "there are many frames of few pages");
    world.assert_same();
}

#[test]
fn writers_do_not_wait_for_much_to_be_read_or_copied() {
    let mut world = World::new();
    let app = world.app_with_table();
    world.start();
    app.execute("INSERT INTO t (b) VALUES (randomblob(1100000))", []).unwrap();
    assert!(!restart(&mut world).backfilled, "what is to be read is too much");
    world.assert_same();
    for _ in 0..4 {
        app.execute("INSERT INTO t (b) VALUES (randomblob(1000000))", []).unwrap();
        world.look();
    }
    assert!(!restart(&mut world).backfilled, "what is to be copied is too much");
    checkpoint(&mut world, CheckpointMode::Passive);
    app.execute("INSERT INTO t (b) VALUES (1)", []).unwrap();
    assert!(restart(&mut world).backfilled);
    world.assert_same();
}
