//! Random places, sound ones and ones with a single damage, against an oracle that tries every object on every state.

use super::*;
use proptest::prelude::*;
use proptest::sample::Index;

/// How a place came to be.
#[derive(Clone, Debug)]
struct Shape {
    slots: u64,
    is_tagged: bool,
    /// Level, first slot, how many; whether what is inside went.
    compactions: Vec<(u8, Index, u64, bool)>,
    /// Snapshots, and whether everything before went.
    snapshots: Vec<(Index, bool)>,
}

#[derive(Clone, Copy, Debug)]
enum Damage {
    Removed,
    Unreadable,
    PageIndex,
    /// Another history has an object of that name.
    Foreign,
}

fn shapes() -> impl Strategy<Value = Shape> {
    let compaction = (1_u8..4, any::<Index>(), 1_u64..6, any::<bool>());
    let snapshot = (any::<Index>(), any::<bool>());
    (3_u64..14, any::<bool>(), prop::collection::vec(compaction, 0..4), prop::collection::vec(snapshot, 0..3))
        .prop_map(|(slots, is_tagged, mut compactions, snapshots)| {
            compactions.sort_by_key(|compaction| compaction.0);
            Shape { slots, is_tagged, compactions, snapshots }
        })
}

impl Shape {
    fn scene(&self) -> Scene {
        let mut keys: BTreeSet<ObjectKey> = (2..=self.slots).map(|n| key(0, n, n)).collect();
        keys.insert(if self.is_tagged { key(9, 1, 1) } else { key(0, 1, 1) });
        let is_kept = |k: &ObjectKey| *k == key(0, 2, 2) || k.range().max().into_inner() == self.slots;
        for (level, from, count, is_thinned) in &self.compactions {
            // Nobody compacts the first image or its claim.
            let min = 3 + from.index(usize::try_from(self.slots).unwrap() - 2) as u64;
            let made = key(*level, min, (min + count - 1).min(self.slots));
            let below = |k: &ObjectKey| k.level() < made.level() && made.range().covers(k.range());
            // It is made of what is there.
            if keys.iter().filter(|k| below(k)).any(|k| k.range().min() == made.min()) {
                keys.retain(|k| !(*is_thinned && below(k)) || is_kept(k));
                keys.insert(made);
            }
        }
        let scene = self.of(&keys);
        let points = points(&scene);
        for (at, is_thinned) in &self.snapshots {
            let max = *at.get(&points.iter().copied().collect::<Vec<_>>());
            keys.insert(key(9, 1, max.into_inner()));
            keys.retain(|k| !*is_thinned || k.range().max() >= max || is_kept(k));
        }
        self.of(&keys)
    }

    fn of(&self, keys: &BTreeSet<ObjectKey>) -> Scene {
        let keys: Vec<ObjectKey> = keys.iter().copied().collect();
        if self.is_tagged {
            Scene::tagged(&keys)
        } else {
            Scene { world: World::of(&keys), ..Scene::default() }
        }
    }
}

/// Every object that a sound way ends with.
fn usable(scene: &Scene) -> BTreeSet<ObjectKey> {
    let facts = &scene.world.facts;
    let is_sound = |k: &ObjectKey| !scene.world.damaged.contains(k) && !scene.index_damaged.contains(k);
    let (image, claim) = (key(9, 1, 1), key(0, 2, 2));
    let is_claimed = facts.get(&image).is_none_or(|image| {
        image.after.is_none()
            || facts.get(&claim).is_some_and(|f| f.before == image.after) && is_sound(&claim)
    });
    let counts = |k: &ObjectKey| is_sound(k) && (*k != image || is_claimed);
    let sound: Vec<ObjectKey> = facts.keys().copied().filter(counts).collect();
    let mut usable: BTreeSet<ObjectKey> = sound.iter().copied().filter(|k| k.starts_at_one()).collect();
    let applies = |left: &ObjectKey, right: &ObjectKey| {
        let is_next = left.range().max().into_inner() + 1 >= right.range().min().into_inner()
            && left.range().max() < right.range().max();
        let (after, before) = (facts[left].after, facts[right].before);
        let is_exact = left.range().max().into_inner() + 1 == right.range().min().into_inner();
        is_next && (!is_exact || after.is_none() || before.is_none() || after == before)
    };
    loop {
        let more = sound.iter().find(|k| !usable.contains(*k) && usable.iter().any(|left| applies(left, k)));
        match more {
            Some(more) => usable.insert(*more),
            None => return usable,
        };
    }
}

fn points(scene: &Scene) -> BTreeSet<Txid> {
    usable(scene).into_iter().map(ObjectKey::max).collect()
}

fn names(report: &Report, key: ObjectKey) -> bool {
    let name = key.to_string();
    report.problems.iter().any(|p| p.object.as_deref() == Some(&name) || p.message.contains(&name))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn sound_places_are_ok(shape in shapes()) {
        let scene = shape.scene();
        for depth in [Depth::Shallow, Depth::Deep] {
            let report = scene.verify(depth);
            prop_assert!(report.is_ok(), "{:?} of {:?}", told(&report.problems), scene.world.facts.keys());
        }
    }

    #[test]
    fn what_keeps_a_point_from_being_restored_is_named(
        shape in shapes(),
        which in any::<Index>(),
        damage in prop::sample::select(vec![
            Damage::Removed, Damage::Unreadable, Damage::PageIndex, Damage::Foreign,
        ]),
    ) {
        let sound = shape.scene();
        let key = *which.get(&sound.world.facts.keys().copied().collect::<Vec<_>>());
        let mut scene = sound.clone();
        match damage {
            Damage::Removed => scene = scene.without(key),
            Damage::Unreadable => drop(scene.world.damaged.insert(key)),
            Damage::PageIndex => drop(scene.index_damaged.insert(key)),
            Damage::Foreign => {
                let facts = scene.facts(key);
                facts.before = facts.before.map(|_| state(1000));
                facts.after = facts.after.map(|_| state(1001));
            }
        }
        let usable = usable(&scene);
        let lost: BTreeSet<Txid> = points(&sound).difference(&points(&scene)).copied().collect();
        let report = scene.verify(Depth::Shallow);
        let why = format!(
            "{key} {damage:?}: lost {lost:?}, told {:?}, of {:?}",
            told(&report.problems), scene.world.facts.keys().map(|k| k.to_string()).collect::<Vec<_>>()
        );
        match damage {
            Damage::Removed => {
                // What lies inside others may have been let go, and nobody knows of a newest one that is gone.
                let head = scene.world.listing().head();
                let is_let_go = |txid: &Txid| usable.iter().any(|k| k.range().contains(*txid));
                let is_lost = |txid: &Txid| !is_let_go(txid) && Some(*txid) <= head;
                prop_assert!(!lost.iter().any(is_lost) || !report.is_ok(), "{}", why);
            }
            // Damage is named, whether a point is lost by it or not.
            Damage::Unreadable | Damage::PageIndex => prop_assert!(names(&report, key), "{}", why),
            Damage::Foreign => prop_assert!(lost.is_empty() || names(&report, key), "{}", why),
        }
    }
}
