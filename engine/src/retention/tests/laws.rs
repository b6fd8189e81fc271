//! What must hold over whole lives: with plans of several planners, some of which act on what they saw long ago.

use super::calls::{Broken, gone, plan_checked};
use super::life::{Deed, HOUR_MS, Kind, Life, deeds};
use super::model::promised;
use crate::key::ObjectKey;
use crate::retention::Policy;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::time::Duration;

/// Deletes that were planned and are not done, and after how many deeds they are.
struct Pending {
    gone: BTreeSet<ObjectKey>,
    deeds_left: usize,
    /// What the policy promised when they were planned, up to which state, and how many objects had been made by then.
    promised: BTreeSet<u64>,
    head: u64,
    made: usize,
}

impl Pending {
    fn plan(life: &Life, policy: &Policy, deeds_left: usize) -> Result<Pending, Broken> {
        let gone = gone(&plan_checked(life, policy)?);
        let promised = promised(life, policy);
        Ok(Pending { gone, deeds_left, promised, head: life.head(), made: life.made.len() })
    }

    /// Whether a state was given up when this was planned, and is promised because an object that ends there has been made
    /// since. Until then a later sync of the same period stood for it, and still does: it alone is not put out of its place.
    fn gave_up_before_it_was_an_end(&self, life: &Life, n: u64) -> bool {
        let is_new_end = life.made.iter().skip(self.made).any(|made| made.key.max().into_inner() == n);
        n <= self.head && !self.promised.contains(&n) && is_new_end
    }
}

/// Lives a life and tells the first law that breaks.
pub(super) fn live(other_tool: bool, policy: &Policy, deeds: &[Deed]) -> Result<(), Broken> {
    let mut life = Life::begin(other_tool);
    let mut pending: Vec<Pending> = Vec::new();
    for deed in deeds {
        life.act(deed);
        if matches!(deed, Deed::Lose(_) | Deed::Damage(_)) {
            // What a plan was built on may be gone: nobody can make up for that.
            pending.clear();
        }
        let now = match deed {
            Deed::Retain => Some(0),
            Deed::RetainLater(count) => Some(count + 1),
            _ => None,
        };
        if let Some(deeds_left) = now {
            pending.push(Pending::plan(&life, policy, deeds_left)?);
        }
        for plan in &mut pending {
            if plan.deeds_left == 0 {
                apply(&mut life, policy, plan)?;
            }
        }
        pending.retain(|plan| plan.deeds_left > 0);
        pending.iter_mut().for_each(|plan| plan.deeds_left -= 1);
    }
    Ok(())
}

/// Laws 2, 3, 5, 6 and 7: whoever planned it, and when: what the policy promises now and restores now, restores after it.
fn apply(life: &mut Life, policy: &Policy, plan: &Pending) -> Result<(), Broken> {
    let before = life.objects.restorable();
    life.objects.remove(plan.gone.iter().copied());
    let after = life.objects.restorable();
    let mut lost = promised(life, policy).into_iter().filter(|n| before.contains(n) && !after.contains(n));
    let lost = lost.find(|n| !plan.gave_up_before_it_was_an_end(life, *n));
    match lost {
        Some(n) if n == life.head() => Err(("the newest chain stays", n.to_string())),
        Some(n) => Err(("promises are kept", n.to_string())),
        None => Ok(()),
    }
}

pub(super) fn policies() -> impl Strategy<Value = Policy> {
    let minute = Duration::from_secs(60);
    let hours = |hours: i64| Duration::from_millis(u64::try_from(hours * HOUR_MS).unwrap());
    let l0 = prop::sample::select(vec![Duration::ZERO, Duration::from_secs(1), 5 * minute, hours(1)]);
    let pitr = prop::sample::select(vec![Duration::ZERO, 10 * minute, hours(24)]);
    let count = || prop::sample::select(vec![0_u32, 0, 1, 2, 24]);
    (l0, pitr, count(), count(), count(), count()).prop_map(|(l0, pitr, hourly, daily, weekly, monthly)| {
        Policy { l0, pitr, hourly, daily, weekly, monthly }
    })
}

/// How many lives of each kind are lived; more in a soak that is built for it.
fn cases() -> u32 {
    option_env!("WALSYNC_LIVES").map_or(48, |text| text.parse().expect("WALSYNC_LIVES is a number"))
}

pub(super) type Lived = (bool, Policy, Vec<Deed>);

pub(super) fn lives(kind: Kind) -> impl Strategy<Value = Lived> {
    (prop::bool::weighted(if kind == Kind::Plain { 0.0 } else { 0.3 }), policies(), deeds(kind))
}

proptest! {
    // Each life is tens of plans, each of them held against everything.
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn plain_lives_keep_every_law((other_tool, policy, deeds) in lives(Kind::Plain)) {
        prop_assert_eq!(live(other_tool, &policy, &deeds), Ok(()));
    }

    #[test]
    fn rough_lives_keep_every_law((other_tool, policy, deeds) in lives(Kind::Rough)) {
        prop_assert_eq!(live(other_tool, &policy, &deeds), Ok(()));
    }

    #[test]
    fn writers_clocks_that_jump_delete_nothing_early((other_tool, policy, deeds) in lives(Kind::WriterJumps)) {
        prop_assert_eq!(live(other_tool, &policy, &deeds), Ok(()));
    }

    #[test]
    fn a_stores_clock_that_jumps_deletes_nothing_early((other_tool, policy, deeds) in lives(Kind::StoreJumps)) {
        prop_assert_eq!(live(other_tool, &policy, &deeds), Ok(()));
    }
}

const NOTHING: Policy =
    Policy { l0: Duration::ZERO, pitr: Duration::ZERO, hourly: 0, daily: 0, weekly: 0, monthly: 0 };

fn compact(count: usize, across: bool) -> Deed {
    Deed::Compact { level: 1, count, across }
}

fn image(other_page_size: bool, snapshot: bool) -> Deed {
    Deed::Image { other_page_size, snapshot }
}

/// A sync stands for its week; then an earlier one is the end of an object, and is already on the list of what goes.
#[test]
fn a_plan_is_done_after_a_sync_that_it_gave_up_became_an_end() {
    let syncs = |count| Deed::Sync { count, apart_ms: 75 * HOUR_MS };
    let policy = Policy { weekly: 2, ..NOTHING };
    let deeds = [
        syncs(3),
        image(false, false),
        syncs(2),
        image(false, true),
        Deed::RetainLater(0),
        compact(4, false),
    ];
    assert_eq!(live(false, &policy, &deeds), Ok(()));
}

/// A claim alone is left of what came before a snapshot: no level goes on there.
#[test]
fn a_claim_behind_a_gap_is_no_beginning_of_an_object() {
    let syncs = || Deed::Sync { count: 5, apart_ms: HOUR_MS };
    let policy = Policy { daily: 2, ..NOTHING };
    let deeds = [
        compact(1, false),
        syncs(),
        Deed::Claim,
        image(false, false),
        syncs(),
        Deed::Snapshot,
        Deed::Retain,
        compact(1, false),
        Deed::Retain,
    ];
    assert_eq!(live(false, &policy, &deeds), Ok(()));
}

/// The first slot goes, and with it what showed that the second, of another page size, is an image.
#[test]
fn an_image_of_another_tool_stays_one_when_the_slot_before_it_has_gone() {
    let policy = Policy { pitr: Duration::from_secs(600), weekly: 24, ..NOTHING };
    let deeds =
        [image(true, true), Deed::Sync { count: 1, apart_ms: 500 * HOUR_MS }, compact(3, true), Deed::Retain];
    assert_eq!(live(true, &policy, &deeds), Ok(()));
}
