//! Restores that an operator makes while a run goes on: what is asked for, and what goes wrong meanwhile. Draws are of a
//! stream of their own, as those of the other operators.

use super::{Operation, Step};
use crate::settings::Settings;
use engine::ltx::HEADER_BYTES;
use io_sim::random::{Random, Stream};
use serde::{Deserialize, Serialize};

/// One life of `walsync restore`, on a machine of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restoration {
    /// Of what is drawn while it runs: its network, the limits of its reads.
    pub seed: u64,
    /// Which of the outputs.
    pub output: u8,
    /// What is asked for.
    pub goal: Goal,
    /// `--force`.
    pub replaces: bool,
    /// `--verify full`.
    pub checks_integrity: bool,
    /// The way to the store fails as it does for the daemons.
    pub faulty_network: bool,
    /// What else goes wrong.
    pub mishap: Mishap,
    /// Transactions of the application that commit meanwhile.
    pub beside: u32,
}

/// Which state an operator wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Goal {
    /// The newest.
    Newest,
    /// An announced slot.
    Slot {
        /// The nth, counted around.
        which: u64,
    },
    /// What the database was at a time.
    Time {
        /// The time of the nth announced slot, counted around.
        which: u64,
        /// And so many milliseconds, but before the next slot's time.
        late_ms: u64,
    },
    /// A slot that nobody has written.
    Beyond,
    /// A time before there was anything.
    BeforeFirst,
}

/// What goes wrong with a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mishap {
    /// Nothing.
    None,
    /// It is killed at the nth disk operation.
    Kill {
        /// n, from 1 on.
        operations: u64,
        /// Counted from the moment at which the file is finished and only lacks its name.
        finished: bool,
    },
    /// The power is cut at the nth disk operation.
    Cut {
        /// n, from 1 on.
        operations: u64,
        /// Counted from the moment at which the file is finished and only lacks its name.
        finished: bool,
    },
    /// The power is cut when it is done.
    CutAfter,
    /// There is no more room than this.
    Full {
        /// Bytes.
        room_bytes: u64,
    },
    /// Reads, writes and syncs fail at this rate.
    Errors {
        /// Of a million.
        ppm: u32,
    },
    /// Names cannot be moved at this rate, and nothing else fails.
    NamesStick {
        /// Of a million.
        ppm: u32,
    },
    /// Every read fails. A restore reads its file only to check its integrity.
    Unreadable,
    /// One bit of an object is wrong where it lies.
    Rot {
        /// The object that was written as the nth last, counted around.
        which: u64,
        /// The nth bit, counted around.
        bit: u64,
    },
    /// An object is not there.
    Gone {
        /// The object that was written as the nth last, counted around.
        which: u64,
    },
    /// An object is listed, and some reads do not find it.
    Late {
        /// The object that was written as the nth last, counted around.
        which: u64,
        /// So many reads find it before.
        found: u32,
        /// How many do not.
        reads: u32,
    },
}

impl Mishap {
    /// The same on a machine that keeps its power: the process dies instead, or nothing happens.
    pub fn without_cut(self) -> Mishap {
        match self {
            Mishap::Cut { operations, finished } => Mishap::Kill { operations, finished },
            Mishap::CutAfter => Mishap::None,
            other => other,
        }
    }
}

/// Puts restores between the steps.
pub(super) fn among(steps: Vec<Step>, seed: u64, settings: &Settings) -> Vec<Step> {
    if !settings.operator.restores {
        return steps;
    }
    let mut draw = Random::indexed(seed, Stream::Plan, 4);
    let mut all = Vec::with_capacity(steps.len() + 16);
    for step in steps {
        all.push(step);
        if draw.ppm(STORIES_PPM) {
            story(&mut draw, &mut all);
        }
    }
    all
}

/// Somebody wants a state back, and insists until it is there.
fn story(draw: &mut Random, all: &mut Vec<Step>) {
    let output = draw.below(OUTPUTS) as u8;
    let first = Restoration {
        seed: 0,
        output,
        goal: goal(draw),
        replaces: draw.ppm(800_000),
        checks_integrity: draw.ppm(300_000),
        faulty_network: false,
        mishap: Mishap::None,
        beside: 0,
    };
    for _ in 0..draw.below(5) {
        let occupies = draw.ppm(400_000);
        if occupies {
            let companions = draw.below(8) as u8;
            all.push(Step { operation: Operation::Occupy { output, companions }, then_us: 0 });
        }
        let again = Restoration {
            faulty_network: draw.ppm(300_000),
            mishap: if occupies && draw.ppm(500_000) { while_replacing(draw) } else { mishap(draw) },
            beside: draw.below(4) as u32,
            ..first
        };
        push(draw, all, again);
    }
    push(draw, all, first);
}

fn push(draw: &mut Random, all: &mut Vec<Step>, restoration: Restoration) {
    let operation = Operation::Restore(Restoration { seed: draw.next_u64(), ..restoration });
    all.push(Step { operation, then_us: draw.below(300_000) });
}

fn goal(draw: &mut Random) -> Goal {
    match draw.below(20) {
        0..8 => Goal::Newest,
        8..12 => Goal::Slot { which: draw.below(1000) },
        12..18 => Goal::Time { which: draw.below(1000), late_ms: draw.below(2000) },
        18 => Goal::Beyond,
        _ => Goal::BeforeFirst,
    }
}

/// A replacement takes some twenty operations, and only a power cut takes some of them back. The last ones remove what
/// was set aside; where there is less to set aside, smaller numbers reach them, too.
fn while_replacing(draw: &mut Random) -> Mishap {
    match 1 + draw.below(20) {
        operations @ 1..=17 => Mishap::Cut { operations, finished: true },
        _ => Mishap::NamesStick { ppm: 250_000 },
    }
}

fn mishap(draw: &mut Random) -> Mishap {
    let finished = draw.ppm(600_000);
    let operations_max = *draw.pick(&[8, 20, 100]);
    let operations = 1 + draw.below(operations_max);
    // The object that was written last, or any.
    let which = if draw.ppm(400_000) { 0 } else { draw.below(1000) };
    // In the header of the object, or anywhere.
    let bit = if draw.ppm(500_000) { draw.below(HEADER_BYTES as u64 * 8) } else { draw.next_u64() };
    match draw.below(18) {
        0..3 => Mishap::Kill { operations, finished },
        3..8 => Mishap::Cut { operations, finished },
        8..10 => Mishap::CutAfter,
        10 => {
            let room_bytes_max = *draw.pick(&[600, 20_000, 200_000]);
            Mishap::Full { room_bytes: draw.below(room_bytes_max) }
        }
        11 => Mishap::Errors { ppm: *draw.pick(&[20_000, 100_000]) },
        12 => Mishap::Unreadable,
        13..16 => Mishap::Rot { which, bit },
        16 => Mishap::Gone { which },
        _ => Mishap::Late { which, found: draw.below(3) as u32, reads: 1 + draw.below(3) as u32 },
    }
}

const STORIES_PPM: u32 = 60_000;
/// Paths that are restored to, one after the other.
const OUTPUTS: u64 = 3;
