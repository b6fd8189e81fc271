//! The queues of the sources.

use super::{FakeSource, Held};
use crate::driver::message::Message;
use crate::driver::sources::{Length, Sources, Task};
use engine::replicate::SourceId;
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

struct World {
    work: Held,
    sources: Sources<FakeSource>,
    messages: UnboundedReceiver<Message<FakeSource>>,
    done: Arc<Mutex<Vec<&'static str>>>,
}

impl World {
    fn new(databases: u32, running_max: usize) -> World {
        World::with(databases, running_max, 1)
    }

    fn with(databases: u32, short_max: usize, long_max: usize) -> World {
        let (sender, messages) = unbounded_channel();
        let work = Held::default();
        let mut sources = Sources::new(Arc::new(work.clone()), short_max, long_max, sender);
        (0..databases).for_each(|id| sources.add(SourceId(id), FakeSource::new()));
        World { work, sources, messages, done: Arc::default() }
    }

    fn task(&self, name: &'static str) -> Task<FakeSource> {
        let done = self.done.clone();
        Box::new(move |_| done.lock().unwrap().push(name))
    }

    fn push(&mut self, id: u32, name: &'static str) {
        self.push_of(id, Length::Short, name);
    }

    fn push_of(&mut self, id: u32, length: Length, name: &'static str) {
        let task = self.task(name);
        self.sources.push(SourceId(id), length, task);
    }

    /// Runs everything that can run at this moment; how many jobs that were.
    fn round(&mut self) -> usize {
        self.sources.start();
        let started = self.work.count();
        self.work.release();
        while let Ok(message) = self.messages.try_recv() {
            if let Message::SourceBack(id, source) = message {
                self.sources.back(id, source);
            }
        }
        started
    }
}

#[test]
fn the_tasks_of_one_database_run_one_after_the_other_in_order() {
    let mut world = World::new(1, 8);
    ["first", "second", "third"].into_iter().for_each(|name| world.push(0, name));
    assert_eq!([world.round(), world.round(), world.round(), world.round()], [1, 1, 1, 0]);
    assert_eq!(*world.done.lock().unwrap(), ["first", "second", "third"]);
}

#[test]
fn no_more_than_the_limit_run_at_a_time_and_none_is_passed_over() {
    let mut world = World::new(3, 2);
    for (id, name) in [(0, "a1"), (0, "a2"), (1, "b1"), (2, "c1")] {
        world.push(id, name);
    }
    assert_eq!([world.round(), world.round(), world.round()], [2, 2, 0]);
    // The second task of `a` waited behind `c`.
    assert_eq!(*world.done.lock().unwrap(), ["a1", "b1", "c1", "a2"]);
}

#[test]
fn a_task_that_panics_resets_its_source_and_the_next_one_runs() {
    let mut world = World::new(0, 1);
    let source = FakeSource::new();
    let resets = source.resets.clone();
    world.sources.add(SourceId(7), source);
    world.sources.push(SourceId(7), Length::Short, Box::new(|_| panic!("as scripted")));
    world.push(7, "after");
    assert_eq!([world.round(), world.round()], [1, 1]);
    assert_eq!(*resets.lock().unwrap(), 1);
    assert_eq!(*world.done.lock().unwrap(), ["after"]);
}

#[test]
fn a_retired_source_is_let_go_after_its_last_task() {
    let mut world = World::new(1, 1);
    world.push(0, "last");
    world.sources.retire(SourceId(0));
    assert!(!world.sources.is_empty());
    world.round();
    assert_eq!(*world.done.lock().unwrap(), ["last"]);
    assert!(world.sources.is_empty());
    assert!(world.sources.active().is_empty());
}

#[test]
fn a_task_for_a_source_that_is_out_waits_until_it_is_back() {
    let mut world = World::new(1, 2);
    world.push(0, "first");
    world.sources.start();
    world.push(0, "second");
    assert_eq!([world.round(), world.round(), world.round()], [1, 1, 0]);
    assert_eq!(*world.done.lock().unwrap(), ["first", "second"]);
}

#[test]
fn long_tasks_of_many_databases_keep_no_short_one_waiting() {
    let mut world = World::with(5, 1, 2);
    (0..4).for_each(|id| world.push_of(id, Length::Long, "long"));
    world.sources.start();
    assert_eq!(world.work.count(), 2, "the other two wait");
    world.push(4, "short");
    world.sources.start();
    assert_eq!(world.work.count(), 3);
    assert_eq!([world.round(), world.round(), world.round()], [3, 2, 0]);
    assert_eq!(*world.done.lock().unwrap(), ["long", "long", "short", "long", "long"]);
}

#[test]
fn short_tasks_that_wait_keep_no_long_one_waiting_and_a_database_keeps_its_order() {
    let mut world = World::with(2, 1, 1);
    for (id, length, name) in [
        (0, Length::Long, "a long"),
        (0, Length::Short, "a short"),
        (1, Length::Short, "b short"),
        (1, Length::Long, "b long"),
    ] {
        world.push_of(id, length, name);
    }
    assert_eq!([world.round(), world.round(), world.round()], [2, 2, 0]);
    assert_eq!(*world.done.lock().unwrap(), ["b short", "a long", "a short", "b long"]);
}
