//! Listings without any sense: what is planned keeps the rules.

use super::plan::{FREE, ask, level};
use super::*;
use crate::restore::world::{World, key, txid, untagged};
use crate::types::Level;
use proptest::prelude::*;

/// Objects of a few levels over few TXIDs, so that they overlap, miss and contradict each other.
fn any_world() -> impl Strategy<Value = World> {
    let object = (prop_oneof![3 => Just(0_u8), 2 => 1..=3_u8, 1 => Just(9)], 1..14_u64, 0..4_u64);
    let state = || prop::option::weighted(0.9, prop_oneof![9 => Just(0), 1 => 1..3_u64]);
    let facts = (state(), state(), prop::bool::weighted(0.05), prop::bool::weighted(0.05), any::<bool>());
    prop::collection::vec((object, facts), 0..30).prop_map(|objects| {
        let mut world = World::default();
        for ((level, min, more), (before, after, is_resized, is_damaged, is_full)) in objects {
            let (min, max) = match level {
                0 => (min, min),
                9 => (1, min + more),
                _ => (min, min + more),
            };
            let key = key(level, min, max);
            let mut facts = untagged(key);
            // A state has a checksum, now and then another one than the others say.
            facts.after = after.map(|other| Checksum::new(10 * max + other));
            facts.before =
                before.filter(|_| after.is_some()).map(|other| Checksum::new(10 * (min - 1) + other));
            if is_resized {
                facts.page_size = PageSize::new(512).unwrap();
            }
            world.facts.insert(key, facts);
            if is_damaged {
                world.damaged.insert(key);
            }
            if is_full {
                world.full_images.insert(key);
            }
        }
        world
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn whatever_is_listed_the_plan_keeps_its_rules(
        world in any_world(),
        target in 1..=3_u8,
        confirmed in 1..18_u64,
        (inputs_max, outputs_max) in (1..5_usize, 1..4_usize),
    ) {
        let limits = Limits { inputs_max, outputs_max, ..FREE };
        let plan = ask(&world, &Levels::default(), target, confirmed, limits);
        let mut newest = world.facts.keys().filter(|key| (target..9).contains(&key.level().get())).map(|key| (*key).max()).max();
        prop_assert!(plan.compactions.len() <= outputs_max);
        for made in &plan.compactions {
            prop_assert!(!world.facts.contains_key(&made.output));
            prop_assert!(newest < Some(made.output.min()), "beyond what the level has");
            newest = Some(made.output.max());
            prop_assert!(made.output.max() <= txid(confirmed));
            prop_assert_eq!(made.output.level(), level(target));
            prop_assert!((1..=inputs_max).contains(&made.inputs.len()));
            let inputs: Vec<ObjectKey> = made.inputs.iter().map(|input| input.key).collect();
            prop_assert_eq!(inputs[0].min(), made.output.min());
            prop_assert_eq!(inputs[inputs.len() - 1].max(), made.output.max());
            prop_assert!(inputs.windows(2).all(|pair| pair[0].max() + 1 == pair[1].min()));
            for input in &inputs {
                let facts = world.facts[input];
                prop_assert!(input.level() < level(target) && !input.starts_at_one());
                prop_assert!(facts.after.is_none() || facts.before.is_some(), "{} begins anew", input);
                let is_unsaid = input.level() == Level::L0 && facts.after.is_none();
                prop_assert!(!(is_unsaid && world.full_images.contains(input)), "{} holds every page", input);
                prop_assert!(!world.damaged.contains(input));
                prop_assert!(!made.is_chained || facts.after.is_some());
            }
            for pair in inputs.windows(2) {
                let (left, right) = (world.facts[&pair[0]], world.facts[&pair[1]]);
                prop_assert_eq!(left.page_size, right.page_size);
                match (left.after, right.before) {
                    (Some(after), Some(before)) => prop_assert_eq!(after, before),
                    _ => prop_assert!(!made.is_chained),
                }
            }
        }
    }
}
