//! What goes wrong with a machine between the other steps of a plan: its clock, its disk. Draws are of a stream of their
//! own, as those of the operators.

use super::{Operation, Step};
use crate::settings::Settings;
use io_sim::random::{Random, Stream};

/// Puts trouble between the steps.
pub(super) fn among(steps: Vec<Step>, seed: u64, settings: &Settings) -> Vec<Step> {
    let faults = &settings.faults.process;
    if faults.wall_jump_ppm == 0 && !faults.fills_disk {
        return steps;
    }
    let mut draw = Random::indexed(seed, Stream::Plan, 3);
    let mut all = Vec::with_capacity(steps.len() + 8);
    let mut full_for = 0;
    for step in steps {
        // The rates are those of single operations on a disk; a plan has fewer steps.
        if draw.ppm(faults.wall_jump_ppm * STEPS_RARER) {
            all.push(at_once(jump(&mut draw, settings)));
        }
        if faults.fills_disk && full_for == 0 && draw.ppm(FILLS_PPM) {
            full_for = draw.range(1, 6);
            all.push(at_once(Operation::FillDisk { room_bytes: draw.below(ROOM_BYTES_MAX) }));
        }
        all.push(step);
        if full_for > 0 {
            full_for -= 1;
            if full_for == 0 {
                all.push(at_once(Operation::FreeDisk));
            }
        }
    }
    all
}

/// Seconds, as a time server does it, up to months, as a dead battery does.
fn jump(draw: &mut Random, settings: &Settings) -> Operation {
    let machine = usize::from(settings.second_machine && draw.ppm(400_000));
    let ms_max = *draw.pick(&[2_000, 200_000, 4_000_000, 100_000_000, 5_000_000_000]);
    let ms = draw.below(ms_max).cast_signed();
    Operation::JumpWall { machine, ms: if draw.ppm(500_000) { ms } else { -ms } }
}

fn at_once(operation: Operation) -> Step {
    Step { operation, then_us: 0 }
}

const STEPS_RARER: u32 = 20;
const FILLS_PPM: u32 = 40_000;
/// A few pages to a few transactions.
const ROOM_BYTES_MAX: u64 = 300_000;
