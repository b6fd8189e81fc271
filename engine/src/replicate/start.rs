//! Finding out where the local state and the store stand: what a start, and every doubt, begins with.

use super::backoff::Backoff;
use super::command::{RequestId, StateJob, StoreRequest};
use super::context::Context;
use super::event::{Got, StateError, StoreAnswer};
use super::head::{Head, Owner};
use super::manifest::{SeenManifest, is_as_left};
use super::notice::Notice;
use super::retrying::{Retrying, Settled};
use super::sighting::{SeenObject, Sighting};
use super::state::{LocalState, StateChange};
use crate::key::{ListingBuilder, ObjectInfo, PlaceListing};
use crate::ltx::Header;
use crate::manifest::{Manifest, ManifestError};
use crate::mutants::{Mutant, mutated};
use crate::store::{Sha256, StoreError};
use crate::types::{Instant, Now, Txid};
use bytes::Bytes;
use std::time::Duration;

/// The sub-machine: local state, listing, manifest, the head's header, and where needed its hash.
#[derive(Debug)]
pub(super) struct Start {
    step: Step,
    local: LocalState,
    backoff: Backoff,
    listing: PlaceListing,
    manifest: Option<SeenManifest>,
    /// When the page of the listing that ends the slots was asked for: none above the head was there before.
    listed_at: Option<Now>,
    /// The head as it was when we last knew it, with our bytes.
    known: Option<SeenObject>,
    /// Reads of the header that differed from the one before.
    misreads: u32,
}

#[derive(Debug)]
enum Step {
    Loading(RequestId),
    SavingId(RequestId),
    PausedLoad(Instant),
    PausedList(Instant),
    Listing(Retrying, ListingBuilder),
    /// One that is not as this host left it is believed when two reads agree, too.
    Manifest(Retrying, Option<Bytes>),
    /// A part of an object has no checksum of its own: it is believed when two reads agree. Here: the one before.
    Header(Retrying, ObjectInfo, Option<Bytes>),
    /// A header that would fence us is believed only from a download that its file checksum proves.
    Proof(Retrying, ObjectInfo),
    /// So is one that tells another time than is told beside its object: nothing else of the place would show that it is
    /// wrong, and what is written next takes it over.
    Time(Retrying, ObjectInfo, Head),
    Hash(Retrying, Head, Vec<Sha256>),
    /// Our newest object has another version than the one that we wrote: has it other bytes?
    Rewritten(Retrying, Head),
}

/// What was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) local: LocalState,
    pub(super) manifest: Option<SeenManifest>,
    pub(super) listing: PlaceListing,
    pub(super) head: Option<(Head, Standing)>,
    /// Of this listing.
    pub(super) seen: Sighting,
}

/// How we stand to the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Ours,
    /// Ours by its number, but somebody put other bytes there.
    Overwritten,
    /// Ours, but its answer was lost: announce it.
    Adopted,
    Copied,
    Foreign,
}

/// What came out of a start.
#[derive(Debug)]
pub(super) enum StartEnd {
    Found(Box<Found>),
    TooNew(u32),
    /// An object of the place is not what it claims to be; asked again later.
    Corrupt {
        key: String,
        message: Box<str>,
        /// What else was found, if the object is the head and a number is left after it.
        found: Option<Box<Found>>,
        /// Two reads of its header agree that another one wrote it.
        says_foreign: bool,
    },
}

const HEADER_BYTES: u64 = 100;
/// From then on it is told, and asked again after a pause.
const MISREADS_MAX: u32 = 2;

impl Start {
    /// Everything anew: the first start of a life, and every doubt about the store.
    pub(super) fn load(cx: &mut Context<'_>, known: Option<SeenObject>) -> Start {
        Start {
            step: Step::Loading(cx.state(StateJob::Load)),
            local: LocalState::default(),
            backoff: Backoff::default(),
            listing: PlaceListing::default(),
            manifest: None,
            listed_at: None,
            known,
            misreads: 0,
        }
    }

    pub(super) fn awaits(&self, id: RequestId) -> bool {
        match &self.step {
            Step::Loading(sent) | Step::SavingId(sent) => *sent == id,
            Step::PausedLoad(_) | Step::PausedList(_) => false,
            Step::Listing(r, _)
            | Step::Manifest(r, _)
            | Step::Header(r, ..)
            | Step::Proof(r, _)
            | Step::Time(r, ..)
            | Step::Hash(r, ..)
            | Step::Rewritten(r, _) => r.awaits(id),
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.step {
            Step::Loading(_) | Step::SavingId(_) => None,
            Step::PausedLoad(until) | Step::PausedList(until) => Some(*until),
            Step::Listing(r, _)
            | Step::Manifest(r, _)
            | Step::Header(r, ..)
            | Step::Proof(r, _)
            | Step::Time(r, ..)
            | Step::Hash(r, ..)
            | Step::Rewritten(r, _) => r.deadline(),
        }
    }

    pub(super) fn tick(&mut self, cx: &mut Context<'_>) {
        match &mut self.step {
            Step::Loading(_) | Step::SavingId(_) => {}
            Step::PausedLoad(until) => {
                if *until <= cx.now.mono {
                    self.step = Step::Loading(cx.state(StateJob::Load));
                }
            }
            Step::PausedList(until) => {
                if *until <= cx.now.mono {
                    self.listed_at = None;
                    self.step = list(cx);
                }
            }
            Step::Listing(r, _)
            | Step::Manifest(r, _)
            | Step::Header(r, ..)
            | Step::Proof(r, _)
            | Step::Time(r, ..)
            | Step::Hash(r, ..)
            | Step::Rewritten(r, _) => r.tick(cx),
        }
    }

    pub(super) fn state(
        &mut self,
        cx: &mut Context<'_>,
        result: Result<Option<Box<LocalState>>, StateError>,
    ) {
        match result {
            Err(StateError(message)) => {
                cx.notice(Notice::State { message });
                let until = self.backoff.next(cx.now.mono, cx.config.node, Duration::ZERO);
                self.step = Step::PausedLoad(until);
            }
            Ok(loaded) if matches!(self.step, Step::Loading(_)) => {
                self.local = loaded.map(|l| *l).unwrap_or_default();
                if self.local.own.contains(&cx.config.node) {
                    self.step = list(cx);
                    return;
                }
                // Durable before its first use: an object of this life must be known as ours by the next.
                self.local.own.push(cx.config.node);
                let change = StateChange { add_own: Some(cx.config.node), ..StateChange::default() };
                self.step = Step::SavingId(cx.state(StateJob::Save(Box::new(change))));
            }
            Ok(_) => self.step = list(cx),
        }
    }

    pub(super) fn store(
        &mut self,
        cx: &mut Context<'_>,
        result: Result<StoreAnswer, StoreError>,
    ) -> Option<StartEnd> {
        let settled = match &mut self.step {
            Step::Listing(r, _)
            | Step::Manifest(r, _)
            | Step::Header(r, ..)
            | Step::Proof(r, _)
            | Step::Time(r, ..)
            | Step::Hash(r, ..)
            | Step::Rewritten(r, _) => r.answer(cx, result),
            Step::Loading(_) | Step::SavingId(_) | Step::PausedLoad(_) | Step::PausedList(_) => {
                unreachable!("nothing was asked of the store")
            }
        };
        if let Step::Listing(r, builder) = &self.step {
            let ends = match &settled {
                Settled::Answer(StoreAnswer::Listed { objects, next, .. }) => {
                    next.is_none() || builder.ends_slots(objects)
                }
                Settled::Missing => true,
                _ => false,
            };
            if ends {
                self.listed_at.get_or_insert(r.sent_at());
            }
        }
        match settled {
            Settled::NotYet => None,
            Settled::Missing => self.missing(cx),
            Settled::Damaged => {
                let (Step::Proof(r, _) | Step::Time(r, ..) | Step::Hash(r, ..) | Step::Rewritten(r, _)) =
                    &self.step
                else {
                    unreachable!("nothing else is decoded")
                };
                let (key, says_foreign) = (r.key(), matches!(&self.step, Step::Proof(..)));
                Some(self.damaged_head(key, "it does not decode".to_owned(), says_foreign))
            }
            Settled::Answer(answer) => self.answered(cx, answer),
        }
    }

    fn missing(&mut self, cx: &mut Context<'_>) -> Option<StartEnd> {
        match &self.step {
            Step::Manifest(..) => self.after_manifest(cx),
            // A store without the folder has no objects.
            Step::Listing(_, builder) => {
                self.listing = builder.clone().finish(cx.config.modified_is);
                self.ask_manifest(cx, None);
                None
            }
            // It was listed a moment ago: the place is changing, look again. Not at once: a store may
            // contradict itself for longer.
            _ => {
                let until = self.backoff.next(cx.now.mono, cx.config.node, Duration::ZERO);
                self.step = Step::PausedList(until);
                None
            }
        }
    }

    fn answered(&mut self, cx: &mut Context<'_>, answer: StoreAnswer) -> Option<StartEnd> {
        match (&mut self.step, answer) {
            (Step::Listing(_, builder), StoreAnswer::Listed { objects, next, .. }) => {
                builder.page(&objects);
                let empty = ListingBuilder::new(cx.config.place.clone(), cx.config.layout);
                let builder = std::mem::replace(builder, empty);
                if next.is_some() {
                    let prefix = cx.config.place.prefix();
                    let request = StoreRequest::List { prefix, after: next };
                    self.step = Step::Listing(Retrying::start(cx, request), builder);
                } else {
                    self.listing = builder.finish(cx.config.modified_is);
                    self.ask_manifest(cx, None);
                }
                None
            }
            (Step::Manifest(_, before), StoreAnswer::Got(got)) => {
                let before = before.take();
                self.manifest_read(cx, before, got)
            }
            (Step::Header(_, object, before), StoreAnswer::Got(got)) => {
                let (object, before) = (object.clone(), before.take());
                self.header_read(cx, object, before, got)
            }
            (Step::Proof(_, object), StoreAnswer::Digested(digests)) => {
                let header = &digests.first().expect("one object was asked for").header;
                let head = Head::new(object, header);
                self.judge(cx, head, true)
            }
            (Step::Time(_, _, head), StoreAnswer::Hashed { .. }) => {
                let head = *head;
                self.judge(cx, head, false)
            }
            (Step::Hash(_, head, sent), StoreAnswer::Hashed { sha256, .. }) => {
                let standing = if sent.contains(&sha256) { Standing::Adopted } else { Standing::Copied };
                let head = *head;
                Some(self.found(Some((head, standing))))
            }
            (Step::Rewritten(_, head), StoreAnswer::Hashed { sha256, .. }) => {
                let head = *head;
                let same = self.known.take().is_some_and(|known| known.sha256 == Some(sha256));
                // A copy of the same bytes, or a store whose answers and listings disagree about versions.
                let standing = if same { Standing::Ours } else { Standing::Overwritten };
                Some(self.found(Some((head, standing))))
            }
            (step, answer) => unreachable!("{answer:?} in {step:?}"),
        }
    }

    /// What decides is read until two reads in a row are the same, or it is as this machine left it.
    fn manifest_read(&mut self, cx: &mut Context<'_>, before: Option<Bytes>, got: Got) -> Option<StartEnd> {
        if before.as_ref() != Some(&got.bytes)
            && !is_as_left(cx, &got.bytes, &self.local.own)
            && !mutated(Mutant::HeaderReadOnce)
        {
            self.ask_manifest(cx, Some(got.bytes));
            return None;
        }
        match Manifest::decode(&got.bytes) {
            Ok(manifest) => {
                self.manifest = Some(SeenManifest { manifest, etag: got.etag });
                self.after_manifest(cx)
            }
            Err(ManifestError::Newer { format }) if !mutated(Mutant::NewerFormatIgnored) => {
                Some(StartEnd::TooNew(u32::try_from(format).unwrap_or(u32::MAX)))
            }
            // The listing is the truth. Only an empty place depends on who claimed it.
            Err(error) if !self.listing.is_empty() => {
                let (key, message) = (cx.config.place.manifest_key(), error.to_string().into());
                cx.notice(Notice::ObjectDamaged { key, message });
                self.after_manifest(cx)
            }
            Err(error) => Some(corrupt(cx.config.place.manifest_key(), error.to_string())),
        }
    }

    fn header_read(
        &mut self,
        cx: &mut Context<'_>,
        object: ObjectInfo,
        before: Option<Bytes>,
        got: Got,
    ) -> Option<StartEnd> {
        if before.as_ref() != Some(&got.bytes) && !mutated(Mutant::HeaderReadOnce) {
            let differs = before.is_some();
            self.misreads += u32::from(differs);
            if !differs || self.misreads < MISREADS_MAX {
                self.step = header(cx, object, Some(got.bytes));
                return None;
            }
            // It changes all the time, or the store has several of it.
            let key = cx.config.place.object_key(cx.config.layout, object.key);
            cx.notice(Notice::Corrupt { key, message: "each read of its header gives another one".into() });
            self.step = Step::PausedList(self.backoff.next(cx.now.mono, cx.config.node, Duration::ZERO));
            return None;
        }
        match Header::decode(&got.bytes) {
            Ok(header) => {
                let head = Head::new(&object, &header);
                let told_beside = got.attributes.timestamp.unwrap_or(header.timestamp());
                // Of another's, all is proven.
                let is_ours = matches!(head.owner(&self.local), Owner::Ours | Owner::IfHashIsAmong(_));
                if told_beside != header.timestamp() && is_ours {
                    let key = cx.config.place.object_key(cx.config.layout, object.key);
                    self.step = Step::Time(Retrying::start(cx, StoreRequest::Hash { key }), object, head);
                    return None;
                }
                self.judge(cx, head, false)
            }
            Err(error) => {
                let key = cx.config.place.object_key(cx.config.layout, object.key);
                Some(self.damaged_head(key, error.to_string(), false))
            }
        }
    }

    fn ask_manifest(&mut self, cx: &mut Context<'_>, before: Option<Bytes>) {
        let key = cx.config.place.manifest_key();
        self.step = Step::Manifest(Retrying::start(cx, StoreRequest::Get { key, range: None }), before);
    }

    fn after_manifest(&mut self, cx: &mut Context<'_>) -> Option<StartEnd> {
        let Some(object) = self.listing.newest().cloned() else { return Some(self.found(None)) };
        let key = cx.config.place.object_key(cx.config.layout, object.key);
        if object.key.max().into_inner() == u64::MAX {
            return Some(corrupt(key, "no transaction id is left after it".to_owned()));
        }
        self.step = header(cx, object, None);
        None
    }

    fn judge(&mut self, cx: &mut Context<'_>, head: Head, proven: bool) -> Option<StartEnd> {
        let object = match &self.step {
            Step::Header(_, object, _) | Step::Proof(_, object) | Step::Time(_, object, _) => object.clone(),
            step => unreachable!("judged in {step:?}"),
        };
        let key = cx.config.place.object_key(cx.config.layout, object.key);
        // Another walsync at our number is another writer; a tool without conditional writes leaves no id.
        let by_no_writer = head.node.is_none_or(|node| self.local.own.contains(&node));
        if let Some(known) = self.known.take().filter(|k| by_no_writer && k.was_replaced_by(&object)) {
            if known.size_bytes != object.size_bytes || known.sha256.is_none() {
                return Some(self.found(Some((head, Standing::Overwritten))));
            }
            self.step = Step::Rewritten(Retrying::start(cx, StoreRequest::Hash { key }), head);
            self.known = Some(known);
            return None;
        }
        let standing = match head.owner(&self.local) {
            Owner::Ours => Standing::Ours,
            Owner::Foreign if mutated(Mutant::ForeignHeadIgnored) && object.key.max() > Txid::ONE => {
                let older = |o: &&ObjectInfo| o.key.max() < object.key.max();
                let newest = self.listing.objects().iter().filter(older).max_by_key(|o| o.key.max())?;
                self.step = header(cx, newest.clone(), None);
                return None;
            }
            Owner::Copied | Owner::Foreign if !proven => {
                let request = StoreRequest::Digest { keys: vec![key] };
                self.step = Step::Proof(Retrying::start(cx, request), object);
                return None;
            }
            Owner::Copied => Standing::Copied,
            Owner::Foreign => Standing::Foreign,
            Owner::IfHashIsAmong(sent) => {
                self.step = Step::Hash(Retrying::start(cx, StoreRequest::Hash { key }), head, sent);
                return None;
            }
        };
        Some(self.found(Some((head, standing))))
    }

    fn found(&mut self, head: Option<(Head, Standing)>) -> StartEnd {
        StartEnd::Found(Box::new(self.take_found(head)))
    }

    fn damaged_head(&mut self, key: String, message: String, says_foreign: bool) -> StartEnd {
        let found = Some(Box::new(self.take_found(None)));
        StartEnd::Corrupt { key, message: message.into(), found, says_foreign }
    }

    fn take_found(&mut self, head: Option<(Head, Standing)>) -> Found {
        let at = self.listed_at.expect("a place is listed before anything is found in it");
        Found {
            seen: Sighting {
                head: self.listing.head(),
                object: self.listing.newest().map(SeenObject::new),
                at,
            },
            local: std::mem::take(&mut self.local),
            manifest: self.manifest.take(),
            listing: std::mem::take(&mut self.listing),
            head,
        }
    }
}

/// Of an object that is not the head, or that no number is left after.
fn corrupt(key: String, message: String) -> StartEnd {
    StartEnd::Corrupt { key, message: message.into(), found: None, says_foreign: false }
}

fn list(cx: &mut Context<'_>) -> Step {
    let request = StoreRequest::List { prefix: cx.config.place.prefix(), after: None };
    let builder = ListingBuilder::new(cx.config.place.clone(), cx.config.layout);
    Step::Listing(Retrying::start(cx, request), builder)
}

fn header(cx: &mut Context<'_>, object: ObjectInfo, before: Option<Bytes>) -> Step {
    let key = cx.config.place.object_key(cx.config.layout, object.key);
    let request = StoreRequest::Get { key, range: Some(0..HEADER_BYTES) };
    Step::Header(Retrying::start(cx, request), object, before)
}
