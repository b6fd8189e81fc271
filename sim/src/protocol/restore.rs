//! What can be restored from the store: by the chain of checksums as walsync does, or by names alone as
//! Litestream does.

use super::object::{Key, Pages, Txid};
use super::rule::{Rule, Rules};
use super::store::{Store, Stored};

/// A store as somebody who restores sees it.
#[derive(Clone, Copy, Debug)]
pub struct Listing<'a> {
    store: &'a Store,
    late_is_dead: bool,
    image_needs_claim: bool,
}

impl<'a> Listing<'a> {
    /// As these rules say.
    pub fn new(store: &'a Store, rules: &Rules) -> Listing<'a> {
        Listing {
            store,
            late_is_dead: rules.has(Rule::LateIsDead),
            image_needs_claim: rules.has(Rule::ImageNeedsClaim),
        }
    }

    /// As Litestream sees it: every object counts.
    pub fn of_litestream(store: &'a Store) -> Listing<'a> {
        Listing { store, late_is_dead: false, image_needs_claim: false }
    }

    /// The objects that count.
    pub fn objects(self) -> impl DoubleEndedIterator<Item = &'a Stored> {
        self.store.objects().iter().filter(move |stored| self.counts(stored.key))
    }

    fn counts(self, key: Key) -> bool {
        !(self.late_is_dead && self.store.is_late(key))
    }

    /// Whether an object may be a base or a step of a restore: the first image counts only while the claim slot
    /// continues it.
    fn is_usable(self, stored: &Stored) -> bool {
        let unclaimed = || match self.store.get(Key::Slot(2)) {
            Some(claim) => claim.before != Some(stored.object.after),
            None => false,
        };
        !(self.image_needs_claim && stored.key == Key::Snapshot(1) && unclaimed())
    }

    fn usable(self) -> impl DoubleEndedIterator<Item = &'a Stored> {
        self.objects().filter(move |stored| self.is_usable(stored))
    }

    /// The newest object, at the lowest level that has it.
    pub fn head(self, over_levels: bool) -> Option<&'a Stored> {
        let has_slot = self.objects().any(|stored| stored.key.is_slot());
        // Without the rule only level 0 decides, and the first image where there is no slot.
        let objects = self.objects().filter(|stored| {
            over_levels || stored.key.is_slot() || !has_slot && stored.key == Key::Snapshot(1)
        });
        objects.min_by_key(|stored| (u8::MAX - stored.key.max(), stored.key))
    }

    /// The largest TXID of any object that counts.
    pub fn last(self) -> Option<Txid> {
        self.objects().map(|stored| stored.key.max()).max()
    }

    /// The points that names promise.
    pub fn points(self) -> Vec<Txid> {
        let mut points: Vec<Txid> = self.usable().map(|stored| stored.key.max()).collect();
        points.sort_unstable();
        points.dedup();
        points.retain(|txid| self.by_names(*txid).is_some_and(|(reached, _)| reached == *txid));
        points
    }

    /// Litestream's plan up to `limit`: the newest snapshot, then always the object that reaches furthest. The
    /// slot it reaches and what it yields.
    pub fn by_names(self, limit: Txid) -> Option<(Txid, Pages)> {
        let snapshots = self.usable().filter(|o| matches!(o.key, Key::Snapshot(max) if max <= limit));
        let base = snapshots.max_by_key(|o| o.key.max())?;
        let (mut reached, mut content) = (base.key.max(), base.object.pages);
        loop {
            let steps = self.objects().filter(|o| {
                let continues = match o.key {
                    Key::Slot(txid) => txid == reached + 1,
                    Key::Compacted(min, _) => min <= reached + 1,
                    Key::Snapshot(_) => false,
                };
                continues && o.key.max() > reached && o.key.max() <= limit
            });
            let Some(next) = steps.max_by_key(|o| o.key.max()) else { return Some((reached, content)) };
            (reached, content) = (next.key.max(), next.object.pages.over(content));
        }
    }

    /// What walsync restores for a point: from the newest snapshot whose chain of checksums leads there.
    pub fn linked(self, target: Txid) -> Option<Pages> {
        let bases = self.usable().rev().filter(|stored| {
            let image = stored.object.before.is_none() && stored.object.pages.is_whole();
            image && stored.key.max() <= target && !matches!(stored.key, Key::Compacted(..))
        });
        bases.into_iter().find_map(|base| self.follow(base.key.max(), base.object.after, target))
    }

    fn follow(self, reached: Txid, content: Pages, target: Txid) -> Option<Pages> {
        if reached == target {
            return Some(content);
        }
        self.objects().rev().find_map(|stored| {
            let next = match stored.key {
                Key::Slot(txid) if txid == reached + 1 => stored.object.linked(content)?,
                Key::Compacted(min, max) if min <= reached + 1 && max > reached && max <= target => {
                    // One that begins earlier cannot be checked before it, only after.
                    let joins = min <= reached;
                    let result = stored.object.pages.over(content);
                    let fits = result == stored.object.after;
                    if joins { fits.then_some(result)? } else { stored.object.linked(content)? }
                }
                _ => return None,
            };
            self.follow(stored.key.max(), next, target)
        })
    }
}
