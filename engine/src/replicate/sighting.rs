//! What was last seen of a place's head, and for how long that may be built on (docs/design.md section 4, rule 8).
//!
//! Put-if-absent fences only as long as the winner's object is there. Once it was compacted and deleted, a writer that
//! slept could take its key. So nothing is sent on the strength of something older than half the time that level-0
//! objects stay: the place is listed first.

use super::chain::chain;
use super::command::{RequestId, StoreRequest};
use super::context::Context;
use super::event::StoreAnswer;
use super::retrying::{Retrying, Settled};
use super::upkeep::Listed;
use crate::key::{ListingBuilder, ObjectInfo, ObjectKey, PlaceListing};
use crate::mutants::{Mutant, mutated};
use crate::store::{ETag, Sha256, StoreError};
use crate::types::{Instant, Now, Timestamp, Txid};
use std::time::Duration;

/// The head as the store had it when a request was sent.
#[derive(Clone, Debug)]
pub(super) struct Sighting {
    /// `None`: an empty place.
    pub(super) head: Option<Txid>,
    /// The object that ends there.
    pub(super) object: Option<SeenObject>,
    pub(super) at: Now,
}

impl Sighting {
    pub(super) fn is_old(&self, cx: &Context<'_>) -> bool {
        is_old(cx, self.at)
    }

    /// Whether a listing shows the same head, and, where the next object goes on top of what is there, a chain to it.
    fn agrees(&self, listing: &PlaceListing, needs_chain: bool) -> bool {
        let restorable = |head: Txid| !needs_chain || chain(listing, head).is_some();
        // A slot that does not count, because a compacted object has its number, is no head.
        let other =
            |seen: &SeenObject, newest: &ObjectInfo| seen.key != newest.key || seen.was_replaced_by(newest);
        let seen_other = |newest| self.object.as_ref().is_some_and(|seen| other(seen, newest));
        listing.head() == self.head
            && !listing.newest().is_some_and(seen_other)
            && self.head.is_none_or(restorable)
    }
}

/// An object, by the version that the store gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SeenObject {
    pub(super) key: ObjectKey,
    pub(super) etag: ETag,
    pub(super) size_bytes: u64,
    /// Of its bytes, if we wrote them.
    pub(super) sha256: Option<Sha256>,
}

impl SeenObject {
    pub(super) fn new(object: &ObjectInfo) -> SeenObject {
        let ObjectInfo { key, size_bytes, etag, modified: _, arrived: _ } = object.clone();
        SeenObject { key, etag, size_bytes, sha256: None }
    }

    /// Whether its key holds another version now. No writer that keeps to the rules overwrites an object; Litestream
    /// beside us does.
    pub(super) fn was_replaced_by(&self, object: &ObjectInfo) -> bool {
        self.key == object.key && (&self.etag, self.size_bytes) != (&object.etag, object.size_bytes)
    }
}

/// Whether what was asked then may no longer count. The monotonic clock stands still in a machine that sleeps, and
/// the wall clock can be set: whichever moved more decides, for one listing too many does no harm.
pub(super) fn is_old(cx: &Context<'_>, at: Now) -> bool {
    elapsed(cx.now, at) > cx.config.l0_retention / 2 && !mutated(Mutant::ConfirmationNeverOld)
}

/// Time since then, by the clock that moved more.
pub(super) fn elapsed(now: Now, at: Now) -> Duration {
    let wall_ms = now.wall.as_millis().abs_diff(at.wall.as_millis());
    let wall_ms = if mutated(Mutant::SleepNotNoticed) { 0 } else { wall_ms };
    now.mono.since(at.mono).max(Duration::from_millis(wall_ms))
}

/// Looking whether the head is still what it was.
#[derive(Debug)]
pub(super) struct HeadCheck {
    expected: Sighting,
    needs_chain: bool,
    retrying: Retrying,
    builder: ListingBuilder,
    /// When the page that ends the slots was asked for: none above the head was there before.
    listed_at: Option<Now>,
    /// The store's clock when it gave the first page.
    time: Option<(Timestamp, Instant)>,
}

/// What a check found.
pub(super) enum Checked {
    NotYet,
    /// The head is what it was, then.
    Agrees(Sighting, Box<Listed>),
    /// It is not: look at the place anew.
    Differs,
}

impl HeadCheck {
    pub(super) fn start(cx: &mut Context<'_>, expected: Sighting, needs_chain: bool) -> HeadCheck {
        let builder = ListingBuilder::new(cx.config.place.clone(), cx.config.layout);
        HeadCheck { expected, needs_chain, retrying: list(cx, None), builder, listed_at: None, time: None }
    }

    pub(super) fn awaits(&self, id: RequestId) -> bool {
        self.retrying.awaits(id)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.retrying.deadline()
    }

    pub(super) fn tick(&mut self, cx: &mut Context<'_>) {
        self.retrying.tick(cx);
    }

    pub(super) fn is_in_trouble(&self) -> bool {
        self.retrying.failing_since().is_some()
    }

    /// Since when it fails.
    pub(super) fn failing_since(&self) -> Option<Instant> {
        self.retrying.failing_since()
    }

    pub(super) fn store(&mut self, cx: &mut Context<'_>, result: Result<StoreAnswer, StoreError>) -> Checked {
        let next = match self.retrying.answer(cx, result) {
            Settled::NotYet => return Checked::NotYet,
            Settled::Missing => None,
            Settled::Damaged => unreachable!("a listing is not decoded"),
            Settled::Answer(StoreAnswer::Listed { objects, next, time }) => {
                self.time = self.time.or(time.map(|time| (time, cx.now.mono)));
                self.builder.page(&objects);
                if self.builder.ends_slots(&objects) {
                    self.listed_at.get_or_insert(self.retrying.sent_at());
                }
                next
            }
            Settled::Answer(other) => unreachable!("asked to list, answered {other:?}"),
        };
        if next.is_some() {
            self.retrying = list(cx, next);
            return Checked::NotYet;
        }
        let at = *self.listed_at.get_or_insert(self.retrying.sent_at());
        let listing = self.builder.clone().finish(cx.config.modified_is);
        if self.expected.agrees(&listing, self.needs_chain) {
            Checked::Agrees(
                Sighting { at, ..self.expected.clone() },
                Box::new(Listed { listing, time: self.time }),
            )
        } else {
            Checked::Differs
        }
    }
}

fn list(cx: &mut Context<'_>, after: Option<String>) -> Retrying {
    Retrying::start(cx, StoreRequest::List { prefix: cx.config.place.prefix(), after })
}
