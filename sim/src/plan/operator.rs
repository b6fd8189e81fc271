//! What operators and unusual applications do, put between the other steps of a plan. Draws are of a stream of their
//! own, so that nothing here shifts the rest of a plan.

use super::{Operation, Permit, Step, Way};
use crate::settings::{OperatorSwarm, Settings};
use io_sim::random::{Random, Stream};

/// Puts short stories between the steps.
pub(super) fn among(mut steps: Vec<Step>, seed: u64, settings: &Settings) -> Vec<Step> {
    let swarm = &settings.operator;
    if swarm.never_rests && settings.autocheckpoint == 0 && settings.checkpoint_pages < LONG_LOG_PAGES {
        never_rest(seed, &mut steps);
    }
    let stories: Vec<Story> = STORIES.iter().filter(|(on, _)| on(swarm)).map(|(_, story)| *story).collect();
    if stories.is_empty() {
        return steps;
    }
    let mut draw = Random::indexed(seed, Stream::Plan, 1);
    let mut all = Vec::with_capacity(steps.len() + 16);
    for step in steps {
        all.push(step);
        if draw.ppm(swarm.stories_ppm) {
            let story = *draw.pick(&stories);
            story(&mut draw, &mut all);
        }
    }
    all
}

/// A log of which nobody in a run makes as much.
const LONG_LOG_PAGES: u32 = 1000;

type Class = fn(&OperatorSwarm) -> bool;
type Story = fn(&mut Random, &mut Vec<Step>);

/// Each with the class that switches it on.
const STORIES: &[(Class, Story)] = &[
    (|s| s.replaces, replace),
    (|s| s.replaces, restore_by_backup),
    (|s| s.recreates, recreate),
    (|s| s.deletes_wal, delete_wal),
    (|s| s.leaves_wal, leave_wal),
    (|s| s.leaves_wal, change_page_size),
    (|s| s.locks_exclusively, exclusive),
    (|s| s.grows, grow),
    (|s| s.keeps_down, keep_down),
    (|s| s.loses_state, lose_state),
    (|s| s.loses_head, lose_head),
    (|s| s.loses_objects, lose_object),
    (|s| s.restarts_fenced, restart_fenced),
    (|s| s.outlasts, write_through_an_outage),
    (|s| s.silences, write_through_a_silence),
    (|s| s.rots, rot_head),
];

fn push(all: &mut Vec<Step>, operation: Operation, then_ms: u64) {
    all.push(Step { operation, then_us: then_ms * 1_000 });
}

/// Mostly long enough that the daemon is idle, or has seen what happened; now and then not.
fn away_ms(draw: &mut Random) -> u64 {
    *draw.pick(&[0, 1, 700, 4_000, 9_000])
}

/// Before somebody works at the files: not at all, for a while, until the daemon is idle, or for the worst moment.
fn wait(draw: &mut Random, all: &mut Vec<Step>) {
    match draw.ppm(400_000) {
        true => push(all, Operation::AwaitCheckpoint, 0),
        false => push(all, Operation::Rest, *draw.pick(&[0, 20, 8_000])),
    }
}

fn replace(draw: &mut Random, all: &mut Vec<Step>) {
    let keeps_wal = draw.ppm(500_000);
    let way = if draw.ppm(600_000) { Way::Copy { keeps_wal } } else { Way::Move { keeps_wal } };
    let (back, away_ms) = (draw.below(3) as u8, away_ms(draw));
    wait(draw, all);
    push(all, Operation::Replace { way, back, away_ms }, draw.below(6_000));
}

fn restore_by_backup(draw: &mut Random, all: &mut Vec<Step>) {
    let replace = Operation::Replace { way: Way::Backup, back: draw.below(3) as u8, away_ms: 0 };
    push(all, replace, draw.below(2_000));
}

fn recreate(draw: &mut Random, all: &mut Vec<Step>) {
    push(all, Operation::Recreate { away_ms: away_ms(draw) }, draw.below(6_000));
}

fn delete_wal(draw: &mut Random, all: &mut Vec<Step>) {
    wait(draw, all);
    push(all, Operation::DeleteWal { away_ms: away_ms(draw) }, draw.below(6_000));
}

fn leave_wal(draw: &mut Random, all: &mut Vec<Step>) {
    // Mostly with the daemon down: beside it SQLite refuses.
    if draw.ppm(700_000) {
        push(all, Operation::KeepDown { kill: draw.ppm(500_000), ms: 4_000 }, 3_000);
    }
    push(all, Operation::LeaveWal { seed: draw.next_u64() }, draw.below(3_000));
    push(all, transaction(draw), draw.below(3_000));
    push(all, Operation::EnterWal, draw.below(1_000));
}

fn change_page_size(draw: &mut Random, all: &mut Vec<Step>) {
    push(all, Operation::KeepDown { kill: draw.ppm(500_000), ms: 4_000 }, 3_000);
    let page_size = *draw.pick(&[512, 1024, 4096, 8192, 65536]);
    push(all, Operation::ChangePageSize { page_size }, draw.below(5_000));
}

fn exclusive(draw: &mut Random, all: &mut Vec<Step>) {
    if draw.ppm(500_000) {
        push(all, Operation::KeepDown { kill: draw.ppm(500_000), ms: 3_000 }, 2_500);
    }
    push(all, Operation::Exclusive { seed: draw.next_u64(), ms: draw.below(4_000) }, draw.below(2_000));
}

/// Shrinks first, and rests until the log can be emptied.
fn grow(draw: &mut Random, all: &mut Vec<Step>) {
    push(all, Operation::Huge { seed: draw.next_u64() }, draw.below(200));
    push(all, Operation::DeleteMost, 0);
    push(all, Operation::Vacuum, *draw.pick(&[500, 9_000]));
    let pages = 2 + draw.below(8) as u32;
    push(all, Operation::GrowWithoutFrames { pages }, draw.below(1_000));
}

fn keep_down(draw: &mut Random, all: &mut Vec<Step>) {
    let ms = 500 + draw.below(20_000);
    push(all, Operation::KeepDown { kill: draw.ppm(700_000), ms }, draw.below(1_000));
    for _ in 0..1 + draw.below(3) {
        push(all, transaction(draw), draw.below(1_000));
        if draw.ppm(500_000) {
            push(all, Operation::Checkpoint { mode: draw.below(4) as u8 }, draw.below(1_000));
        }
    }
}

fn lose_state(draw: &mut Random, all: &mut Vec<Step>) {
    push(all, Operation::LoseState, 3_000 + draw.below(5_000));
    let take_over = if draw.ppm(400_000) { Permit::IfIdentical } else { Permit::Insist };
    push(all, Operation::RestartFenced { machine: 0, take_over }, draw.below(6_000));
}

fn lose_head(draw: &mut Random, all: &mut Vec<Step>) {
    push(all, Operation::KeepDown { kill: draw.ppm(400_000), ms: 4_000 }, 3_500);
    let slots = *draw.pick(&[1, 1, 2, 5, 255]);
    push(all, Operation::LoseHead { slots }, draw.below(5_000));
}

fn rot_head(draw: &mut Random, all: &mut Vec<Step>) {
    push(all, Operation::KeepDown { kill: false, ms: 4_000 }, 3_500);
    // In the header, where a start may need it; or somewhere behind it, where only a restore looks.
    let bit = draw.below(800) as u32;
    let bit = if bit.is_multiple_of(3) { bit.wrapping_mul(7919) } else { bit };
    push(all, Operation::RotHead { bit }, draw.below(5_000));
}

fn lose_object(draw: &mut Random, all: &mut Vec<Step>) {
    push(all, Operation::LoseObject { which: draw.below(4) }, draw.below(2_000));
}

/// A commit before every checkpoint of the daemon, which so never finds the log copied whole: once in a run.
fn never_rest(seed: u64, steps: &mut Vec<Step>) {
    let mut draw = Random::indexed(seed, Stream::Plan, 2);
    let at = draw.below(steps.len() as u64 + 1) as usize;
    let mut story = Vec::new();
    for _ in 0..CHECKPOINTS {
        push(&mut story, Operation::AwaitCheckpoint, 0);
        for _ in 0..1 + draw.below(4) {
            push(&mut story, transaction(&mut draw), 0);
        }
        push(&mut story, transaction(&mut draw), draw.below(3));
    }
    steps.splice(at..at, story);
}

/// More than it takes to notice.
const CHECKPOINTS: u32 = 24;

/// A store that is away for longer than the log may grow.
fn write_through_an_outage(draw: &mut Random, all: &mut Vec<Step>) {
    // Now and then in a file that was longer before than the log becomes.
    if draw.ppm(700_000) {
        for _ in 0..16 {
            push(all, Operation::Huge { seed: draw.next_u64() }, 0);
        }
        for _ in 0..3 {
            push(all, Operation::Rest, 1_000);
            push(all, transaction(draw), 0);
        }
    }
    push(all, Operation::Outage { ms: AWAY_MS }, 0);
    write_meanwhile(draw, all);
}

/// The same, without an answer, and in the middle of an object that goes up in parts.
fn write_through_a_silence(draw: &mut Random, all: &mut Vec<Step>) {
    push(all, Operation::Huge { seed: draw.next_u64() }, 30 + draw.below(100));
    push(all, Operation::Silence { ms: AWAY_MS }, 0);
    write_meanwhile(draw, all);
}

fn write_meanwhile(draw: &mut Random, all: &mut Vec<Step>) {
    for _ in 0..12 {
        push(all, Operation::Huge { seed: draw.next_u64() }, 10_000 + draw.below(2_000));
    }
}

const AWAY_MS: u64 = 150_000;

fn restart_fenced(draw: &mut Random, all: &mut Vec<Step>) {
    let take_over = *draw.pick(&[Permit::Configured, Permit::IfIdentical, Permit::Insist]);
    push(all, Operation::RestartFenced { machine: draw.below_usize(2), take_over }, draw.below(6_000));
}

fn transaction(draw: &mut Random) -> Operation {
    Operation::Transaction { seed: draw.next_u64(), statements: 1 + draw.below(6) as u32 }
}
