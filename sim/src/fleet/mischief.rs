//! What hosts do to a daemon, and people and other programs to a place of the store.

use super::plan::Deed;
use super::settings::FleetSettings;
use engine::replicate::SourceError;
use io_sim::random::Random;
use serde::{Deserialize, Serialize};

/// Why the files of a database cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// No right to write it.
    Denied,
    /// It is damaged, or encrypted.
    NotADatabase,
    /// Another process follows it.
    Held,
    /// It left WAL mode, and an application keeps it from being entered.
    NotWal,
    /// It left WAL mode: whoever may, enters it.
    LeftWal,
    /// The library is not to be used.
    Library,
    /// The folder is not there.
    Missing,
    /// It stays locked.
    Busy,
    /// The disk fails.
    Io,
    /// What is read is another page each time.
    Unstable,
    /// Somebody puts other files there, again and again.
    Replaced,
}

/// How page checksums of the local state are damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Damage {
    /// A row is cut off.
    Short,
    /// A row is of a larger database.
    Beyond,
    /// A row says what no checksum is.
    Impossible,
    /// All of them are gone.
    Gone,
}

/// What a manifest is, that somebody else wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Paper {
    /// Another host's claim.
    Anothers,
    /// Of a newer version.
    Newer,
    /// Of a version that is beyond all bounds.
    MuchNewer,
    /// Of format 0, which there is not.
    Zero,
    /// No manifest at all.
    Torn,
    /// Deleted.
    Gone,
}

/// What somebody does to a place whose database is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are named as what they count")]
pub enum Meddling {
    /// The newest objects are deleted; from 255 on all, with the manifest.
    LoseNewest { slots: u64 },
    /// One object is deleted.
    LoseOne { which: u64 },
    /// One bit of an object flips where it lies: of the newest, or of any.
    Rot { which: Option<u64>, bit: u64 },
    /// The newest slot is copied over itself: the same bytes, another version.
    Copied,
    /// It is written over with another time: by whoever has this host's ids.
    Retimed,
    /// It is written over by a program that does not know of our tag.
    Untagged,
    /// The manifest is another for a while.
    Manifest { is: Paper, ms: u64 },
    /// The newest slots are compacted; `frees`: and deleted at once.
    Compact { slots: u64, frees: bool },
    /// An object with the last number of all lies there for a while.
    LastNumber { ms: u64 },
}

impl Refusal {
    /// What a job says; `None`: it is done.
    pub fn error(self, may_enter_wal: bool) -> Option<SourceError> {
        Some(match self {
            Refusal::Denied => SourceError::Denied("it may not be written".into()),
            Refusal::NotADatabase => SourceError::NotADatabase("it is encrypted".into()),
            Refusal::Held => SourceError::Held("process 7".into()),
            Refusal::LeftWal if may_enter_wal => return None,
            Refusal::NotWal | Refusal::LeftWal => SourceError::NotWal("the journal mode is delete".into()),
            Refusal::Library => SourceError::Library("it lacks snapshots".into()),
            Refusal::Missing => SourceError::Missing,
            Refusal::Busy => SourceError::Busy,
            Refusal::Io => SourceError::Io("a read failed".into()),
            Refusal::Unstable => SourceError::Unstable("it changed".into()),
            Refusal::Replaced => SourceError::Replaced("another file has its name".into()),
        })
    }
}

/// Draws a deed of these.
pub fn deed(draw: &mut Random, settings: &FleetSettings) -> Deed {
    let database = draw.next_u64() >> 32;
    let kinds: &[u32] =
        if settings.meddles { &[0, 1, 2, 3, 4, 4, 4, 5, 5, 6, 7, 8] } else { &[0, 0, 1, 2, 3, 8] };
    match *draw.pick(kinds) {
        0 => Deed::Refuse { database, why: refusal(draw), ms: short_ms(draw), restarts: draw.ppm(HALF) },
        1 => Deed::FailState { machine: draw.below(2), ms: short_ms(draw) },
        2 => Deed::DamageState { database, how: damage(draw) },
        3 => Deed::RestoreOver { database, earlier: draw.ppm(HALF), commits: draw.below(3) as u32 },
        6 if settings.second_writers => Deed::Race { database },
        4 => Deed::Meddle { database, with: meddling(draw), restarts: draw.ppm(HALF) },
        7 if settings.second_writers => {
            let (which, bit) = (draw.ppm(700_000).then(|| draw.below(1 << 16)), draw.next_u64() >> 32);
            Deed::TakeDamaged { database, which, bit, identical: draw.ppm(HALF) }
        }
        // Nobody rests for a while.
        8 => Deed::Burst { database, commits: 100, gap_us: 2_000 + draw.below(10_000) },
        _ => {
            let refused = draw.ppm(200_000).then(|| refusal(draw));
            Deed::AddTo { manifest: paper(draw), races: draw.ppm(HALF), ms: short_ms(draw), refused }
        }
    }
}

fn meddling(draw: &mut Random) -> Meddling {
    let ms = short_ms(draw);
    match draw.below(11) {
        0 => Meddling::LoseNewest { slots: *draw.pick(&[1, 1, 2, 5, 255]) },
        1 => Meddling::LoseOne { which: draw.below(1 << 16) },
        2 => Meddling::Rot { which: None, bit: draw.below(800) },
        3 => Meddling::Rot { which: draw.ppm(HALF).then(|| draw.below(1 << 16)), bit: draw.next_u64() >> 32 },
        4 => Meddling::Copied,
        5 => Meddling::Retimed,
        6 => Meddling::Untagged,
        8 | 9 => Meddling::Compact { slots: 1 + draw.below(4), frees: draw.ppm(HALF) },
        7 => Meddling::Manifest { is: paper(draw), ms },
        _ => Meddling::LastNumber { ms },
    }
}

fn refusal(draw: &mut Random) -> Refusal {
    use Refusal::*;
    *draw.pick(&[Denied, NotADatabase, Held, NotWal, LeftWal, Library, Missing, Busy, Io, Unstable, Replaced])
}

fn damage(draw: &mut Random) -> Damage {
    *draw.pick(&[Damage::Short, Damage::Beyond, Damage::Impossible, Damage::Gone])
}

fn paper(draw: &mut Random) -> Paper {
    use Paper::*;
    *draw.pick(&[Anothers, Newer, MuchNewer, Zero, Torn, Gone])
}

/// A fraction of a second, up to a minute.
fn short_ms(draw: &mut Random) -> u64 {
    let magnitude = draw.range(6, 16);
    1 + draw.below(1 << magnitude)
}

const HALF: u32 = 500_000;
