//! Properties 8, 11, 13 and 26: what a policy promises is there, and what goes had to go. Told by the store's own changes and
//! clock, without the planner: it knows no headers' times, no plans and no levels but their number.

use crate::oracle::mirror::take_apart;
use crate::outcome::Violation;
use engine::key::{Layout, ObjectKey, Place};
use engine::retention::{Period, Policy};
use engine::types::{Level, LockByte, Timestamp, Txid};
use io_sim::s3::{ChangeKind, SimS3};
use std::collections::{BTreeMap, BTreeSet};

/// A slot, and the checksum of the database there.
type State = (u64, u64);

/// An object that came.
#[derive(Clone, Copy, Debug)]
struct Came {
    arrived: Timestamp,
    /// When its writer sealed the last sync in it, by the writer's clock.
    sealed: Timestamp,
    /// `None`: it begins a chain.
    from: Option<State>,
    to: State,
    claim: bool,
    is_there: bool,
    /// Its bytes are what was sent.
    is_whole: bool,
}

/// Everything that ever came to a place.
#[derive(Debug, Default)]
pub struct Custody {
    objects: BTreeMap<ObjectKey, Came>,
    /// When a slot was in an object above level 0 for the first time.
    compacted: BTreeMap<u64, Timestamp>,
    /// When an object came for the first time that ends with a slot.
    came: BTreeMap<u64, Timestamp>,
    /// Slots that were announced.
    announced: BTreeSet<u64>,
    /// Slots that somebody's own policy does not promise, who deletes: nobody asks for them any more.
    let_go: BTreeSet<u64>,
    /// Somebody took an object for damaged, be it that it came wrong: it is looked at again later.
    pub doubted: bool,
    /// Objects were missing on the way to something that is promised, and that was told: around them nothing goes.
    pub has_stopped: bool,
    /// Deletes since the last look.
    deleted: bool,
    /// How many, of slots and of others.
    pub gone: (usize, usize),
    /// How many objects came.
    pub arrivals: usize,
}

impl Custody {
    /// An object came or went. `by_hand`: whoever made it knows only that its slots are in the store.
    pub fn changed(
        &mut self,
        store: &SimS3,
        place: &Place,
        (name, kind, at): (&str, ChangeKind, Timestamp),
        policy: &Policy,
        by_hand: bool,
    ) -> Result<(), Violation> {
        let Some(key) = place.name_of(name).and_then(|name| ObjectKey::parse(Layout::S3, name)) else {
            return Ok(());
        };
        if kind == ChangeKind::Deleted {
            return self.went(key, at, policy);
        }
        let Some(object) = store.peek(name).and_then(|o| take_apart(&o.bytes, LockByte::SQLITE).ok()) else {
            return Ok(());
        };
        let Some(chain) = object.header.chain() else { return Ok(()) };
        let before = key.min().into_inner() - 1;
        let came = Came {
            arrived: at,
            sealed: object.header.timestamp(),
            from: chain.before.map(|sum| (before, sum.into_inner())),
            to: (key.max().into_inner(), chain.after.into_inner()),
            claim: chain.claim,
            is_there: true,
            is_whole: true,
        };
        let is_compacted = key.level() > Level::L0 && key.level() < Level::SNAPSHOT;
        if is_compacted && (came.from.is_none() || key.starts_at_one()) {
            return Err(Violation::new(11, format!("{key} holds a whole database: it was copied upward")));
        }
        let slot_came = |slot: ObjectKey| self.objects.get(&slot).is_some_and(|slot| slot.to == came.to);
        if is_compacted
            && !self.announced.contains(&came.to.0)
            && self.newest().is_some_and(|n| n < came.to.0)
            && !(by_hand && slot_came(ObjectKey::slot(key.max())))
        {
            let message = format!("{key} was made of slots that nobody has announced");
            return Err(Violation::new(5, message));
        }
        let slot = self.objects.get(&ObjectKey::slot(key.max())).filter(|slot| slot.to == came.to);
        if let Some(slot) = slot.filter(|slot| is_compacted && slot.sealed != came.sealed) {
            let message = format!("{key} is of {:?}, its last slot of {:?}", came.sealed, slot.sealed);
            return Err(Violation::new(11, message));
        }
        if key.level() > Level::L0 {
            // Those of a snapshot that were let go before it are asked for by nobody.
            let first = self.announced.first().copied().unwrap_or(1).max(before + 1);
            for n in first..=came.to.0 {
                self.compacted.entry(n).or_insert(at);
            }
        }
        self.came.entry(came.to.0).or_insert(at);
        self.objects.insert(key, came);
        self.arrivals += 1;
        Ok(())
    }

    /// An object lies there with other bytes than were sent.
    pub fn spoiled(&mut self, key: ObjectKey) {
        if let Some(came) = self.objects.get_mut(&key) {
            came.is_whole = false;
        }
    }

    /// Whether an object lies there that is not what was sent.
    pub fn has_spoiled(&self) -> bool {
        self.spoilt().next().is_some()
    }

    /// The objects that lie there and are not what was sent.
    pub fn spoilt(&self) -> impl Iterator<Item = ObjectKey> {
        self.there().filter(|(_, came)| !came.is_whole).map(|(key, _)| *key)
    }

    /// Everything that was to be done is done: the highest level ends where the slots do, and of what it holds no slot is
    /// left that was to go.
    pub fn is_at_rest(&self, now: Timestamp, policy: &Policy, top: Level) -> Result<(), Violation> {
        if self.doubted || self.has_stopped || self.has_spoiled() {
            return Ok(());
        }
        let slots = || self.there().filter(|(key, _)| key.level() == Level::L0);
        let Some((newest, head)) = slots().next_back() else { return Ok(()) };
        let is_upper = |key: &ObjectKey| key.level() >= top && key.level() < Level::SNAPSHOT;
        let reaches = self.there().any(|(key, came)| is_upper(key) && came.to == head.to);
        if head.from.is_some() && !reaches {
            return Err(Violation::new(
                29,
                format!("level {top} does not reach {newest}, and nothing is to come"),
            ));
        }
        let is_old = |at: Timestamp| age_ms(at, now) > 2 * policy.l0.as_millis() as i128 + 60_000;
        let goes =
            |(key, came): &(&ObjectKey, &Came)| *key != newest && !came.claim && !self.is_late(**key, came);
        // What ends with the slot, and arrives after what goes on beyond it, makes a point of it again, and nobody waits for that
        // to grow old.
        let is_point_anew = |slot: &ObjectKey| {
            let upper = || self.there().filter(|(other, _)| other.level() > Level::L0);
            let ends_there = upper().filter(|(other, _)| (**other).max() == (*slot).max());
            ends_there.into_iter().any(|(_, end)| {
                let goes_on =
                    |other: &ObjectKey| other.range().covers(slot.range()) && (*other).max() > (*slot).max();
                upper().any(|(other, made)| goes_on(other) && made.arrived < end.arrived)
            })
        };
        let stays = slots().filter(goes).filter(|(key, _)| !is_point_anew(key)).find(|(key, _)| {
            self.there().any(|(other, made)| {
                is_upper(other) && other.range().covers(key.range()) && is_old(made.arrived)
            })
        });
        match stays {
            Some((key, _)) => {
                Err(Violation::new(29, format!("{key} is still there, and nothing is to come")))
            }
            None => Ok(()),
        }
    }

    /// A slot was announced.
    pub fn announced(&mut self, txid: Txid) {
        self.announced.insert(txid.into_inner());
    }

    /// Whether something went since this was asked last.
    pub fn take_deleted(&mut self) -> bool {
        std::mem::take(&mut self.deleted)
    }

    /// Somebody deletes under a policy of his own: what that does not promise at this moment is promised to nobody any
    /// more. What `l0` promises to a sync no other policy takes away.
    pub fn lets_go(&mut self, now: Timestamp, policies: [&Policy; 2], clocks_are_right: bool) {
        let [theirs, writers] = policies;
        let l0 = theirs.l0.max(writers.l0);
        let kept = self.kept_by(now, &Policy { l0, ..*theirs }, clocks_are_right);
        let (ends, newest) = (self.ends(), self.newest());
        let known = self.announced.iter().chain(ends.keys()).filter(|n| Some(**n) <= newest);
        self.let_go.extend(known.filter(|n| !kept.contains_key(n)));
    }

    /// Whether what leads to a slot begins with a full image in a slot whose snapshot was spoiled, or has gone while the slot
    /// stays as a claim: no restore takes such an image where a later snapshot covers it (docs/progress.md, swarm seed 2180).
    pub fn rests_on_a_covered_image(&self, n: u64) -> bool {
        let bases = || self.there().filter(|(key, came)| key.level() == Level::SNAPSHOT && came.is_whole);
        let is_image = |(key, came): &(&ObjectKey, &Came)| key.level() == Level::L0 && came.from.is_none();
        let images = self.there().filter(is_image).map(|(_, came)| came.to.0);
        let newest = images.filter(|at| *at <= n).max();
        newest.is_some_and(|at| {
            let has_base = bases().any(|(_, base)| (at..=n).contains(&base.to.0));
            !has_base && bases().any(|(_, base)| base.to.0 > n)
        })
    }

    /// Whether an object is there now; `None`: it never came.
    pub fn is_there(&self, key: ObjectKey) -> Option<bool> {
        self.objects.get(&key).map(|came| came.is_there)
    }

    /// An object went: was it to?
    fn went(&mut self, key: ObjectKey, at: Timestamp, policy: &Policy) -> Result<(), Violation> {
        let wrong = |why: &str| Err(Violation::new(8, format!("{key} was deleted: {why}")));
        let newest_slot = self.there().filter(|(key, _)| key.level() == Level::L0).map(|(key, _)| *key).max();
        let Some(came) = self.objects.get(&key).copied() else { return Ok(()) };
        let is_late = self.is_late(key, &came);
        if key.level() == Level::L0 && !is_late {
            // One that nobody announced may be taken back by who made it.
            if came.claim && self.announced.contains(&key.max().into_inner()) {
                return wrong("it is a claim");
            }
            if newest_slot == Some(key) {
                return wrong("it is the newest slot");
            }
            if self.compacted.get(&key.max().into_inner()).is_none_or(|since| is_younger(*since, at, policy))
            {
                return wrong("it was not compacted, or less than `l0` ago");
            }
        }
        let came = self.objects.get_mut(&key).expect("just seen");
        came.is_there = false;
        self.deleted = true;
        if key.level() == Level::L0 {
            self.gone.0 += 1
        } else {
            self.gone.1 += 1
        }
        Ok(())
    }

    /// Whether it came after an object that contains it: its writer did not know that the number was settled.
    fn is_late(&self, key: ObjectKey, came: &Came) -> bool {
        let contains = |other: &ObjectKey| other.level() > Level::L0 && other.range().covers(key.range());
        self.there().any(|(other, made)| contains(other) && made.arrived < came.arrived)
    }

    /// What every place keeps, and what the policy promises at this moment of the store's clock, can be restored.
    pub fn check(&self, now: Timestamp, policy: &Policy, clocks_are_right: bool) -> Result<(), Violation> {
        let reached = self.reached();
        for (n, why) in self.promised(now, policy, clocks_are_right) {
            // A later one may be in the store, which its writer does not know to be there.
            let has_later = why == NEWEST && reached.range(n..).next().is_some();
            if !reached.contains(&n) && !has_later {
                let message = format!("slot {n} cannot be restored any more, and it is promised: {why}");
                return Err(Violation::new(8, message));
            }
        }
        Ok(())
    }

    /// The slots that must be points, and why: what the policy promises, but for what somebody else's did not.
    pub fn promised(
        &self,
        now: Timestamp,
        policy: &Policy,
        clocks_are_right: bool,
    ) -> BTreeMap<u64, &'static str> {
        let mut promised = self.kept_by(now, policy, clocks_are_right);
        promised.retain(|n, _| !self.let_go.contains(n));
        promised
    }

    /// What a policy promises. Ages by the store's times of arrival, which no clock of a writer changes: a point is never
    /// older than that.
    fn kept_by(
        &self,
        now: Timestamp,
        policy: &Policy,
        clocks_are_right: bool,
    ) -> BTreeMap<u64, &'static str> {
        let mut promised = BTreeMap::new();
        promised.extend(self.newest().map(|n| (n, NEWEST)));
        for n in &self.announced {
            if self.compacted.get(n).is_none_or(|since| is_younger(*since, now, policy)) {
                promised.insert(*n, "`l0`");
            }
        }
        let ends = self.ends();
        for (n, (arrived, _)) in &ends {
            if age_ms(*arrived, now) < policy.pitr.as_millis() as i128 {
                promised.insert(*n, "`pitr`");
            }
        }
        if !clocks_are_right {
            return promised;
        }
        let Some(newest) = self.objects.values().map(|came| came.sealed).max() else { return promised };
        for period in Period::ALL {
            let mut last: BTreeMap<i64, u64> = BTreeMap::new();
            for (n, (_, sealed)) in &ends {
                last.insert(period.number(*sealed), *n);
            }
            let first = period.number(newest) - i64::from(policy.count(period)) + 1;
            promised.extend(last.range(first..).map(|(_, n)| (*n, "the last of its period")));
        }
        promised
    }

    /// Ends of compacted objects and snapshots, of all that ever were: since when, and when they were sealed.
    fn ends(&self) -> BTreeMap<u64, (Timestamp, Timestamp)> {
        let mut ends: BTreeMap<u64, (Timestamp, Timestamp)> = BTreeMap::new();
        // One that was never what its writer sent ends nothing.
        let is_end = |(key, came): &(&ObjectKey, &Came)| key.level() > Level::L0 && came.is_whole;
        for (key, came) in self.objects.iter().filter(is_end) {
            // A first image counts with its claim only.
            let n = (*key).max().into_inner();
            if n == 1 {
                continue;
            }
            // The state is as old as the first object that held it or a later one.
            let arrived = self.came.range(n..).map(|(_, at)| *at).min().unwrap_or(came.arrived);
            ends.insert(n, (arrived, came.sealed));
        }
        ends
    }

    fn newest(&self) -> Option<u64> {
        self.announced.last().copied()
    }

    fn there(&self) -> impl DoubleEndedIterator<Item = (&ObjectKey, &Came)> {
        self.objects.iter().filter(|(_, came)| came.is_there)
    }

    /// The slots that objects lead to, from one state to the next. An object may begin before the state that it is applied to,
    /// if that is of its chain: what it holds is newer.
    pub fn reached(&self) -> BTreeSet<u64> {
        self.reached_by(|_, _| true)
    }

    /// The same for a reader who knows that late slots count for nothing, without some of the objects.
    pub fn points_without(&self, gone: &BTreeSet<ObjectKey>) -> BTreeSet<u64> {
        let is_late = |key: ObjectKey, came: &Came| key.level() == Level::L0 && self.is_late(key, came);
        self.reached_by(|key, came| !gone.contains(&key) && !is_late(key, came))
    }

    fn reached_by(&self, counts: impl Fn(ObjectKey, &Came) -> bool) -> BTreeSet<u64> {
        let whole = self.there().filter(|(key, came)| came.is_whole && counts(**key, came));
        let steps: Vec<&Came> = whole.map(|(_, came)| came).collect();
        let ever: BTreeSet<State> = self.objects.values().map(|came| came.to).collect();
        let anew: BTreeSet<u64> = self
            .objects
            .iter()
            .filter(|(key, came)| key.level() == Level::L0 && came.from.is_none())
            .map(|(_, came)| came.to.0)
            .collect();
        let continues = |from: State, at: State| {
            from == at
                || from.0 < at.0 && ever.contains(&from) && anew.range(from.0 + 1..=at.0).next().is_none()
        };
        let mut reached: BTreeSet<State> =
            steps.iter().filter(|step| step.from.is_none()).map(|step| step.to).collect();
        loop {
            let before = reached.len();
            for step in &steps {
                let Some(from) = step.from.filter(|_| !reached.contains(&step.to)) else { continue };
                let applies = |at: &State| at.0 < step.to.0 && continues(from, *at);
                if reached.range((from.0, 0)..(step.to.0, 0)).any(applies) {
                    reached.insert(step.to);
                }
            }
            if reached.len() == before {
                return reached.into_iter().map(|(n, _)| n).collect();
            }
        }
    }
}

/// Why the newest state is promised.
pub const NEWEST: &str = "the newest";

fn is_younger(since: Timestamp, now: Timestamp, policy: &Policy) -> bool {
    age_ms(since, now) < policy.l0.as_millis() as i128
}

fn age_ms(since: Timestamp, now: Timestamp) -> i128 {
    i128::from(now.as_millis()) - i128::from(since.as_millis())
}
