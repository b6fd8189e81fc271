//! Opening the source and comparing it, page by page, with the newest state of the store.
//!
//! This is where continuity is decided (docs/design.md section 5): nothing is believed that a checksum does not
//! prove. What follows from the comparison is decided in `database`.

use super::backoff::Backoff;
use super::chain::{chain, slots};
use super::command::{RequestId, SourceJob, StoreRequest};
use super::context::Context;
use super::event::{ObjectDigest, SourceAnswer, SourceError, StoreAnswer, Surveyed};
use super::head::Head;
use super::notice::{Notice, RestoredHere};
use super::origin::{Origin, is_state_of};
use super::retrying::{Retrying, Settled};
use super::state::CachedSums;
use crate::db::PageSums;
use crate::key::PlaceListing;
use crate::ltx::WalSpan;
use crate::mutants::{Mutant, mutated};
use crate::store::StoreError;
use crate::types::{Checksum, Instant, Pgno, Salts, WalPosition};
use crate::wal::layout::WAL_HEADER_BYTES;
use std::time::Duration;

/// The sub-machine.
#[derive(Debug)]
pub(super) struct Attach {
    /// What to compare with; `None`: an empty place, any image will do.
    against: Option<Against>,
    /// The file that was opened is a restored one.
    restored: Option<RestoredHere>,
    step: Step,
    backoff: Backoff,
}

/// The newest state of the store, and what is known of its pages.
#[derive(Debug)]
pub(super) struct Against {
    pub(super) head: Head,
    pub(super) listing: PlaceListing,
    pub(super) sums: Option<CachedSums>,
    pub(super) origin: Option<Origin>,
    /// A slot above the head was sent and may still land: the next slot must be taken, so that it cannot.
    pub(super) settle: bool,
    /// What the comparison is for.
    pub(super) need: Need,
    /// What the chain said of the head's pages, once it was asked.
    pub(super) told: Told,
}

/// What is known of the head's pages from the objects themselves.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Told {
    /// They were not asked.
    #[default]
    Nothing,
    /// These are they.
    Sums(PageSums),
    /// They cannot tell.
    Unknown,
}

/// What must come out of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// The pages that differ.
    Pages,
    /// Whether any does.
    Identity,
    /// The same, of a database that is refused in any case: it is not even put into WAL mode.
    Refusal,
}

#[derive(Debug)]
enum Step {
    Opening(RequestId),
    Surveying(RequestId),
    /// The source is closed meanwhile: no checkpoint of the application waits for the store.
    Digesting(Box<Retrying>, Option<CachedSums>),
    Paused(Instant),
}

/// What the comparison found.
#[derive(Debug)]
pub(super) enum Compared {
    /// The database was at the head when the WAL stood at `position`: read on from there.
    Continues { position: WalPosition, sums: PageSums },
    /// It differs from the head in these pages.
    Differs { surveyed: Box<Surveyed>, pages: Vec<Pgno>, head: PageSums },
    /// Nothing to compare with, or nothing comparable: all of it.
    Unknown { surveyed: Box<Surveyed> },
}

pub(super) enum AttachEnd {
    Compared(Compared),
    Source(SourceError),
}

impl Attach {
    pub(super) fn start(cx: &mut Context<'_>, against: Option<Against>) -> Attach {
        let step = open(cx, against.as_ref());
        Attach { against, restored: None, step, backoff: Backoff::default() }
    }

    /// From which state the database that was opened last was restored here, if it was.
    pub(super) fn restored(&self) -> Option<RestoredHere> {
        self.restored
    }

    /// The page checksums it was given, if nothing was compared with them, yet.
    pub(super) fn into_sums(self) -> Option<CachedSums> {
        let against = self.against?;
        match against.told {
            Told::Sums(sums) => {
                Some(CachedSums { txid: against.head.txid, page_size: against.head.page_size, sums })
            }
            Told::Nothing | Told::Unknown => against.sums,
        }
    }

    pub(super) fn awaits(&self, id: RequestId) -> bool {
        match &self.step {
            Step::Opening(sent) | Step::Surveying(sent) => *sent == id,
            Step::Digesting(r, ..) => r.awaits(id),
            Step::Paused(_) => false,
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.step {
            Step::Opening(_) | Step::Surveying(_) => None,
            Step::Digesting(r, ..) => r.deadline(),
            Step::Paused(until) => Some(*until),
        }
    }

    pub(super) fn tick(&mut self, cx: &mut Context<'_>) {
        match &mut self.step {
            Step::Opening(_) | Step::Surveying(_) => {}
            Step::Digesting(r, ..) => r.tick(cx),
            Step::Paused(until) => {
                if *until <= cx.now.mono {
                    self.step = open(cx, self.against.as_ref());
                }
            }
        }
    }

    pub(super) fn source(
        &mut self,
        cx: &mut Context<'_>,
        result: Result<SourceAnswer, SourceError>,
    ) -> Option<AttachEnd> {
        match result {
            Ok(SourceAnswer::Opened(opened)) => {
                if opened.entered_wal_mode {
                    cx.notice(Notice::EnteredWalMode);
                }
                let origin = self.against.as_ref().and_then(|a| a.origin);
                self.restored = origin.and_then(|origin| origin.of(opened.file));
                let as_of = self.against.as_ref().and_then(|a| a.head.wal);
                self.step = Step::Surveying(cx.source(SourceJob::Survey { as_of }));
                None
            }
            // Nobody has written to it, yet.
            Ok(SourceAnswer::Surveyed(surveyed)) if surveyed.sums.page_count() == 0 => {
                Some(AttachEnd::Source(SourceError::Missing))
            }
            Ok(SourceAnswer::Surveyed(surveyed)) => self.compare(cx, surveyed),
            Ok(other) => unreachable!("asked to open or survey, answered {other:?}"),
            Err(
                error @ (SourceError::Busy
                | SourceError::Replaced(_)
                | SourceError::BadFrame { .. }
                | SourceError::Unstable(_)
                | SourceError::Io(_)),
            ) => {
                let until = self.backoff.next(cx.now.mono, cx.config.node, Duration::ZERO);
                if self.backoff.attempt() > QUIET_ATTEMPTS {
                    cx.notice(Notice::Source { error, fatal: false });
                }
                // The application's checkpoints must not wait for the end of a pause.
                cx.source(SourceJob::Close);
                self.step = Step::Paused(until);
                None
            }
            Err(error) => Some(AttachEnd::Source(error)),
        }
    }

    pub(super) fn store(&mut self, cx: &mut Context<'_>, result: Result<StoreAnswer, StoreError>) {
        let Step::Digesting(retrying, base) = &mut self.step else {
            unreachable!("nothing else is asked of the store")
        };
        let digests = match retrying.answer(cx, result) {
            Settled::NotYet => return,
            // An object of the chain stays damaged: an old fault must not keep new commits out of the store.
            Settled::Damaged | Settled::Missing => None,
            Settled::Answer(StoreAnswer::Digested(digests)) => Some(digests),
            Settled::Answer(other) => unreachable!("asked for digests, answered {other:?}"),
        };
        let base = base.take();
        let from_cache = base.is_some();
        let head = &self.against.as_ref().expect("digests are asked for a head").head;
        let folded = digests.and_then(|d| fold(base, &d, head, cx.config.lock_byte));
        // A cache may be of another history: then the chain alone may tell.
        if folded.is_none()
            && from_cache
            && let Some(chain) = self.chain(cx, None)
        {
            self.step = chain.ask(cx);
            return;
        }
        let against = self.against.as_mut().expect("digests are asked for a head");
        against.told = folded.map_or(Told::Unknown, Told::Sums);
        // The database is not what it was before the store was asked.
        self.step = open(cx, self.against.as_ref());
    }

    fn compare(&mut self, cx: &mut Context<'_>, mut surveyed: Box<Surveyed>) -> Option<AttachEnd> {
        let Some(against) = &mut self.against else {
            return Some(AttachEnd::Compared(Compared::Unknown { surveyed }));
        };
        let head = &against.head;
        if surveyed.snapshot.page_size != head.page_size {
            return Some(AttachEnd::Compared(Compared::Unknown { surveyed }));
        }
        let at_head = |sums: &PageSums| is_state_of(head, sums);
        // The database checksum is linear: the same change in two pages cancels out. Where the head's own page
        // checksums are known, they decide.
        let cached = against.sums.as_ref();
        let cached =
            cached.filter(|c| c.page_size == head.page_size && c.txid == head.txid && at_head(&c.sums));
        let known = match &against.told {
            Told::Sums(sums) => Some(sums),
            Told::Nothing | Told::Unknown => cached.map(|c| &c.sums),
        };
        let is_head = |sums: &PageSums| match (head.after, known) {
            (Some(_), known) => at_head(sums) && known.is_none_or(|known| known == sums),
            // Another tool's head names no checksum. The pages of its chain, once they were asked, say more.
            (None, Some(told)) => told == sums && sums.page_count() == head.commit,
            (None, None) => false,
        };
        if (head.unclaimed || against.settle) && is_head(&surveyed.sums) {
            let head = surveyed.sums.clone();
            return Some(AttachEnd::Compared(differs(surveyed, head)));
        }
        if let Some((position, sums)) = surveyed.as_of.take()
            && (is_head(&sums) || mutated(Mutant::PositionBelieved))
        {
            let position = if mutated(Mutant::PositionOfTheEnd) { surveyed.snapshot.end } else { position };
            return Some(AttachEnd::Compared(Compared::Continues { position, sums }));
        }
        if is_head(&surveyed.sums) || mutated(Mutant::ContinuityAssumed) {
            let position = surveyed.snapshot.end;
            return Some(AttachEnd::Compared(Compared::Continues { position, sums: surveyed.sums }));
        }
        // The head's checksum has told: no history needs to be downloaded for a no.
        let continues = self.restored.is_some_and(|from| from.is_newest);
        let pages_needed = against.need == Need::Pages || against.need == Need::Identity && continues;
        if !pages_needed && head.after.is_some() {
            return Some(AttachEnd::Compared(Compared::Unknown { surveyed }));
        }
        match std::mem::take(&mut against.told) {
            Told::Nothing => {}
            Told::Sums(sums) => return Some(AttachEnd::Compared(differs(surveyed, sums))),
            Told::Unknown => return Some(AttachEnd::Compared(Compared::Unknown { surveyed })),
        }
        let cached = against.sums.take().filter(|c| c.page_size == head.page_size && c.txid <= head.txid);
        match cached {
            Some(cached)
                if cached.txid == head.txid && at_head(&cached.sums)
                    || mutated(Mutant::DiffAgainstOldSums) =>
            {
                Some(AttachEnd::Compared(differs(surveyed, cached.sums)))
            }
            cached => {
                // A head without our tag proves nothing of what was folded: another tool may have overwritten
                // the very slot that the cache is of.
                let provable = cached.filter(|c| head.after.is_some() && c.txid < head.txid);
                let Some(chain) = self.chain(cx, provable) else {
                    return Some(AttachEnd::Compared(Compared::Unknown { surveyed }));
                };
                cx.source(SourceJob::Close);
                self.step = chain.ask(cx);
                None
            }
        }
    }

    /// The objects whose pages tell the head's, after the cached state, which must be older than the head, else from
    /// the base of the chain on. `None`: there is no chain.
    fn chain(&self, cx: &Context<'_>, cached: Option<CachedSums>) -> Option<Chain> {
        let against = self.against.as_ref().expect("compared with a head");
        let (head, listing) = (against.head.txid, &against.listing);
        let from_cache = cached.as_ref().and_then(|c| slots(listing, c.txid + 1, head));
        let (chain, base) = match from_cache {
            Some(chain) => (chain, cached),
            None => (chain(listing, head)?, None),
        };
        let (place, layout) = (&cx.config.place, cx.config.layout);
        let keys = chain.into_iter().map(|key| place.object_key(layout, key)).collect();
        Some(Chain { keys, base })
    }
}

/// What to ask for, and what it continues.
struct Chain {
    keys: Vec<String>,
    base: Option<CachedSums>,
}

impl Chain {
    fn ask(self, cx: &mut Context<'_>) -> Step {
        let retrying = Retrying::start(cx, StoreRequest::Digest { keys: self.keys });
        Step::Digesting(Box::new(retrying), self.base)
    }
}

/// Attempts before trouble with the source is told.
const QUIET_ATTEMPTS: u32 = 3;

fn open(cx: &mut Context<'_>, against: Option<&Against>) -> Step {
    let refused = against.is_some_and(|against| against.need == Need::Refusal);
    Step::Opening(cx.source(SourceJob::Open { enter_wal_mode: cx.config.enter_wal_mode && !refused }))
}

/// The pages of the survey that the head lacks; the lock page is none.
fn differs(surveyed: Box<Surveyed>, head: PageSums) -> Compared {
    let known = |pgno: &Pgno| surveyed.sums.get(*pgno).is_some();
    let mut pages: Vec<Pgno> = surveyed.sums.changed_since(&head).filter(known).collect();
    if mutated(Mutant::DiffMissesLastPage) {
        pages.pop();
    }
    Compared::Differs { surveyed, pages, head }
}

/// The page checksums after the objects, if they end at the head with the checksum it names.
fn fold(
    base: Option<CachedSums>,
    digests: &[ObjectDigest],
    head: &Head,
    lock_byte: crate::types::LockByte,
) -> Option<PageSums> {
    let mut sums = base.map(|b| b.sums).unwrap_or_default();
    for digest in digests {
        if digest.header.page_size() != head.page_size {
            return None;
        }
        let commit = digest.header.commit().into_inner();
        let shrinks = !mutated(Mutant::FoldIgnoresShrink);
        sums.resize(if shrinks { commit } else { commit.max(sums.page_count()) });
        for (pgno, checksum) in &digest.pages {
            sums.set(*pgno, *checksum);
        }
    }
    let complete = sums.first_unknown(lock_byte.pgno(head.page_size)).is_none();
    let proven = head.after.is_none_or(|after: Checksum| after == sums.checksum());
    let proven = proven && sums.page_count() == head.commit || mutated(Mutant::FoldIgnoresShrink);
    (complete && proven).then_some(sums)
}

/// Where the frames of a position lie in the WAL, for an object's header. Only for a slot that holds the page of the
/// last of these frames, or whose frames are none; see [`unread`].
pub(super) fn span(
    start_frames: u32,
    end: &WalPosition,
    page_size: crate::types::PageSize,
) -> Option<WalSpan> {
    let frame_bytes = u64::from(page_size.into_inner()) + 24;
    let offset = 32 + u64::from(start_frames) * frame_bytes;
    let size_bytes = u64::from(end.frames - start_frames) * frame_bytes;
    WalSpan::new(offset, size_bytes, end.salts)
}

/// The span of a slot that was not made from the newest frames: nothing of the log was read.
///
/// Litestream (0.5.17) continues at the end of the newest slot's span. Where that is 0 it fails for ever. Where the slot
/// lacks the page of the frame before that end, it takes a full image, with all earlier frames left out: from the
/// database file alone, which may be older. From 32 on it reads the whole log.
pub(super) fn unread(salts: Salts) -> Option<WalSpan> {
    WalSpan::new(WAL_HEADER_BYTES as u64, 0, salts)
}
