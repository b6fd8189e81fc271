//! What a single plan must be, whatever the place.

use super::life::Life;
use super::place::{Objects, numbers};
use crate::key::ObjectKey;
use crate::restore::Knowledge;
use crate::retention::{Policy, Retention, Trouble};
use crate::types::Level;
use std::collections::BTreeSet;

/// A law that does not hold: its name, and what was seen.
pub(super) type Broken = (&'static str, String);

pub(super) fn gone(retention: &Retention) -> BTreeSet<ObjectKey> {
    retention.deletes().map(|decision| decision.info.key).collect()
}

/// Plans, and holds the plan against every law that one place alone can tell of.
pub(super) fn plan_checked(life: &Life, policy: &Policy) -> Result<Retention, Broken> {
    let objects = &life.objects;
    let now = life.store_time();
    let (retention, known) = objects.plan_and_learn(policy, now);
    let gone = gone(&retention);
    if let Some(Trouble::Unproven { txid }) =
        retention.troubles.iter().find(|trouble| matches!(trouble, Trouble::Unproven { .. }))
    {
        return Err(("proof", format!("{txid} would have been lost")));
    }
    if retention.decisions.len() != objects.0.len() {
        return Err(("every object", "some object has no decision".to_owned()));
    }
    check_kept_by_kind(life, policy, &gone)?;
    check_report(objects, &known, &retention, &gone)?;
    check_idempotence(objects, policy, now, &gone)?;
    check_stages(objects, &retention)?;
    check_troubles(life, &retention, &gone)?;
    Ok(retention)
}

/// Claims, the newest slot, slots that are not compacted or not long enough.
fn check_kept_by_kind(life: &Life, policy: &Policy, gone: &BTreeSet<ObjectKey>) -> Result<(), Broken> {
    let listing = life.objects.listing();
    let slots = listing.level(Level::L0);
    let newest = slots.iter().map(|info| info.key).max();
    for slot in slots.iter().map(|info| info.key).filter(|key| gone.contains(key)) {
        if life.objects.0[&slot].facts.claim {
            return Err(("claims stay", slot.to_string()));
        }
        if Some(slot) == newest {
            return Err(("the newest slot stays", slot.to_string()));
        }
        let contains = |info: &&crate::key::ObjectInfo| {
            info.key.level() > Level::L0 && info.key.range().covers(slot.range())
        };
        let aged = |info: &&crate::key::ObjectInfo| {
            let age = life.store_time() - info.modified.as_millis();
            age >= i64::try_from(policy.l0.as_millis()).unwrap()
        };
        if !listing.objects().iter().filter(contains).any(|info| aged(&info)) {
            return Err(("slots stay for l0", slot.to_string()));
        }
    }
    Ok(())
}

/// Law 4: exactly the points that go are named.
fn check_report(
    objects: &Objects,
    known: &Knowledge,
    retention: &Retention,
    gone: &BTreeSet<ObjectKey>,
) -> Result<(), Broken> {
    let points = |gone| numbers(&objects.points_without(gone, known));
    let (before, after) = (points(&BTreeSet::new()), points(gone));
    let lost: BTreeSet<u64> = before.difference(&after).copied().collect();
    let told = numbers(&retention.points_removed);
    if lost != told {
        return Err(("report", format!("lost {lost:?}, told {told:?}")));
    }
    let promised: BTreeSet<u64> = retention.promised.iter().map(|(txid, _)| txid.into_inner()).collect();
    if let Some(missing) = promised.difference(&after).next() {
        return Err(("promised restores", missing.to_string()));
    }
    Ok(())
}

/// Law 1: planning again on what is left deletes nothing.
fn check_idempotence(
    objects: &Objects,
    policy: &Policy,
    now: i64,
    gone: &BTreeSet<ObjectKey>,
) -> Result<(), Broken> {
    let mut left = objects.clone();
    left.remove(gone.iter().copied());
    let again = left.plan(policy, now);
    match again.deletes().next() {
        Some(more) => Err(("idempotence", format!("{} goes in a second pass", more.info.key))),
        None => Ok(()),
    }
}

/// Wherever the stages end, also in the middle of one, what is promised restores, and nothing dead comes alive.
fn check_stages(objects: &Objects, retention: &Retention) -> Result<(), Broken> {
    let mut left = objects.clone();
    let dead: BTreeSet<ObjectKey> = objects.listing().late_arrivals().iter().map(|info| info.key).collect();
    let promised: Vec<u64> = retention.promised.iter().map(|(txid, _)| txid.into_inner()).collect();
    let before = objects.restorable();
    for stage in retention.stages() {
        for part in [stage.iter().step_by(2), stage[1.min(stage.len())..].iter().step_by(2)] {
            left.remove(part.map(|info| info.key));
            let restorable = left.restorable();
            if let Some(lost) = promised.iter().find(|n| !restorable.contains(n)) {
                return Err(("stages", format!("{lost} is lost on the way")));
            }
            if let Some(new) = restorable.iter().find(|n| !before.contains(n)) {
                return Err(("stages", format!("{new} appears on the way")));
            }
            let listing = left.listing();
            if let Some(alive) = dead.iter().find(|key| listing.get(**key).is_some()) {
                return Err(("stages", format!("{alive} is alive again")));
            }
        }
    }
    Ok(())
}

/// Nothing of a chain with something wrong in it goes, and only that keeps late slots.
fn check_troubles(life: &Life, retention: &Retention, gone: &BTreeSet<ObjectKey>) -> Result<(), Broken> {
    let listing = life.objects.listing();
    let damaged = listing.objects().iter().map(|info| info.key).filter(|key| life.objects.0[key].is_damaged);
    for damaged in damaged {
        let is_snapshot = |key: &ObjectKey| key.level() == Level::SNAPSHOT;
        let first = |key: ObjectKey| if is_snapshot(&key) { key.max() } else { key.min() };
        let touches = |key: &&ObjectKey| first(**key) <= damaged.max() && (**key).max() >= first(damaged);
        if let Some(key) = gone.iter().find(touches) {
            return Err(("breaks stop", format!("{key} goes, {damaged} is damaged")));
        }
    }
    if !life.is_touched && !retention.troubles.is_empty() {
        return Err(("no trouble of its own", format!("{:?}", retention.troubles)));
    }
    let late = listing.late_arrivals().iter().map(|info| info.key);
    if let Some(stays) = late.into_iter().find(|key| !gone.contains(key) && retention.troubles.is_empty()) {
        return Err(("late slots go", stays.to_string()));
    }
    Ok(())
}
