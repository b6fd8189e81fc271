//! What follows when a phase of a database ends: the decisions between phases.

use super::attach::{Against, Attach, AttachEnd, Compared, Need, Told};
use super::catchup::{Catchup, CatchupEnd};
use super::chain::{chain, is_dead};
use super::claim::ClaimEnd;
use super::command::{SourceJob, StoreRequest};
use super::config::TakeOver;
use super::context::Context;
use super::database::{Database, Phase, Place, Then};
use super::ending::TROUBLE_DELAY;
use super::event::SourceError;
use super::follow::{Follow, FollowEnd, LastSnapshot, Position, Schedule};
use super::head::Head;
use super::notice::{HealReason, Notice, Status};
use super::origin::Origin;
use super::plan::{Goal, Heal, Plan, Reached, heal_reason};
use super::retrying::{DAMAGED_ATTEMPTS_MAX, Retrying};
use super::start::{Found, Standing, Start, StartEnd};
use super::state::CachedSums;
use crate::key::PlaceListing;
use crate::mutants::{Mutant, mutated};
use crate::types::Txid;
use bytes::Bytes;
use std::time::Duration;

/// At least so long the source stays closed after the log was let go.
const LET_GO_DELAY: Duration = Duration::from_secs(30);
/// And not longer than that: after it the store is asked first, and the database is compared only when it answers.
const LET_GO_DELAY_MAX: Duration = Duration::from_secs(120);

impl Database {
    pub(super) fn set_status(&mut self, cx: &mut Context<'_>, status: Status) {
        if self.status != status {
            self.status = status;
            cx.notice(Notice::Status(status));
        }
    }

    pub(super) fn started(&mut self, cx: &mut Context<'_>, end: StartEnd) {
        match end {
            StartEnd::TooNew(format) => self.too_new(cx, format),
            StartEnd::Corrupt { key, message, found, says_foreign } => {
                cx.notice(Notice::Corrupt { key: key.clone(), message });
                let before = self.damaged.take().filter(|(at, _)| *at == key).map_or(0, |(_, times)| times);
                let times = before + 1;
                self.damaged = Some((key, times));
                if let Some(found) = found.filter(|_| times >= DAMAGED_ATTEMPTS_MAX)
                    && let Some(goal) = self.over_damaged(cx, &found, says_foreign)
                {
                    self.damaged = None;
                    let Found { local, manifest, listing, seen, .. } = *found;
                    let place = Box::new(Place { local, manifest, listing, head: None, origin: None, seen });
                    return self.attach(cx, place, goal);
                }
                self.set_status(cx, Status::Degraded);
                self.wait(cx, TROUBLE_DELAY, Then::Start);
            }
            StartEnd::Found(found) => {
                self.damaged = None;
                self.found(cx, *found);
            }
        }
    }

    fn found(&mut self, cx: &mut Context<'_>, found: Found) {
        let Found { mut local, manifest, listing, head, seen } = found;
        if let Some(newer) = self.sums.take()
            && local.sums.as_ref().is_none_or(|saved| saved.txid <= newer.txid)
        {
            local.sums = Some(newer);
        }
        if let Some(claim) = self.claim.take()
            && seen.object.as_ref().is_some_and(|newest| newest.key != claim.key)
            && is_dead(&listing, claim.key, cx.config.modified_is)
            // Without conditions the deletion could take what another wrote there.
            && cx.config.conditional_writes
        {
            // It was won on a key that had become free: a late arrival in a history that went on without it.
            let key = cx.config.place.object_key(cx.config.layout, claim.key);
            let request = StoreRequest::DeleteIfMatch { key, etag: claim.etag };
            self.phase = Phase::Withdrawing(Retrying::start(cx, request));
            return;
        }
        if let Some((head, _)) = &head {
            self.compare_clock(cx, head.timestamp);
        }
        let history = manifest.as_ref().map(|seen| seen.manifest.database);
        let known = head.map(|(head, _)| head);
        self.newest_snapshot = LastSnapshot::of(&listing);
        let origin = Origin::new(local.restored.take(), &mut local.sums, history, known.as_ref());
        let place = Box::new(Place { local, manifest, listing, head: known, origin, seen });
        match head {
            None if place.listing.is_of_litestream_0_3() => self.of_litestream_0_3(cx),
            None => self.claim(cx, place),
            Some((head, Standing::Ours | Standing::Adopted))
                if place.local.last_used(Some(head.txid)) > Some(head.txid) =>
            {
                self.attach(cx, place, Goal::HeadLost);
            }
            // Its snapshot must be there before the next slot, and something to restore it from; it is not: once
            // more, with both.
            Some((head, Standing::Ours | Standing::Adopted))
                if head.lacks_snapshot(&place.listing) || chain(&place.listing, head.txid).is_none() =>
            {
                self.attach(cx, place, Goal::HeadLost);
            }
            Some((_, Standing::Ours)) if !self.owned && mutated(Mutant::RestartSendsImage) => {
                self.attach(cx, place, Goal::HeadLost);
            }
            Some((_, Standing::Ours)) => self.attach(cx, place, Goal::Continue),
            Some((head, Standing::Adopted)) => {
                self.announce(cx, &head);
                self.reason = Some(HealReason::Adopted);
                self.attach(cx, place, Goal::Continue);
            }
            Some((_, Standing::Overwritten)) => {
                self.reason = Some(HealReason::Overwritten);
                self.attach(cx, place, Goal::HeadLost);
            }
            Some((_, Standing::Copied)) => self.fenced(cx, place, None, true),
            Some((head, Standing::Foreign)) => {
                let needs_image = place.needs_image(&head);
                let goal = match cx.config.take_over {
                    _ if !self.may_take_over(cx, &place.local) => Goal::Refuse,
                    TakeOver::IfIdentical if needs_image => Goal::Refuse,
                    _ if needs_image => Goal::TakeOverAnew,
                    _ => Goal::TakeOver,
                };
                self.attach(cx, place, goal);
            }
        }
    }

    pub(super) fn claimed(&mut self, cx: &mut Context<'_>, end: ClaimEnd) {
        let phase = std::mem::replace(&mut self.phase, Phase::Stopped);
        let Phase::Claim(_, place) = phase else { unreachable!("a claim ended") };
        match end {
            // Numbers are never used again, also after somebody emptied the place.
            ClaimEnd::Ours if place.local.last_used(None).is_some() => self.attach(cx, place, Goal::HeadLost),
            ClaimEnd::Ours => self.attach(cx, place, Goal::FirstImage),
            ClaimEnd::Anothers(manifest) => {
                let place = Box::new(Place { manifest: Some(manifest), ..*place });
                if self.may_take_over(cx, &place.local) {
                    self.attach(cx, place, Goal::ClaimedByAnother);
                } else {
                    self.fenced(cx, place, None, false);
                }
            }
            ClaimEnd::TooNew(format) => self.too_new(cx, format),
            ClaimEnd::Relist => self.start_anew(cx),
        }
    }

    pub(super) fn attach(&mut self, cx: &mut Context<'_>, mut place: Box<Place>, goal: Goal) {
        let against = match goal {
            Goal::Continue | Goal::TakeOver | Goal::Refuse => place.head.map(|head| Against {
                head,
                listing: place.listing.clone(),
                sums: place.local.sums.take(),
                origin: place.origin,
                settle: goal == Goal::Continue && place.must_settle(),
                need: match goal {
                    Goal::Refuse => Need::Refusal,
                    Goal::TakeOver if cx.config.take_over == TakeOver::IfIdentical => Need::Identity,
                    _ => Need::Pages,
                },
                told: Told::default(),
            }),
            Goal::FirstImage | Goal::HeadLost | Goal::ClaimedByAnother | Goal::TakeOverAnew => None,
        };
        self.phase = Phase::Attach(Attach::start(cx, against), place, goal);
    }

    pub(super) fn attached(&mut self, cx: &mut Context<'_>, end: AttachEnd) {
        let phase = std::mem::replace(&mut self.phase, Phase::Stopped);
        let Phase::Attach(attach, mut place, goal) = phase else { unreachable!("an attach ended") };
        let compared = match end {
            // Whether it is identical is not known, but that it is refused is.
            AttachEnd::Source(SourceError::NotWal(_)) if goal == Goal::Refuse => {
                return self.fenced(cx, place, None, false);
            }
            AttachEnd::Source(error) => {
                // Without them the next attempt would have to send everything.
                place.local.sums = attach.into_sums();
                return self.source_trouble(cx, error, Then::Attach(place, goal));
            }
            AttachEnd::Compared(compared) => compared,
        };
        self.trouble = None;
        let restored = attach.restored();
        let identical = matches!(compared, Compared::Continues { .. })
            || matches!(&compared, Compared::Differs { pages, .. } if pages.is_empty());
        match goal {
            Goal::Refuse => self.refused(cx, place, identical, restored),
            // What was written since a restore of the head continues it.
            Goal::TakeOver
                if cx.config.take_over == TakeOver::IfIdentical
                    && !identical
                    && !restored.is_some_and(|from| from.is_newest) =>
            {
                self.refused(cx, place, false, restored);
            }
            // Nothing that a claim could say of the head, as another page size, would be true.
            Goal::TakeOver
                if matches!(compared, Compared::Unknown { .. })
                    && place.head.is_some_and(|head| head.after.is_none()) =>
            {
                self.catch_up(cx, place, Goal::TakeOverAnew, compared, None);
            }
            Goal::TakeOver => self.ask_first_page(cx, place, compared),
            Goal::FirstImage
            | Goal::HeadLost
            | Goal::ClaimedByAnother
            | Goal::TakeOverAnew
            | Goal::Continue => {
                self.catch_up(cx, place, goal, compared, None);
            }
        }
    }

    pub(super) fn catch_up(
        &mut self,
        cx: &mut Context<'_>,
        place: Box<Place>,
        goal: Goal,
        compared: Compared,
        first_page: Option<Bytes>,
    ) {
        let known = self.reason.take();
        let known = known.filter(|r| goal != Goal::HeadLost || *r == HealReason::Overwritten);
        let reason = known.unwrap_or_else(|| heal_reason(goal, place.head.as_ref(), &compared));
        let plan = Plan::new(cx, &place, goal, compared, first_page);
        if let Some(Heal { txid, pages, of }) = plan.heal {
            cx.notice(Notice::Healed { reason, txid, pages, of });
        }
        match Catchup::start(cx, plan.drafts, plan.then, place.seen.clone()) {
            Ok(catchup) => self.phase = Phase::Catchup(catchup, place),
            Err(then) => {
                self.phase = Phase::Stopped;
                self.follow(cx, place, *then);
            }
        }
    }

    pub(super) fn caught_up(&mut self, cx: &mut Context<'_>, end: CatchupEnd) {
        let phase = std::mem::replace(&mut self.phase, Phase::Stopped);
        let Phase::Catchup(catchup, mut place) = phase else { unreachable!("a catch-up ended") };
        self.claim = catchup.into_claim();
        match end {
            CatchupEnd::Follow(then, seen) => {
                place.seen = seen;
                self.follow(cx, place, *then);
            }
            CatchupEnd::Relist => self.start_anew(cx),
            CatchupEnd::LetGo(tried) => {
                // The application needs time with its log, and comparing costs what the database does: longer than that.
                let delay = tried.clamp(LET_GO_DELAY, LET_GO_DELAY_MAX);
                cx.source(SourceJob::Close);
                self.phase = Phase::Doubting(cx.now.mono.after(delay), Then::Start);
            }
        }
    }

    fn follow(&mut self, cx: &mut Context<'_>, mut place: Box<Place>, then: Reached) {
        if then.recheck && !mutated(Mutant::ClaimNotRechecked) {
            // A claim counts only if it still is the head: look again before anything is built on it.
            self.sums = (then.sums.page_count() == then.head.commit).then(|| then.cached());
            cx.source(SourceJob::Close);
            self.phase = Phase::Start(Start::load(cx, self.known.clone()));
            return;
        }
        place.head = Some(then.head);
        // It counts, and claims that count are never deleted.
        self.claim = None;
        self.known.clone_from(&place.seen.object);
        if let Some(seen) = place.manifest.take() {
            self.rewrite.follows(cx, &seen, &place.local.own);
        } else if !place.listing.is_empty() {
            self.rewrite.follows_without(cx);
        }
        self.rewrite.on_occasion(cx);
        self.upkeep.follows(cx, &place.listing);
        // From here on the page checksums are in memory: a listing of many objects need not be.
        place.listing = PlaceListing::default();
        self.announce(cx, &then.head);
        let position = Position { wal: then.position, pages: then.pages };
        let schedule = self.schedule(cx, &then.head);
        let mut follow = Follow::start(cx, then.head, then.sums, position, place.seen.clone(), schedule);
        if std::mem::take(&mut self.snapshot_requested) {
            follow.request_snapshot();
        }
        if self.stop_requested {
            follow.request_stop();
        }
        if let Some(id) = self.sync {
            follow.request_sync(id);
        }
        if let Some(asked) = self.given_up.take() {
            follow.awaits_given_up(asked);
        }
        self.set_status(cx, Status::Following);
        self.phase = Phase::Follow(Box::new(follow), place);
    }

    /// When full images are due, of what the place has now.
    fn schedule(&mut self, cx: &Context<'_>, head: &Head) -> Schedule {
        // An image in a slot is followed by its snapshot at once, and so is the first one by its claim.
        let made = LastSnapshot { txid: if head.full { head.txid } else { Txid::ONE }, at: cx.now.wall };
        let newest = self.newest_snapshot.filter(|newest| newest.txid >= made.txid).unwrap_or(made);
        match self.schedule.take() {
            Some(schedule) => schedule.following(cx.now, newest),
            None => Schedule::starting(cx.now, cx.config.snapshots, newest, !newest.is_of(head)),
        }
    }

    fn announce(&mut self, cx: &mut Context<'_>, head: &Head) {
        self.owned = true;
        if self.durable.is_none_or(|durable| durable < head.txid) {
            self.durable = Some(head.txid);
            cx.notice(Notice::Durable { txid: head.txid, timestamp: head.timestamp });
        }
    }

    pub(super) fn follow_ended(&mut self, cx: &mut Context<'_>, end: FollowEnd) {
        let phase = std::mem::replace(&mut self.phase, Phase::Stopped);
        let Phase::Follow(mut follow, mut place) = phase else { unreachable!("following ended") };
        let (schedule, given_up) = follow.end_snapshot(cx);
        assert!(self.given_up.is_none(), "following takes it along");
        self.given_up = given_up;
        self.snapshot_requested = schedule.is_requested();
        self.refuse_snapshot_if_ending(cx);
        self.newest_snapshot = Some(schedule.last());
        self.schedule = Some(schedule);
        let head = *follow.head();
        self.upkeep.give_up(cx);
        self.known.clone_from(&follow.seen().object);
        if follow.is_degraded() {
            // It was told: the next change must be, too.
            self.status = Status::Degraded;
        }
        self.durable = self.durable.max(Some(head.txid));
        let sums = CachedSums { txid: head.txid, page_size: head.page_size, sums: follow.sums().clone() };
        match end {
            FollowEnd::Stopped { complete } => self.stopped(cx, complete),
            FollowEnd::Relist => {
                self.sums = Some(sums);
                self.start_anew(cx);
            }
            FollowEnd::Reattach(reason) => {
                self.reason = Some(reason);
                place.head = Some(head);
                place.seen = follow.seen().clone();
                place.local.sums = Some(sums);
                match self.doubts.raise(cx.now.mono, cx.config.node) {
                    None => self.attach(cx, place, Goal::Continue),
                    Some(until) => {
                        // The application's checkpoints must not wait for the end of a pause.
                        cx.source(SourceJob::Close);
                        self.phase = Phase::Doubting(until, Then::Attach(place, Goal::Continue));
                    }
                }
            }
        }
    }

    /// The store must be looked at anew.
    pub(super) fn start_anew(&mut self, cx: &mut Context<'_>) {
        // The pin must not wait for the store.
        cx.source(SourceJob::Close);
        self.phase = match self.doubts.raise(cx.now.mono, cx.config.node) {
            None => Phase::Start(Start::load(cx, self.known.clone())),
            Some(until) => Phase::Doubting(until, Then::Start),
        };
    }
}
