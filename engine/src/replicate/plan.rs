//! What must be in the store before following can begin, by what was compared and for which goal: first images,
//! heals, claims. Nothing is sent here.

use super::attach::{Compared, span, unread};
use super::context::Context;
use super::database::Place;
use super::draft::Draft;
use super::event::Surveyed;
use super::head::Head;
use super::notice::HealReason;
use super::pages::{PageSet, PinnedPages, Select};
use super::state::{CachedSums, StateChange};
use crate::db::{Fingerprint, PageSums};
use crate::key::ObjectKey;
use crate::ltx::{Chain, Header, WalSpan};
use crate::mutants::{Mutant, mutated};
use crate::types::{Checksum, PageSize, Pgno, Timestamp, Txid, TxidRange, WalPosition};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};

/// What a comparison is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// The place is empty and claimed by us.
    FirstImage,
    /// The place is empty and claimed by another; `take_over` allows us.
    ClaimedByAnother,
    /// The place has lost what the local state knows, what its head must be restored from, or a full image's
    /// snapshot: a new start on top of all numbers that were ever used.
    HeadLost,
    /// The head is ours.
    Continue,
    /// The head is another's; `take_over` allows us.
    TakeOver,
    /// The head is another's and cannot be built on; `take_over` allows us: a full image claims the place.
    TakeOverAnew,
    /// The head is another's; compare, so that the refusal can say whether this database is identical.
    Refuse,
}

/// Where following begins.
#[derive(Debug)]
pub(super) struct Reached {
    pub(super) head: Head,
    pub(super) sums: PageSums,
    pub(super) position: WalPosition,
    pub(super) pages: u32,
    /// List again before anything is built on it.
    pub(super) recheck: bool,
}

impl Reached {
    pub(super) fn cached(self) -> CachedSums {
        CachedSums { txid: self.head.txid, page_size: self.head.page_size, sums: self.sums }
    }
}

/// What goes up, in order, and where that leads.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) drafts: VecDeque<Draft>,
    pub(super) then: Reached,
    pub(super) heal: Option<Heal>,
}

/// What a heal costs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heal {
    /// The slot that heals.
    pub(super) txid: Txid,
    /// Pages that go up.
    pub(super) pages: u32,
    /// Pages of the database.
    pub(super) of: u32,
}

impl Plan {
    pub(super) fn new(
        cx: &Context<'_>,
        place: &Place,
        goal: Goal,
        compared: Compared,
        first_page: Option<Bytes>,
    ) -> Plan {
        let unclaimed = goal == Goal::TakeOver && mutated(Mutant::TakeOverWithoutClaim);
        match (if unclaimed { Goal::Continue } else { goal }, compared) {
            (Goal::FirstImage, compared) => first_image(cx, *surveyed_of(compared)),
            (Goal::TakeOver, compared) => {
                let head = place.head.expect("a place is taken over from its head");
                claim_on_top(cx, head, compared, first_page.expect("asked for"))
            }
            (Goal::ClaimedByAnother, compared) => {
                // Numbers are never used again, also after somebody emptied the place.
                let last = place.local.last_used(None).unwrap_or(Txid::ONE);
                full_image(cx, last + 1, None, *surveyed_of(compared), true)
            }
            (Goal::Continue, Compared::Continues { position, sums }) => {
                let head = place.head.expect("continued from a head");
                let pages = sums.page_count();
                let then = Reached { head, sums, position, pages, recheck: false };
                Plan { drafts: VecDeque::new(), then, heal: None }
            }
            (Goal::Continue, Compared::Differs { surveyed, pages, .. }) => {
                let head = place.head.expect("continued from a head");
                difference(cx, head, *surveyed, pages, place.must_settle())
            }
            (Goal::TakeOverAnew, compared) => on_top(cx, place, *surveyed_of(compared), true),
            (Goal::Continue | Goal::HeadLost, compared) => on_top(cx, place, *surveyed_of(compared), false),
            (Goal::Refuse, _) => unreachable!("a refusal plans nothing"),
        }
    }
}

fn surveyed_of(compared: Compared) -> Box<Surveyed> {
    match compared {
        Compared::Unknown { surveyed } | Compared::Differs { surveyed, .. } => surveyed,
        Compared::Continues { .. } => unreachable!("nothing to compare with was given"),
    }
}

/// Level 9 `1-1`, then the claim slot `2-2` on top, which alone makes it count.
fn first_image(cx: &Context<'_>, surveyed: Surveyed) -> Plan {
    let shape = Shape::of(&surveyed);
    let after = shape.after;
    let (time, slot_txid) = (cx.now.wall, Txid::ONE + 1);
    let image = shape.header(cx, TxidRange::up_to(Txid::ONE), time, None, false);
    let slot = shape.header(cx, TxidRange::single(slot_txid), time.next(), Some(after), true);
    let slot = with_wal(slot, unread(surveyed.snapshot.end.salts));
    let all = PageSet::Pinned(pinned(Select::All(shape.commit), &surveyed));
    let first = PageSet::Pinned(pinned(Select::Some(vec![Pgno::ONE]), &surveyed));
    let head = Head::of_slot(&slot);
    let mut drafts = VecDeque::from([
        draft(cx, ObjectKey::snapshot(Txid::ONE), image, all, shape.commit),
        draft(cx, ObjectKey::slot(slot_txid), slot, first, 1),
    ]);
    if mutated(Mutant::DurableBeforeClaim) {
        drafts.pop_back();
    }
    let heal = Some(Heal { txid: head.txid, pages: shape.commit, of: shape.commit });
    Plan { drafts, then: reached(head, surveyed, false), heal }
}

/// A full image on top of every number that was ever used.
fn on_top(cx: &Context<'_>, place: &Place, surveyed: Surveyed, claim: bool) -> Plan {
    let seen = place.head.map(|h| h.txid).max(place.seen.head);
    let last = if mutated(Mutant::LostNumberReused) {
        seen.or(Some(Txid::ONE))
    } else {
        place.local.last_used(seen)
    };
    let txid = last.expect("there was a head") + 1;
    full_image(cx, txid, place.head.map(|h| h.timestamp), surveyed, claim)
}

/// A slot with all pages, which ends the old chain, and its snapshot before the next slot.
fn full_image(
    cx: &Context<'_>,
    txid: Txid,
    last: Option<Timestamp>,
    surveyed: Surveyed,
    claim: bool,
) -> Plan {
    let shape = Shape::of(&surveyed);
    let time = last.map_or(cx.now.wall, |last| time_after(cx, last));
    let slot = with_wal(shape.header(cx, TxidRange::single(txid), time, None, claim), shape.wal);
    let image = shape.header(cx, TxidRange::up_to(txid), time, None, false);
    let all = PageSet::Pinned(pinned(Select::All(shape.commit), &surveyed));
    let head = Head::of_slot(&slot);
    let mut drafts = VecDeque::from([
        draft(cx, ObjectKey::slot(txid), slot, all.clone(), shape.commit),
        draft(cx, ObjectKey::snapshot(txid), image, all, shape.commit),
    ]);
    if mutated(Mutant::SnapshotBeforeItsSlot) {
        drafts.swap(0, 1);
    }
    let heal = Some(Heal { txid, pages: shape.commit, of: shape.commit });
    Plan { drafts, then: reached(head, surveyed, claim), heal }
}

/// The pages that differ from the head, in the next slot.
fn difference(cx: &Context<'_>, head: Head, surveyed: Surveyed, mut pages: Vec<Pgno>, settle: bool) -> Plan {
    let shape = Shape::of(&surveyed);
    if pages.is_empty() && shape.commit == head.commit && !head.unclaimed && !settle {
        let then = reached(head, surveyed, false);
        return Plan { drafts: VecDeque::new(), then, heal: None };
    }
    // Page 1 claims the first image, and an object without pages says nothing.
    if pages.first() != Some(&Pgno::ONE) && (head.unclaimed || pages.is_empty()) {
        pages.insert(0, Pgno::ONE);
    }
    let txid = head.txid + 1;
    let time = time_after(cx, head.timestamp);
    let slot = shape.header(cx, TxidRange::single(txid), time, head.after, head.unclaimed);
    let slot = with_wal(slot, unread(surveyed.snapshot.end.salts));
    let count = u32::try_from(pages.len()).expect("page numbers are u32");
    let set = PageSet::Pinned(pinned(Select::Some(pages), &surveyed));
    let next = Head::of_slot(&slot);
    let drafts = VecDeque::from([draft(cx, ObjectKey::slot(txid), slot, set, count)]);
    let heal = Some(Heal { txid, pages: count, of: shape.commit });
    Plan { drafts, then: reached(next, surveyed, false), heal }
}

/// A claim slot that changes nothing, on top of another's head (rule 7).
fn claim_on_top(cx: &Context<'_>, head: Head, compared: Compared, first_page: Bytes) -> Plan {
    let (position, sums) = match compared {
        Compared::Continues { position, sums } => (position, sums),
        Compared::Differs { head, .. } => (WalPosition::default(), head),
        Compared::Unknown { .. } => (WalPosition::default(), PageSums::new()),
    };
    let shape = Shape {
        page_size: head.page_size,
        commit: head.commit,
        after: head.after.unwrap_or_else(|| {
            assert_eq!(
                sums.page_count(),
                head.commit,
                "a head that nothing is known of is claimed by an image"
            );
            sums.checksum()
        }),
        wal: unread(position.salts),
    };
    // Before = after, also on top of a head without our tag: without `before` the claim would pass for a full image.
    let txid = head.txid + 1;
    let time = time_after(cx, head.timestamp);
    let claims = !mutated(Mutant::ClaimNotFlagged);
    let slot = shape.header(cx, TxidRange::single(txid), time, Some(shape.after), claims);
    let slot = with_wal(slot, shape.wal);
    let pages = PageSet::Memory(BTreeMap::from([(Pgno::ONE, first_page)]));
    let claimed = Head::of_slot(&slot);
    let drafts = VecDeque::from([draft(cx, ObjectKey::slot(txid), slot, pages, 1)]);
    let pages = sums.page_count();
    let then = Reached { head: claimed, sums, position, pages, recheck: true };
    Plan { drafts, then, heal: None }
}

/// What objects of one state of the database share.
#[derive(Clone, Copy)]
struct Shape {
    page_size: PageSize,
    commit: u32,
    after: Checksum,
    wal: Option<WalSpan>,
}

impl Shape {
    fn of(surveyed: &Surveyed) -> Shape {
        let page_size = surveyed.snapshot.page_size;
        Shape {
            page_size,
            commit: surveyed.sums.page_count(),
            after: surveyed.sums.checksum(),
            wal: span(0, &surveyed.snapshot.end, page_size),
        }
    }

    fn header(
        self,
        cx: &Context<'_>,
        txids: TxidRange,
        time: Timestamp,
        before: Option<Checksum>,
        claim: bool,
    ) -> Header {
        let commit = Pgno::new(self.commit).expect("a surveyed database has pages");
        let chain = Chain { node: cx.config.node, before, after: self.after, claim };
        Header::new(self.page_size, commit, txids, time).with_chain(chain)
    }
}

/// The time of what comes after a slot of this time.
pub(super) fn time_after(cx: &Context<'_>, last: Timestamp) -> Timestamp {
    if mutated(Mutant::TimesNotOrdered) { cx.now.wall } else { cx.now.wall.max(last.next()) }
}

fn with_wal(header: Header, wal: Option<WalSpan>) -> Header {
    match wal {
        Some(wal) => header.with_wal(wal),
        None => header,
    }
}

fn draft(cx: &Context<'_>, key: ObjectKey, header: Header, pages: PageSet, count: u32) -> Draft {
    let size = header.page_size();
    Draft {
        key: cx.config.place.object_key(cx.config.layout, key),
        object: key,
        header,
        pages: Some(pages),
        page_bytes: u64::from(count) * u64::from(size.into_inner()),
        change: StateChange::default(),
    }
}

fn pinned(select: Select, surveyed: &Surveyed) -> PinnedPages {
    let zero = Checksum::new(0);
    let checksum = match &select {
        Select::All(_) => surveyed.sums.checksum(),
        Select::Some(pages) => {
            pages.iter().fold(zero, |xor, pgno| xor ^ surveyed.sums.get(*pgno).unwrap_or(zero))
        }
    };
    let fingerprint = match &select {
        Select::All(last) => {
            (1..=*last).filter_map(|n| surveyed.sums.get(Pgno::new(n).ok()?)).collect::<Fingerprint>()
        }
        Select::Some(pages) => pages.iter().filter_map(|pgno| surveyed.sums.get(*pgno)).collect(),
    };
    PinnedPages { select, frames: surveyed.frames.clone(), memory: BTreeMap::new(), checksum, fingerprint }
}

fn reached(head: Head, surveyed: Surveyed, recheck: bool) -> Reached {
    let pages = surveyed.sums.page_count();
    Reached { head, sums: surveyed.sums, position: surveyed.snapshot.end, pages, recheck }
}

/// Why a heal is needed, by what led to it.
pub(super) fn heal_reason(goal: Goal, head: Option<&Head>, compared: &Compared) -> HealReason {
    match goal {
        Goal::FirstImage => HealReason::FirstImage,
        Goal::HeadLost => HealReason::HeadLost,
        Goal::ClaimedByAnother | Goal::TakeOver | Goal::TakeOverAnew | Goal::Refuse => HealReason::TakeOver,
        Goal::Continue => match (head.and_then(|h| h.wal), compared) {
            (Some(wal), Compared::Differs { surveyed, .. } | Compared::Unknown { surveyed })
                if surveyed.snapshot.end.salts == wal.salts()
                    && span(0, &surveyed.snapshot.end, surveyed.snapshot.page_size)
                        .is_none_or(|live| live.end() < wal.end()) =>
            {
                HealReason::StoreAhead
            }
            _ => HealReason::LogGone,
        },
    }
}
