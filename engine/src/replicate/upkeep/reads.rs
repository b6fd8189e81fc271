//! What planning wants to know of objects, some at a time.

use crate::key::ObjectKey;
use crate::ltx::{HEADER_BYTES, Header};
use crate::mutants::{Mutant, mutated};
use crate::replicate::command::{RequestId, StoreRequest};
use crate::replicate::context::Context;
use crate::replicate::event::{ObjectDigest, StoreAnswer};
use crate::replicate::notice::Notice;
use crate::replicate::retrying::{Retrying, Settled};
use crate::restore::{Facts, Knowledge, Needs, is_full_image};
use crate::store::StoreError;
use crate::types::Instant;
use bytes::Bytes;
use std::collections::VecDeque;

/// Reads under way, and those that wait.
#[derive(Debug)]
pub(super) struct Reads {
    waiting: VecDeque<Wanted>,
    running: Vec<Read>,
}

#[derive(Clone, Copy, Debug)]
enum Wanted {
    Header(ObjectKey),
    /// Whether it holds every page.
    Image(ObjectKey),
    /// Whether it is what it claims to be, to its last byte.
    Whole(ObjectKey),
}

#[derive(Debug)]
struct Read {
    wanted: Wanted,
    retrying: Retrying,
    /// What came the last time: a header is proven by nothing, so it is read until two reads in a row agree.
    before: Option<Bytes>,
    misreads: u32,
}

/// How far they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    NotYet,
    Done,
    /// An object cannot be read whole: what it is, is not known.
    Unproven,
    /// An object is not there any more, or the store does not give it: what this is for is done later, or not at all.
    Gone,
}

/// A place of a year has thousands of headers; no other database waits behind them.
const SIDE_BY_SIDE: usize = 8;
/// Attempts at one object in a row. Objects that nobody may read (a rule that archives them, a key that is gone) must not
/// keep others from being looked after.
pub(super) const ATTEMPTS_MAX: u32 = 8;
/// Reads of one header that differ, before it counts as damaged.
const MISREADS_MAX: u32 = 8;

impl Reads {
    pub(super) fn start(cx: &mut Context<'_>, needs: Needs) -> Reads {
        let headers = needs.headers.into_iter().map(Wanted::Header);
        let waiting = headers.chain(needs.page_indexes.into_iter().map(Wanted::Image)).collect();
        let mut reads = Reads { waiting, running: Vec::new() };
        reads.fill(cx);
        reads
    }

    /// Reads objects whole: one that is damaged is known as that, and of a sound one the header is read anew.
    pub(super) fn prove(cx: &mut Context<'_>, objects: Vec<ObjectKey>) -> Reads {
        let waiting = objects.into_iter().map(Wanted::Whole).collect();
        let mut reads = Reads { waiting, running: Vec::new() };
        reads.fill(cx);
        reads
    }

    pub(super) fn awaits(&self, id: RequestId) -> bool {
        self.running.iter().any(|read| read.retrying.awaits(id))
    }

    pub(super) fn tick(&mut self, cx: &mut Context<'_>) {
        self.running.iter_mut().for_each(|read| read.retrying.tick(cx));
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.running.iter().filter_map(|read| read.retrying.deadline()).min()
    }

    /// Takes an answer and adds what it tells to `known`.
    pub(super) fn store(
        &mut self,
        cx: &mut Context<'_>,
        id: RequestId,
        result: Result<StoreAnswer, StoreError>,
        known: &mut Knowledge,
    ) -> Reading {
        let at = self.running.iter().position(|read| read.retrying.awaits(id)).expect("an awaited read");
        let read = &mut self.running[at];
        let (Wanted::Header(object) | Wanted::Image(object) | Wanted::Whole(object)) = read.wanted;
        match read.retrying.answer(cx, result) {
            Settled::NotYet if read.retrying.attempts() >= ATTEMPTS_MAX => {
                let is_whole = matches!(read.wanted, Wanted::Whole(_));
                return if is_whole { Reading::Unproven } else { Reading::Gone };
            }
            Settled::NotYet => return Reading::NotYet,
            Settled::Missing => return Reading::Gone,
            Settled::Damaged => {
                let (key, message) = (read.retrying.key(), "it does not decode");
                cx.notice(Notice::ObjectDamaged { key, message: message.into() });
                known.learn_damage(object, message);
            }
            Settled::Answer(StoreAnswer::Got(got)) => {
                let agrees = read.before.as_ref() == Some(&got.bytes) || mutated(Mutant::HeaderReadOnce);
                read.misreads += u32::from(!agrees && read.before.is_some());
                if read.misreads > MISREADS_MAX {
                    known.learn_damage(object, "each read of its header gives another one");
                } else if agrees {
                    learn_header(known, object, &got.bytes);
                } else {
                    read.before = Some(got.bytes);
                    read.retrying = Retrying::start(cx, request(cx, read.wanted));
                    return Reading::NotYet;
                }
            }
            Settled::Answer(StoreAnswer::Digested(digests)) => {
                let digest = digests.first().expect("one object was asked for");
                learn_image(cx, known, object, digest);
            }
            Settled::Answer(StoreAnswer::Hashed { .. }) => known.retain(|key| *key != object),
            Settled::Answer(other) => unreachable!("asked for what an object holds, answered {other:?}"),
        }
        self.running.swap_remove(at);
        self.fill(cx);
        if self.running.is_empty() { Reading::Done } else { Reading::NotYet }
    }

    fn fill(&mut self, cx: &mut Context<'_>) {
        while self.running.len() < SIDE_BY_SIDE
            && let Some(wanted) = self.waiting.pop_front()
        {
            let retrying = Retrying::start(cx, request(cx, wanted));
            self.running.push(Read { wanted, retrying, before: None, misreads: 0 });
        }
    }
}

fn request(cx: &Context<'_>, wanted: Wanted) -> StoreRequest {
    let key = |object| cx.config.place.object_key(cx.config.layout, object);
    match wanted {
        Wanted::Header(object) => StoreRequest::Get { key: key(object), range: Some(0..HEADER_BYTES as u64) },
        Wanted::Image(object) => StoreRequest::Digest { keys: vec![key(object)] },
        Wanted::Whole(object) => StoreRequest::Hash { key: key(object) },
    }
}

fn learn_header(known: &mut Knowledge, object: ObjectKey, bytes: &[u8]) {
    match Header::decode(bytes) {
        Ok(header) if header.txids() == object.range() => known.learn_header(object, Facts::from(&header)),
        Ok(header) => known.learn_damage(object, format!("its header is that of {}", header.txids())),
        Err(error) => known.learn_damage(object, error.to_string()),
    }
}

fn learn_image(cx: &Context<'_>, known: &mut Knowledge, object: ObjectKey, digest: &ObjectDigest) {
    let header = &digest.header;
    if header.txids() != object.range() {
        return known.learn_damage(object, format!("its header is that of {}", header.txids()));
    }
    let pages = digest.pages.iter().map(|(pgno, _)| *pgno);
    let full = is_full_image(header.commit().into_inner(), header.page_size(), cx.config.lock_byte, pages);
    known.learn_header(object, Facts::from(header));
    known.learn_full_image(object, full);
}
