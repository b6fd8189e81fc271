//! Any listing, whatever its objects turn out to hold: points and plans.

use crate::input::Input;
use engine::key::{Layout, ListingBuilder, ModifiedIs, ObjectKey, Place, PlaceListing};
use engine::restore::{Facts, Knowledge, Plan, PlanError, Step, Target, plan, points};
use engine::store::{ETag, ObjectMeta};
use engine::types::{Checksum, Level, PageSize, Timestamp, Txid, TxidRange};

/// Makes a listing of the input, asks for all points and for a plan of some, and answers every question about
/// an object out of the input.
pub fn place_listing_and_plan(data: &[u8]) {
    let mut input = Input(data);
    let choice = input.byte();
    let target = match choice % 3 {
        0 => Target::Latest,
        1 => Target::Txid(txid(u64::from(input.byte()))),
        _ => Target::Timestamp(Timestamp::from_millis(i64::from(input.byte()))),
    };
    let answers = input.u64();
    let listing = listing(&mut input, choice);
    let asks_max = 3 * listing.objects().len() + 3;

    let mut known = Knowledge::default();
    let mut asks = 0;
    let points = loop {
        match points(&listing, &known) {
            Step::Done(points) => break points,
            Step::Need(needs) => {
                assert!(!needs.is_empty(), "a question asks for something");
                learn(&mut known, needs, answers);
            }
        }
        asks += 1;
        assert!(asks <= asks_max, "asking comes to an end");
    };
    assert!(points.is_sorted_by(|a, b| a.txid < b.txid), "each point once, ascending");
    let head = listing.head();
    assert!(points.iter().all(|point| Some(point.txid) <= head));

    let asks_max = asks + asks_max;
    let planned = loop {
        match plan(&listing, &known, target) {
            Ok(Step::Done(plan)) => break Ok(plan),
            Ok(Step::Need(needs)) => learn(&mut known, needs, answers),
            Err(error) => break Err(error),
        }
        asks += 1;
        assert!(asks <= asks_max, "asking comes to an end");
    };
    check(&listing, target, planned);
}

fn check(listing: &PlaceListing, target: Target, planned: Result<Plan, PlanError>) {
    let Ok(plan) = planned else { return };
    match target {
        Target::Latest => assert_eq!(Some(plan.txid()), listing.head(), "never older than asked for"),
        Target::Txid(txid) => assert_eq!(plan.txid(), txid),
        Target::Timestamp(time) => assert!(plan.time() <= time),
    }
    let mut reached: Option<Txid> = None;
    for object in plan.objects() {
        let key = object.info.key;
        assert!(listing.get(key).is_some(), "only what is listed");
        if let Some(reached) = reached {
            assert!(key.min().into_inner() <= reached.into_inner().saturating_add(1), "no gap");
            assert!(key.max() > reached, "every object leads on");
        }
        reached = Some(key.max());
    }
    assert_eq!(reached, Some(plan.txid()));
}

/// Answers by a few bits of `answers` and of the object's key, so that links sometimes hold.
fn learn(known: &mut Knowledge, needs: engine::restore::Needs, answers: u64) {
    for key in needs.headers {
        let mixed = mix(key, answers);
        if mixed.is_multiple_of(16) {
            known.learn_damage(key, "cut off");
            continue;
        }
        let sum =
            |txid: u64| Checksum::new(if mixed % 8 == 1 { mixed } else { txid.wrapping_mul(0x9E37_79B9) });
        let tagged = mixed % 4 != 2;
        known.learn_header(
            key,
            Facts {
                page_size: PageSize::new(if mixed % 32 == 3 { 512 } else { 4096 }).expect("a power of two"),
                commit: u32::try_from(mixed >> 40).expect("24 bits") + 1,
                timestamp: Timestamp::from_millis(i64::try_from(mixed % 256).expect("small")),
                before: Some(sum(key.min().into_inner() - 1)).filter(|_| tagged && mixed % 8 != 5),
                after: Some(sum(key.max().into_inner())).filter(|_| tagged),
                claim: mixed % 8 == 6,
            },
        );
    }
    for key in needs.page_indexes {
        known.learn_full_image(key, mix(key, answers).is_multiple_of(3));
    }
}

fn mix(key: ObjectKey, answers: u64) -> u64 {
    let number =
        key.min().into_inner() ^ key.max().into_inner().rotate_left(20) ^ u64::from(key.level().get());
    (number ^ answers).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 3
}

fn listing(input: &mut Input<'_>, choice: u8) -> PlaceListing {
    let layout = if choice & 0x40 == 0 { Layout::S3 } else { Layout::Tree };
    let modified_is = if choice & 0x80 == 0 { ModifiedIs::StoreTime } else { ModifiedIs::HeaderTime };
    let place = Place::new("a/b").expect("a legal folder");
    let mut builder = ListingBuilder::new(place.clone(), layout);
    for _ in 0..OBJECTS_MAX {
        if input.is_empty() {
            break;
        }
        let level = Level::new(input.byte() % 10).expect("0..=9");
        let (min, length, modified) = (input.byte(), input.byte(), input.byte());
        let min = if level == Level::SNAPSHOT { Txid::ONE } else { number(min) };
        let max = txid(min.into_inner().saturating_add(u64::from(length) >> (length & 7)));
        let range = TxidRange::new(min, max).expect("min is at most max");
        let key = ObjectKey::new(level, range).expect("snapshots start at 1");
        let meta = ObjectMeta {
            key: place.object_key(layout, key),
            size_bytes: u64::from(modified) << (length & 63),
            etag: ETag::new("e"),
            modified: Timestamp::from_millis(i64::from(modified)),
            arrived: Timestamp::from_millis(i64::from(modified)),
        };
        builder.page([&meta]);
    }
    builder.finish(modified_is)
}

/// Mostly small, so that objects touch; the last few are at the end of all numbers.
fn number(byte: u8) -> Txid {
    txid(if byte >= 250 { u64::MAX - u64::from(255 - byte) } else { u64::from(byte) })
}

fn txid(number: u64) -> Txid {
    Txid::new(number.max(1)).expect("above 0")
}

const OBJECTS_MAX: usize = 150;
