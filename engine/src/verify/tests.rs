use super::*;
use crate::key::{Layout, ListingBuilder, ModifiedIs, ObjectKey, Place, PlaceListing};
use crate::manifest::{DatabaseId, IndexEntry, Manifest, WriterClaim};
use crate::restore::world::{World, key, txid, untagged};
use crate::store::{ETag, ObjectMeta, Sha256};
use crate::types::{Checksum, NodeId, Timestamp, Txid};
use std::collections::{BTreeMap, BTreeSet};

mod random;

/// A place whose whole truth is known, and what is wrong with it.
#[derive(Clone, Debug, Default)]
pub(super) struct Scene {
    pub(super) world: World,
    /// Objects whose header is right and whose page index is not.
    pub(super) index_damaged: BTreeSet<ObjectKey>,
    /// Objects of which only whole reads show that they are damaged.
    pub(super) rotten: BTreeSet<ObjectKey>,
    /// Points that do not restore.
    pub(super) unsound: BTreeSet<Txid>,
    pub(super) digests: BTreeMap<ObjectKey, Sha256>,
    pub(super) manifest: Option<Manifest>,
}

impl Scene {
    /// A place of ours: the first image, its claim, slots up to 6, and a compaction of 3 to 5.
    pub(super) fn ours() -> Scene {
        let keys = [key(9, 1, 1), key(0, 2, 2), key(0, 3, 3), key(0, 4, 4), key(0, 5, 5), key(0, 6, 6)];
        Scene::tagged(&keys).with(key(1, 3, 5))
    }

    pub(super) fn tagged(keys: &[ObjectKey]) -> Scene {
        keys.iter().fold(Scene::default(), |scene, key| scene.with(*key))
    }

    /// With an object of ours.
    pub(super) fn with(mut self, key: ObjectKey) -> Scene {
        let (before, after) = (state(key.min().into_inner() - 1), state(key.max().into_inner()));
        let mut facts = untagged(key);
        facts.before = (key.level().get() < 9).then_some(before);
        facts.after = Some(after);
        facts.claim = key == ObjectKey::slot(txid(2));
        self.world.facts.insert(key, facts);
        self
    }

    pub(super) fn without(mut self, key: ObjectKey) -> Scene {
        assert!(self.world.facts.remove(&key).is_some());
        self
    }

    fn facts(&mut self, key: ObjectKey) -> &mut crate::restore::Facts {
        self.world.facts.get_mut(&key).unwrap()
    }

    /// With an index that knows everything.
    fn indexed(mut self) -> Scene {
        let entry = |key: &ObjectKey| IndexEntry {
            key: *key,
            time: untagged(*key).timestamp,
            size_bytes: 1000,
            sha256: Some(digest_of(*key)),
        };
        let compacted = self.world.facts.keys().filter(|key| key.level().get() > 0);
        let objects = compacted.map(entry).collect();
        self.digests = self.world.facts.keys().map(|key| (*key, digest_of(*key))).collect();
        let writer =
            WriterClaim { id: NodeId::new(7).unwrap(), host: "host".into(), time: Timestamp::default() };
        let (database, store) = (DatabaseId::from_random([7; 16]), "s3://b".to_owned());
        self.manifest = Some(Manifest { database, writer, store, l0_ms: 1, policy: None, objects });
        self
    }

    fn entry(&mut self, key: ObjectKey) -> &mut IndexEntry {
        let objects = &mut self.manifest.as_mut().unwrap().objects;
        objects.iter_mut().find(|entry| entry.key == key).unwrap()
    }

    pub(super) fn verify(&self, depth: Depth) -> Report {
        self.verify_listing(&self.world.listing(), depth)
    }

    fn verify_listing(&self, listing: &PlaceListing, depth: Depth) -> Report {
        let recorded = self.manifest.clone().map_or(Recorded::Missing, Recorded::Read);
        let mut findings = Findings::default();
        let mut asked = BTreeSet::new();
        loop {
            let needs = match inspect(listing, &recorded, &findings, depth) {
                Step::Done(report) => return report,
                Step::Need(needs) => needs,
            };
            assert!(!needs.is_empty());
            let looks = needs.headers.iter().map(|key| (key, false));
            for (key, with_index) in looks.chain(needs.page_indexes.iter().map(|key| (key, true))) {
                assert!(asked.insert(("look", *key)), "{key} asked twice");
                if self.world.damaged.contains(key) || with_index && self.index_damaged.contains(key) {
                    findings.learn_damage(*key, "page index: malformed");
                    continue;
                }
                let full = self.world.full_images.contains(key) || key.starts_at_one();
                let digest = self.digests.get(key).copied();
                findings.learn_look(*key, Look { facts: self.world.facts[key], full, digest });
            }
            for key in &needs.whole_objects {
                assert!(depth == Depth::Deep && asked.insert(("whole", *key)), "{key}");
                if self.rotten.contains(key) {
                    findings.learn_damage(*key, "the file checksum is wrong");
                    continue;
                }
                let pages = self.world.facts[key].after.unwrap_or(state(0));
                findings.learn_whole(*key, Whole { pages, digest: self.digests.get(key).copied() });
            }
            for txid in &needs.restores {
                assert!(depth == Depth::Deep && asked.insert(("restore", ObjectKey::snapshot(*txid))));
                let outcome = if self.unsound.contains(txid) { Err("row 1 missing".into()) } else { Ok(()) };
                findings.learn_restored(*txid, outcome);
            }
        }
    }
}

/// The checksum of a state.
pub(super) fn state(number: u64) -> Checksum {
    Checksum::new((number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fn digest_of(key: ObjectKey) -> Sha256 {
    Sha256::of(key.to_string().as_bytes())
}

/// Kind, object and message of each problem.
fn told(problems: &[Problem]) -> Vec<String> {
    let told =
        |p: &Problem| format!("{} {} {}", p.kind.name(), p.object.as_deref().unwrap_or("-"), p.message);
    problems.iter().map(told).collect()
}

fn short(text: &str) -> String {
    // 16 digits of a TXID are hard to read.
    text.replace("000000000000000", "")
}

fn faults(scene: &Scene) -> Vec<String> {
    told(&scene.verify(Depth::Shallow).problems).iter().map(|line| short(line)).collect()
}

fn notes(scene: &Scene) -> Vec<String> {
    told(&scene.verify(Depth::Shallow).notes).iter().map(|line| short(line)).collect()
}

const NO_MANIFEST: &str = "no-manifest manifest.json there is none";

#[test]
fn sound_places_are_ok_and_everything_of_them_is_looked_at() {
    let litestream = World::of(&[key(0, 1, 1), key(0, 2, 2), key(0, 3, 3), key(1, 1, 3), key(9, 1, 2)]);
    for scene in [Scene::ours(), Scene::ours().indexed(), Scene { world: litestream, ..Scene::default() }] {
        for depth in [Depth::Shallow, Depth::Deep] {
            let report = scene.verify(depth);
            assert!(report.is_ok(), "{:?}", report.problems);
            assert_eq!(report.objects_count, scene.world.facts.len());
        }
    }
    assert_eq!(notes(&Scene::ours()), [NO_MANIFEST]);
    assert_eq!(notes(&Scene::ours().indexed()), [""; 0]);
}

#[test]
fn a_gap_is_named_with_its_txids_and_what_is_behind_it_is_not_named_again() {
    let scene = Scene::ours().without(key(0, 4, 4)).without(key(0, 5, 5)).without(key(1, 3, 5));
    let behind = scene.with(key(0, 7, 7)).with(key(1, 6, 7));
    assert_eq!(faults(&behind), ["gap 0/6-6 TXIDs 4 to 5 are missing before it"]);
    let scene = Scene::tagged(&[key(0, 5, 5), key(0, 6, 6), key(0, 8, 8)]);
    let expected = ["gap 0/5-5 TXIDs 1 to 4 are missing before it", "gap 0/8-8 TXID 7 is missing before it"];
    assert_eq!(faults(&scene), expected);
}

#[test]
fn what_a_restore_does_not_begin_with_is_no_way_here_either() {
    // A compaction that happens to hold every page, behind a gap. A slot that does is where a new chain begins.
    let mut scene = Scene::tagged(&[key(9, 1, 1), key(0, 2, 2), key(1, 4, 6)]);
    scene.world.full_images.extend([key(1, 4, 6), key(0, 2, 2)]);
    assert_eq!(faults(&scene), ["gap 1/4-6 TXID 3 is missing before it"]);
    let mut scene = scene.without(key(1, 4, 6)).with(key(0, 4, 4)).with(key(0, 5, 5));
    scene.world.full_images.insert(key(0, 4, 4));
    assert_eq!(faults(&scene), [""; 0]);
}

#[test]
fn what_retention_leaves_inside_of_others_is_no_fault() {
    // A claim, a slot whose neighbours went first, and an old compaction before the oldest snapshot.
    let keys = [key(9, 1, 8), key(1, 3, 6), key(0, 2, 2), key(0, 5, 5), key(0, 8, 8), key(0, 9, 9)];
    let scene = Scene::tagged(&keys);
    let left = |object: &str| {
        format!("stranger {object} no point needs it: what it leads to lies inside another object")
    };
    assert_eq!(faults(&scene), [""; 0]);
    assert_eq!(notes(&scene), [NO_MANIFEST.to_owned(), left("0/5-5"), left("0/8-8"), left("1/3-6")]);
}

#[test]
fn the_newest_slot_is_left_on_purpose() {
    let scene = Scene::tagged(&[key(9, 1, 8), key(0, 7, 7), key(1, 9, 12), key(0, 12, 12)]);
    let left = "stranger 0/7-7 no point needs it: what it leads to lies inside another object";
    assert_eq!(notes(&scene), [NO_MANIFEST.to_owned(), left.to_owned()]);
}

#[test]
fn objects_of_another_history_are_named() {
    let mut scene = Scene::ours().without(key(1, 3, 5));
    scene.facts(key(0, 4, 4)).before = Some(state(77));
    scene.facts(key(0, 4, 4)).after = Some(state(78));
    assert_eq!(faults(&scene), ["unlinked 0/4-4 it does not continue 0/3-3"]);
    // A way around does not make it right.
    let mut scene = Scene::ours();
    scene.facts(key(1, 3, 5)).before = Some(state(77));
    assert_eq!(faults(&scene), ["unlinked 1/3-5 it does not continue 0/2-2"]);
    // A snapshot continues nothing, but others lead where it leads.
    let mut scene = Scene::ours().with(key(9, 1, 5));
    scene.facts(key(9, 1, 5)).after = Some(state(77));
    assert_eq!(faults(&scene)[0], "unlinked 9/1-5 it leads to another database than 0/5-5");
}

#[test]
fn a_first_image_counts_only_with_its_claim() {
    let gone = Scene::ours().without(key(0, 2, 2));
    let expected = [
        "gap 0/3-3 TXID 2 is missing before it",
        "unclaimed 0/2-2 9/1-1 counts only with this claim, which is missing",
    ];
    assert_eq!(faults(&gone), expected);
    let mut damaged = Scene::ours();
    damaged.world.damaged.insert(key(0, 2, 2));
    assert_eq!(faults(&damaged)[0], "unclaimed 0/2-2 9/1-1 counts only with this claim, which is damaged");
    // Who lost the race for the place leaves an image, and the winner another one.
    let mut lost = Scene::ours().with(key(9, 1, 2));
    lost.facts(key(0, 2, 2)).before = None;
    lost.world.full_images.insert(key(0, 2, 2));
    assert_eq!(faults(&lost), [""; 0]);
    assert!(notes(&lost)[1].starts_with("stranger 9/1-1 its writer lost the place"), "{:?}", notes(&lost));
    // A claim of another image is of this place's history: the image is not the one that was here.
    lost.facts(key(0, 2, 2)).before = Some(state(1000));
    let expected = "unclaimed 0/2-2 9/1-1 counts only with this claim, which does not continue it";
    assert_eq!(faults(&lost), [expected]);
}

#[test]
fn an_index_that_lies_is_a_fault_and_one_that_is_behind_is_none() {
    let image = key(9, 1, 1);
    let sound = Scene::ours().indexed();
    let lie = |change: fn(&mut IndexEntry)| {
        let mut scene = sound.clone();
        change(scene.entry(key(9, 1, 1)));
        faults(&scene)
    };
    let one = |faults: Vec<String>| {
        assert_eq!(faults.len(), 1, "{faults:?}");
        faults[0].clone()
    };
    assert!(one(lie(|entry| entry.size_bytes = 1)).contains("says 1 bytes, and it has 1000"));
    assert!(one(lie(|entry| entry.time = Timestamp::from_millis(5))).contains("the time"));
    assert!(one(lie(|entry| entry.sha256 = Some(Sha256::of(b"x")))).contains("the SHA-256"));
    assert_eq!(lie(|entry| entry.sha256 = None), [""; 0]);
    assert_eq!(
        one(lie(|entry| entry.key = key(9, 1, 4))),
        "index 9/1-4 manifest.json has it, and it is gone"
    );
    let mut stale = sound.clone();
    stale.manifest.as_mut().unwrap().objects.retain(|entry| entry.key != image);
    assert_eq!(faults(&stale), [""; 0]);
    let expected = "unindexed manifest.json 1 of 2 objects of levels 1 to 9 are not in its index yet";
    assert_eq!(notes(&stale), [expected]);
    let damaged = Recorded::Damaged("not JSON".into());
    let Step::Done(report) =
        inspect(&World::default().listing(), &damaged, &Findings::default(), Depth::Shallow)
    else {
        panic!("there is nothing to read")
    };
    assert_eq!(told(&report.problems)[1], "manifest manifest.json not JSON");
    assert_eq!(report.problems[0].kind, Kind::Empty);
    assert!(report.blames_manifest());
}

#[test]
fn only_a_deep_look_finds_what_lies_inside() {
    let mut rotten = Scene::ours();
    rotten.rotten.insert(key(0, 4, 4));
    let mut unsound = Scene::ours();
    unsound.unsound.insert(txid(6));
    for (scene, expected) in [
        (&rotten, "damaged 0/4-4 the file checksum is wrong"),
        (&unsound, "restore 0/6-6 TXID 6 cannot be restored: row 1 missing"),
    ] {
        assert_eq!(faults(scene), [""; 0]);
        let deep = scene.verify(Depth::Deep);
        assert_eq!(told(&deep.problems).iter().map(|line| short(line)).collect::<Vec<_>>(), [expected]);
    }
}

#[test]
fn an_image_whose_pages_are_not_what_its_header_says_is_named() {
    let listing = Scene::ours().world.listing();
    let mut findings = Findings::default();
    let scene = Scene::ours();
    for (key, facts) in &scene.world.facts {
        findings.learn_look(*key, Look { facts: *facts, full: key.starts_at_one(), digest: None });
        findings.learn_whole(*key, Whole { pages: state(99), digest: None });
    }
    findings.learn_restored(txid(1), Ok(()));
    findings.learn_restored(txid(6), Ok(()));
    let Step::Done(report) = inspect(&listing, &Recorded::Missing, &findings, Depth::Deep) else { panic!() };
    let told = told(&report.problems);
    assert_eq!(told.len(), 1, "other objects hold some pages only: {told:?}");
    assert!(short(&told[0]).starts_with("damaged 9/1-1 its pages make a database of checksum"), "{told:?}");
}

#[test]
fn late_arrivals_and_what_is_no_object_are_told() {
    let scene = Scene::ours();
    let place = Place::new("a/b").unwrap();
    let meta = |key: String, ms: i64| ObjectMeta {
        key,
        size_bytes: 1000,
        etag: ETag::new("e"),
        modified: Timestamp::from_millis(ms),
        arrived: Timestamp::from_millis(ms),
    };
    let objects = scene.world.facts.keys();
    let late = key(0, 4, 4);
    let mut page: Vec<ObjectMeta> =
        objects.map(|k| meta(place.object_key(Layout::S3, *k), i64::from(*k == late))).collect();
    page.push(meta("a/b/0000/notes.txt".to_owned(), 0));
    page.push(meta("a/b/readme".to_owned(), 0));
    let mut builder = ListingBuilder::new(place, Layout::S3);
    builder.page(&page);
    let report = scene.verify_listing(&builder.finish(ModifiedIs::StoreTime), Depth::Deep);
    // Slot 5 lies inside the compaction, and what leads to it is the late one.
    assert_eq!(report.problems, []);
    let told: Vec<String> = told(&report.notes).iter().map(|line| short(line)).collect();
    assert!(
        told.contains(&"late 0/4-4 it arrived after its TXIDs were settled, and counts for nothing".into())
    );
    assert!(told.contains(&"stranger a/b/0000/notes.txt it has no name of an object, and is ignored".into()));
    assert!(!told.iter().any(|line| line.contains("readme")), "{told:?}");
}

#[cfg(feature = "mutants")]
#[test]
fn every_mutant_is_caught() {
    use crate::mutants::{Mutant, set_mutant};
    let mut lying = Scene::ours().indexed();
    lying.entry(key(9, 1, 1)).size_bytes = 7;
    let mut flawed = Scene::ours();
    flawed.index_damaged.insert(key(0, 4, 4));
    let mut rotten = Scene::ours();
    rotten.rotten.insert(key(0, 4, 4));
    let unclaimed = Scene::tagged(&[key(9, 1, 1)]);
    let gap = Scene::ours().without(key(0, 5, 5)).without(key(1, 3, 5));
    for (mutant, scene) in [
        (Mutant::VerifySkipsGap, gap),
        (Mutant::VerifyBelievesIndex, lying),
        (Mutant::VerifySkipsPageIndex, flawed),
        (Mutant::VerifyForgetsClaim, unclaimed),
        (Mutant::VerifyReadsNothingWhole, rotten),
    ] {
        assert!(!scene.verify(Depth::Deep).is_ok(), "{}", mutant.name());
        set_mutant(Some(mutant));
        assert!(scene.verify(Depth::Deep).is_ok(), "{} changes something", mutant.name());
        set_mutant(None);
    }
}
