//! Which objects of a place become which larger ones.

use super::runs::Runs;
use super::way::{Behind, Ways};
use super::{Levels, Limits};
use crate::key::{ObjectInfo, ObjectKey, PlaceListing};
use crate::restore::{Knowledge, Step};
use crate::types::{Level, Txid, TxidRange};
use std::cmp::Reverse;

/// What to merge next for one level, oldest first, and why there is no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// To be made in this order: each continues what is in the level, so that one that fails ends the run.
    pub compactions: Vec<Compaction>,
    /// What ends it.
    pub end: End,
}

/// One object to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compaction {
    /// The object, which does not exist yet: put it if absent.
    pub output: ObjectKey,
    /// What it is merged from, oldest first: at least one object, contiguous, all of one chain. The versions are
    /// those that were planned.
    pub inputs: Vec<ObjectInfo>,
    /// Whether checksums prove every link, so that the output carries them as well. Links of another tool's objects
    /// prove nothing.
    pub is_chained: bool,
}

/// Why a plan has no more compactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Everything that may be in the level is, or is planned.
    Reached,
    /// [`Limits::outputs_max`]: plan again when these are made.
    More,
    /// Something is wrong with what comes next. Report it; delete nothing.
    Stopped(Stop),
}

/// What is wrong with the place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// The first leaves another database than the second applies to.
    #[error("{right} does not continue {left}")]
    Unlinked {
        /// The earlier object.
        left: ObjectKey,
        /// The later object.
        right: ObjectKey,
    },
    /// Objects are missing, and no snapshot leads to what comes behind.
    #[error("{missing} is missing before {next}")]
    Gap {
        /// TXIDs that no usable object contains.
        missing: TxidRange,
        /// The first object behind them.
        next: ObjectKey,
    },
    /// An object is not what it claims to be, and there are no others to take instead.
    #[error("{object} is damaged: {why}")]
    Damaged {
        /// The object.
        object: ObjectKey,
        /// What is wrong with it.
        why: Box<str>,
    },
}

/// Plans the compactions that bring level `target` up to date with the levels below it.
///
/// `confirmed` is the newest TXID that the store has acknowledged and that is no other writer's: nothing above it is
/// an input. Where a header or page index decides that is not `known`, the answer is [`Step::Need`], as in
/// [`crate::restore::plan`]; nothing is asked twice.
///
/// It goes on exactly where the level's newest object ends, or that of a level above (where the policy let the
/// level's own go), by TXID, along the fewest objects of lower levels; not
/// beyond the end of the level below. Full images are not taken: a first one stays where it is, one in a slot ends
/// the chain, and what comes after it is another output. So levels have holes, which a snapshot bridges. Late
/// arrivals and damaged objects are no inputs. The same arguments give the same plan.
///
/// # Panics
/// If `levels` does not have `target`: the caller's bug.
pub fn plan(
    listing: &PlaceListing,
    known: &Knowledge,
    levels: &Levels,
    target: Level,
    confirmed: Txid,
    limits: Limits,
) -> Step<Plan> {
    let source = levels.below(target).expect("only a level that is configured is compacted");
    let ways = Ways::new(listing, known, (source, target), confirmed);
    let newest = newest_from(listing, target);
    let mut runs = Runs::new(target, newest, known, limits);
    let start = newest.map_or(0, |key| key.max().into_inner());
    let end = follow(&ways, &mut runs, start, |state| damage_at(listing, known, target, confirmed, state));
    match runs.finish() {
        Ok(compactions) => {
            assert!(compactions.iter().all(|made| listing.get(made.output).is_none()));
            Step::Done(Plan { compactions, end })
        }
        Err(needs) => Step::Need(needs),
    }
}

/// The newest object of a level or of those above, but for snapshots: what it contains is in the level, or was.
fn newest_from(listing: &PlaceListing, target: Level) -> Option<ObjectKey> {
    let keys = listing.objects().iter().map(|o| o.key);
    let made = keys.filter(|key| key.level() >= target && key.level() < Level::SNAPSHOT);
    made.max_by_key(|key| ((*key).max(), Reverse(key.level())))
}

/// Feeds everything that follows a state to `runs`, and says why that ended. `damage_at` tells of a damaged object that
/// is lacking behind a state.
fn follow<'a>(
    ways: &Ways<'a>,
    runs: &mut Runs<'a>,
    start: u64,
    damage_at: impl Fn(u64) -> Option<Stop>,
) -> End {
    let mut state = start;
    loop {
        for object in ways.from(state) {
            if let Err(end) = runs.take(object) {
                return end;
            }
            state = object.key.max().into_inner();
        }
        match ways.behind(state) {
            Behind::State(later, left) => {
                runs.skip(left);
                state = later;
            }
            Behind::Nothing { missing, next } => {
                return End::Stopped(damage_at(state).unwrap_or(Stop::Gap { missing, next }));
            }
            Behind::End => return damage_at(state).map_or(End::Reached, End::Stopped),
        }
    }
}

/// A damaged object that is lacking behind a state.
fn damage_at(
    listing: &PlaceListing,
    known: &Knowledge,
    target: Level,
    confirmed: Txid,
    state: u64,
) -> Option<Stop> {
    let next = Txid::new(state.checked_add(1)?).ok()?;
    let lower = listing.covering(next).map(|o| o.key).take_while(|key| key.level() < target);
    let mut damaged =
        lower.filter(|key| (*key).max() <= confirmed).filter_map(|key| Some((key, known.damage(key)?)));
    damaged.next().map(|(object, why)| Stop::Damaged { object, why: why.into() })
}
