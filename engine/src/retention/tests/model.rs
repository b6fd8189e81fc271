//! Which points the policy promises, from everything that ever happened: simple, slow, and apart from the planner.

use super::life::{Life, Made};
use crate::retention::{Period, Policy};
use crate::types::Level;
use std::collections::BTreeSet;

/// The numbers of all states that the policy promises now, by true times of points and the store's ages of objects.
pub(super) fn promised(life: &Life, policy: &Policy) -> BTreeSet<u64> {
    let all = life.slots.keys().copied();
    all.filter(|n| is_promised(life, policy, *n)).collect()
}

fn is_promised(life: &Life, policy: &Policy, n: u64) -> bool {
    n == life.head()
        || is_slot_promised(life, policy, n)
        || is_end(life, n) && is_younger(life, n, policy.pitr.as_millis())
        || is_end(life, n) && Period::ALL.into_iter().any(|period| is_last(life, policy, period, n))
}

/// Not compacted, or less than `l0` ago by the latest that the store's clock showed.
fn is_slot_promised(life: &Life, policy: &Policy, n: u64) -> bool {
    let compacted = life.made.iter().filter(|made| contains(made, n)).map(|made| made.arrived).min();
    compacted.is_none_or(|at| i128::from(life.store_shown - at) < policy.l0.as_millis() as i128)
}

fn contains(made: &Made, n: u64) -> bool {
    made.key.min().into_inner() <= n && n <= made.key.max().into_inner()
}

/// The end of a compacted object or of a snapshot, or a slot that is in no compacted object.
fn is_end(life: &Life, n: u64) -> bool {
    let is_merged = life.made.iter().any(|made| made.key.level() < Level::SNAPSHOT && contains(made, n));
    is_upper_end(life, n) || !is_merged
}

fn is_upper_end(life: &Life, n: u64) -> bool {
    life.made.iter().any(|made| made.key.max().into_inner() == n)
}

fn is_younger(life: &Life, n: u64, limit_ms: u128) -> bool {
    i128::from(life.true_time - life.slots[&n].sealed) < limit_ms as i128
}

/// The last end of its period, and the period is one of the last.
fn is_last(life: &Life, policy: &Policy, period: Period, n: u64) -> bool {
    let count = match period {
        Period::Hour => policy.hourly,
        Period::Day => policy.daily,
        Period::Week => policy.weekly,
        Period::Month => policy.monthly,
    };
    let number = |ms| period.number(super::place::at(ms));
    let mine = number(life.slots[&n].header);
    let stands =
        |later: u64| if is_upper_end(life, n) { is_upper_end(life, later) } else { is_end(life, later) };
    let has_later =
        life.slots.range(n + 1..).any(|(later, slot)| number(slot.header) == mine && stands(*later));
    !has_later && number(life.true_time) - number(life.slots[&n].sealed) < i64::from(count)
}
