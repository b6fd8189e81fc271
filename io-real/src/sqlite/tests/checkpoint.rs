use super::world::World;
use engine::replicate::{CheckpointMode, Checkpointed, SourceAnswer, SourceJob};

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
