//! What happens in a run, as an explicit list. What is counted from 0 is taken modulo how many there are.

use super::flaw::Flaw;
use super::manifests::Saying;
use super::object::Tool;
use super::settings::ArchiveSettings;
use engine::ltx::HEADER_BYTES;
use io_sim::random::{Random, Stream};
use serde::{Deserialize, Serialize};

/// One thing that happens. `seed`: where its own draws come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are named as what they count")]
pub enum Deed {
    /// Another program writes from now on.
    Use { tool: Tool },
    /// A new state, in a slot of level 0.
    Commit { seed: u64 },
    /// A new state of another page size: an image in slot and snapshot.
    Resize { seed: u64 },
    /// Objects of a level become one of the next, which ends with the newest but `behind`.
    Compact { level: u8, span: u64, behind: u64 },
    /// A snapshot of the newest state.
    Snapshot,
    /// A retention: objects go whose states others lead to.
    Prune { seed: u64 },
    /// Somebody deletes an object.
    Lose { which: u64 },
    /// A slot lands that was sent long ago, into what is settled.
    LandLate { which: u64 },
    /// An object is not what it was.
    Damage { which: u64, damage: Damage },
    /// Every object is what it was.
    Mend,
    /// The manifest says something else.
    Say { saying: Saying, seed: u64 },
    /// Something lies about that is no object, or of another place.
    Stray { which: u64 },
    /// A state is restored.
    Restore { goal: Goal, seed: u64, meanwhile: Option<u32> },
    /// The points are listed.
    List { checked: bool },
    /// The places of the store are listed.
    Places,
}

/// How an object is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are named as what they count")]
pub enum Damage {
    /// One bit is another.
    Flip { bit: u64 },
    /// It ends too early.
    Cut { bytes: u64 },
    /// Something comes after it.
    Extend { bytes: u64 },
    /// A stretch of it is zeros, or ones.
    Blank { at: u64, bytes: u64, ones: bool },
    /// It is another object's content.
    Swap { with: u64 },
    /// A program wrote it that made a mistake; its checksum fits.
    Flawed { flaw: Flaw },
}

/// Which state somebody wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are named as what they count")]
pub enum Goal {
    /// The newest.
    Newest,
    /// Any number up to a little beyond the newest.
    Txid { which: u64 },
    /// The time of a state, and so many milliseconds.
    Time { which: u64, late_ms: i64 },
}

/// The deeds of one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchivePlan {
    /// Where contents, faults and configuration come from.
    pub seed: u64,
    /// In order.
    pub steps: Vec<Deed>,
}

impl ArchivePlan {
    /// Draws the plan of a seed.
    pub fn of_seed(seed: u64, settings: &ArchiveSettings) -> ArchivePlan {
        let mut draw = Random::indexed(seed, Stream::Archive, 2);
        let mut steps = vec![Deed::Use { tool: *draw.pick(Tool::ALL) }];
        for _ in 0..settings.deeds {
            let deed = deed(&mut draw);
            steps.push(deed);
            // Damage is looked at, and mostly one at a time.
            if matches!(deed, Deed::Damage { .. } | Deed::Say { .. }) {
                let goals = [newest(&mut draw), restore(&mut draw), restore(&mut draw)];
                steps.extend(goals);
                if draw.ppm(800_000) {
                    steps.push(Deed::Mend);
                }
            }
        }
        steps.extend([Deed::Mend, Deed::List { checked: true }, Deed::Places]);
        ArchivePlan { seed, steps }
    }
}

fn deed(draw: &mut Random) -> Deed {
    let which = draw.next_u64() >> 32;
    match draw.below(100) {
        0..30 => Deed::Commit { seed: draw.next_u64() },
        30..32 => Deed::Resize { seed: draw.next_u64() },
        32..37 => Deed::Use { tool: *draw.pick(Tool::ALL) },
        37..47 => {
            Deed::Compact { level: draw.below(8) as u8, span: draw.range(1, 12), behind: draw.below(3) }
        }
        47..52 => Deed::Snapshot,
        52..57 => Deed::Prune { seed: draw.next_u64() },
        57 => Deed::Lose { which },
        58..60 => Deed::LandLate { which },
        60..70 => Deed::Damage { which, damage: damage(draw) },
        70..75 => Deed::Say { saying: *draw.pick(Saying::ALL), seed: draw.next_u64() },
        75..78 => Deed::Stray { which },
        78..80 => Deed::Places,
        80..84 => Deed::List { checked: draw.ppm(500_000) },
        84..88 => newest(draw),
        _ => restore(draw),
    }
}

fn newest(draw: &mut Random) -> Deed {
    Deed::Restore { goal: Goal::Newest, seed: draw.next_u64(), meanwhile: meanwhile(draw) }
}

fn restore(draw: &mut Random) -> Deed {
    let which = draw.next_u64() >> 32;
    let late_ms = *draw.pick(&[-1, 0, 0, 1, 1_000_000]);
    let goal = if draw.ppm(600_000) { Goal::Txid { which } } else { Goal::Time { which, late_ms } };
    Deed::Restore { goal, seed: draw.next_u64(), meanwhile: meanwhile(draw) }
}

/// After how many answers objects move up under the reader's hands.
fn meanwhile(draw: &mut Random) -> Option<u32> {
    draw.ppm(150_000).then(|| draw.below(30) as u32)
}

fn damage(draw: &mut Random) -> Damage {
    let bit = if draw.ppm(500_000) { draw.below(HEADER_BYTES as u64 * 8) } else { draw.next_u64() >> 32 };
    match draw.below(20) {
        0..3 => Damage::Flip { bit },
        3..5 => Damage::Cut { bytes: *draw.pick(&[1, 16, 100, 1 << 20]) },
        5 => Damage::Extend { bytes: draw.range(1, 40) },
        6..8 => Damage::Blank { at: bit / 8, bytes: draw.range(1, 40), ones: draw.ppm(500_000) },
        8..10 => Damage::Swap { with: draw.next_u64() >> 32 },
        _ => Damage::Flawed { flaw: *draw.pick(Flaw::ALL) },
    }
}
