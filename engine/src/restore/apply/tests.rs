use super::*;
use crate::restore::world::{World, key, txid};
use crate::restore::{Knowledge, Link, Target, plan};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// 65536 bytes and a moved lock byte: page 2 is the lock page.
const LOCK_IS_PAGE_2: LockByte = LockByte::moved(65536);
const LOCK_PAGE: u32 = 2;

/// A database's content: one number per page, 0 at the lock page.
type State = Vec<u64>;

/// What an object holds: pages by number, and the page count after it.
#[derive(Clone, Debug, Default)]
struct Content {
    pages: BTreeMap<u32, u64>,
    commit: u32,
}

impl Content {
    /// Each page's frame, one after the other, of lengths that differ.
    fn index(&self) -> Vec<PageEntry> {
        let mut offset = HEADER_BYTES as u64;
        let locate = |(pgno, value): (&u32, &u64)| {
            let location =
                PageEntry { pgno: Pgno::new(*pgno).unwrap(), offset, length: 10 + (value % 40) as u32 };
            offset = end_of(&location);
            location
        };
        self.pages.iter().map(locate).collect()
    }

    fn apply_to(&self, state: &mut State) {
        state.resize(self.commit as usize, 0);
        for (pgno, value) in &self.pages {
            state[*pgno as usize - 1] = *value;
        }
    }
}

/// A page written by each transaction, at the commit size that it left.
fn history() -> impl Strategy<Value = Vec<(u32, Vec<u32>)>> {
    proptest::collection::vec((1u32..8, proptest::collection::vec(1u32..8, 0..4)), 1..9)
}

/// The states after each transaction, and the slot that each makes: what it wrote, and every page by which
/// the database grew.
fn slots(history: &[(u32, Vec<u32>)]) -> (Vec<State>, Vec<Content>) {
    let (mut states, mut slots) = (Vec::new(), Vec::new());
    let mut state = State::new();
    for (n, (commit, writes)) in history.iter().enumerate() {
        let grown = state.len() as u32 + 1..=*commit;
        let written = writes.iter().copied().filter(|p| p <= commit).chain(grown).chain([1]);
        let pages = written.filter(|p| *p != LOCK_PAGE).map(|p| (p, (n as u64 + 1) * 100 + u64::from(p)));
        let slot = Content { pages: pages.collect(), commit: *commit };
        slot.apply_to(&mut state);
        states.push(state.clone());
        slots.push(slot);
    }
    (states, slots)
}

/// Newest page wins, pages past the final commit dropped.
fn compact(slots: &[Content]) -> Content {
    let mut all = Content::default();
    for slot in slots {
        all.pages.extend(&slot.pages);
        all.commit = slot.commit;
        let commit = all.commit;
        all.pages.retain(|pgno, _| *pgno <= commit);
    }
    all
}

fn checksum(state: &State) -> Checksum {
    let mix = |(i, v): (usize, &u64)| (v + i as u64 * 1_000_003).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Checksum::new(
        state.iter().enumerate().filter(|(i, _)| *i as u32 + 1 != LOCK_PAGE).map(mix).fold(0, |a, b| a ^ b),
    )
}

struct Stored {
    world: World,
    contents: BTreeMap<ObjectKey, Content>,
}

fn store(states: &[State], slots: &[Content], keys: &[ObjectKey], is_tagged: bool) -> Stored {
    let mut world = World::of(keys);
    let mut contents = BTreeMap::new();
    for object in keys {
        let object = *object;
        let (min, max) = (object.min().into_inner() as usize, object.max().into_inner() as usize);
        let content = compact(&slots[min - 1..max]);
        let facts = world.facts.get_mut(&object).unwrap();
        facts.page_size = PageSize::new(65536).unwrap();
        facts.commit = content.commit;
        if is_tagged {
            facts.before = (min > 1).then(|| checksum(&states[min - 2]));
            facts.after = Some(checksum(&states[max - 1]));
        }
        contents.insert(object, content);
    }
    Stored { world, contents }
}

fn restore(stored: &Stored, plan: &Plan, limits: ReadLimits) -> Result<State, ApplyError> {
    let mut apply = Apply::new(plan, LOCK_IS_PAGE_2, limits);
    let mut state = vec![0; plan.page_count() as usize];
    for object in plan.newest_first() {
        let content = &stored.contents[&object.info.key];
        for fetch in apply.object(object, content.index())? {
            for page in fetch.pages {
                assert!(fetch.range.start <= page.offset && end_of(&page) <= fetch.range.end);
                let slot = &mut state[page.pgno.into_inner() as usize - 1];
                assert_eq!(*slot, 0, "written once");
                *slot = content.pages[&page.pgno.into_inner()];
            }
        }
    }
    assert_eq!(apply.finish()?, plan.database_bytes());
    assert_eq!(apply.check_result(plan.page_count(), checksum(&state))?, plan.checksum().is_some());
    Ok(state)
}

fn layouts() -> impl Strategy<Value = Vec<(u8, u64, u64)>> {
    proptest::collection::vec((0u8..=4, 1u64..9, 0u64..5), 1..14)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_point_restores_to_the_state_of_its_history(
        history in history(),
        layout in layouts(),
        is_tagged: bool,
        gap_bytes_max in 0u64..60,
        request_bytes_max in 1u64..200,
    ) {
        let (states, slots) = slots(&history);
        let last = slots.len() as u64;
        let keys: Vec<ObjectKey> = layout
            .into_iter()
            .filter(|(_, min, _)| *min <= last)
            .map(|(level, min, more)| match level {
                0 => key(0, min, min),
                4 => key(9, 1, min),
                _ => key(level, min, (min + more).min(last)),
            })
            .collect();
        let stored = store(&states, &slots, &keys, is_tagged);
        let limits = ReadLimits { gap_bytes_max, request_bytes_max };
        for n in stored.world.points(&mut Knowledge::default()) {
            let plan = stored.world.plan(Target::Txid(txid(n))).unwrap();
            let mut naive = State::new();
            for object in plan.objects() {
                stored.contents[&object.info.key].apply_to(&mut naive);
            }
            let restored = restore(&stored, &plan, limits).unwrap();
            prop_assert_eq!(&restored, &naive);
            prop_assert_eq!(&restored, &states[n as usize - 1]);
        }
    }

    #[test]
    fn reads_hold_each_wanted_page_once_within_the_limits(
        lengths in proptest::collection::vec((1u32..50, any::<bool>()), 1..30),
        gap_bytes_max in 0u64..100,
        request_bytes_max in 1u64..150,
        is_whole: bool,
    ) {
        let mut offset = HEADER_BYTES as u64;
        let mut wanted = Vec::new();
        for (i, (length, is_wanted)) in lengths.iter().enumerate() {
            if *is_wanted {
                wanted.push(PageEntry { pgno: Pgno::new(i as u32 + 1).unwrap(), offset, length: *length });
            }
            offset += u64::from(*length);
        }
        let size = offset + 30;
        let reading = if is_whole { Reading::Whole } else { Reading::Needed };
        let fetches = group(key(0, 1, 1), size, &wanted, reading, ReadLimits { gap_bytes_max, request_bytes_max });
        let pages: Vec<PageEntry> = fetches.iter().flat_map(|f| f.pages.clone()).collect();
        prop_assert_eq!(&pages, &wanted);
        for fetch in &fetches {
            let inside = |p: &PageEntry| fetch.range.start <= p.offset && end_of(p) <= fetch.range.end;
            prop_assert!(fetch.pages.iter().all(inside));
            let bytes = fetch.range.end - fetch.range.start;
            prop_assert!(bytes > 0 && (bytes <= request_bytes_max || fetch.pages.len() == 1));
        }
        let ends: Vec<u64> = fetches.iter().map(|f| f.range.end).collect();
        let starts: Vec<u64> = fetches.iter().map(|f| f.range.start).collect();
        if is_whole && !wanted.is_empty() {
            prop_assert_eq!((starts[0], ends[ends.len() - 1]), (0, size));
            prop_assert!(ends.iter().zip(&starts[1..]).all(|(end, start)| end == start));
        } else {
            prop_assert!(ends.iter().zip(starts.iter().skip(1)).all(|(end, start)| end <= start));
            prop_assert!(fetches.iter().all(|f| !f.pages.is_empty()));
        }
    }
}

/// One snapshot of three pages: 1, 3 and the lock page between them.
fn one_snapshot() -> (Stored, Plan) {
    let (states, slots) = slots(&[(3, vec![])]);
    let stored = store(&states, &slots, &[key(0, 1, 1)], true);
    let plan = stored.world.plan(Target::Latest).unwrap();
    (stored, plan)
}

#[test]
fn a_page_that_no_object_holds_is_named() {
    let (mut stored, plan) = one_snapshot();
    stored.contents.get_mut(&key(0, 1, 1)).unwrap().pages.remove(&3);
    let error = restore(&stored, &plan, ReadLimits::DEFAULT).unwrap_err();
    insta::assert_snapshot!(error, @"TXID 0000000000000001: page 3 is missing, 0/0000000000000001-0000000000000001 should have it");
}

#[test]
fn a_lock_page_in_an_index_is_passed_over() {
    let (mut stored, plan) = one_snapshot();
    stored.contents.get_mut(&key(0, 1, 1)).unwrap().pages.insert(LOCK_PAGE, 5);
    let state = restore(&stored, &plan, ReadLimits::DEFAULT).unwrap();
    assert_eq!(state[LOCK_PAGE as usize - 1], 0);
}

#[test]
fn a_missing_page_is_blamed_on_the_object_that_grew_the_database() {
    let (states, slots) = slots(&[(1, vec![]), (3, vec![]), (4, vec![])]);
    let keys = [key(0, 1, 1), key(0, 2, 2), key(0, 3, 3)];
    let mut stored = store(&states, &slots, &keys, true);
    let plan = stored.world.plan(Target::Latest).unwrap();
    stored.contents.get_mut(&keys[1]).unwrap().pages.remove(&3);
    let error = restore(&stored, &plan, ReadLimits::DEFAULT).unwrap_err();
    assert!(matches!(error, ApplyError::PageMissing { object, .. } if object == keys[1]), "{error}");
}

#[test]
fn another_content_is_not_the_database() {
    let (mut stored, plan) = one_snapshot();
    stored.contents.get_mut(&key(0, 1, 1)).unwrap().pages.insert(3, 5);
    let error = restore(&stored, &plan, ReadLimits::DEFAULT).unwrap_err();
    assert!(matches!(error, ApplyError::WrongChecksum { .. }));
    let apply = Apply::new(&plan, LOCK_IS_PAGE_2, ReadLimits::DEFAULT);
    let error = apply.check_result(2, Checksum::new(0)).unwrap_err();
    assert!(matches!(error, ApplyError::WrongSize { expected: 3, found: 2, .. }));
}

#[test]
fn an_index_that_cannot_be_is_refused() {
    let (_, plan) = one_snapshot();
    let page = |pgno, offset, length| PageEntry { pgno: Pgno::new(pgno).unwrap(), offset, length };
    let wrong = [
        vec![page(1, 99, 10)],
        vec![page(1, 100, 0)],
        vec![page(1, 990, 11)],
        vec![page(1, u64::MAX, 10)],
        vec![page(1, 100, u32::MAX)],
        vec![page(1, 100, 10), page(3, 109, 10)],
        vec![page(3, 100, 10), page(1, 110, 10)],
        vec![page(1, 100, 10), page(1, 110, 10)],
    ];
    for index in wrong {
        let mut apply = Apply::new(&plan, LOCK_IS_PAGE_2, ReadLimits::DEFAULT);
        let object = &plan.objects()[0];
        assert!(matches!(apply.object(object, index.clone()), Err(ApplyError::BadIndex { .. })), "{index:?}");
    }
}

#[test]
fn a_frame_longer_than_any_page_compresses_to_is_refused() {
    let world = World::of(&[key(0, 1, 1)]);
    let plan = world.plan(Target::Latest).unwrap();
    let mut object = plan.objects()[0].clone();
    object.info.size_bytes = 1 << 20;
    let page = PageEntry {
        pgno: Pgno::ONE,
        offset: 100,
        length: frame_bytes_max(object.facts.page_size) as u32 + 1,
    };
    let mut apply = Apply::new(&plan, LOCK_IS_PAGE_2, ReadLimits::DEFAULT);
    assert!(apply.object(&object, [page]).is_err());
}

#[test]
fn objects_are_read_whole_where_no_checksum_proves_the_result() {
    let (stored, tagged) = one_snapshot();
    let untagged = World::of(&[key(0, 1, 1)]).plan(Target::Latest).unwrap();
    assert_eq!(Apply::new(&tagged, LOCK_IS_PAGE_2, ReadLimits::DEFAULT).reading(), Reading::Needed);
    let mut apply = Apply::new(&untagged, LockByte::SQLITE, ReadLimits::DEFAULT);
    assert_eq!(apply.reading(), Reading::Whole);
    let index = stored.contents[&key(0, 1, 1)].index();
    let fetches = apply.object(&untagged.objects()[0], index).unwrap();
    assert_eq!(fetches.len(), 1);
    assert_eq!(fetches[0].range, 0..1000);
}

#[test]
fn a_huge_page_count_in_a_header_costs_no_memory() {
    let mut world = World::of(&[key(0, 1, 1)]);
    world.facts.get_mut(&key(0, 1, 1)).unwrap().commit = u32::MAX;
    let plan = world.plan(Target::Latest).unwrap();
    let mut apply = Apply::new(&plan, LockByte::SQLITE, ReadLimits::DEFAULT);
    let page = PageEntry { pgno: Pgno::new(u32::MAX).unwrap(), offset: 100, length: 10 };
    apply.object(&plan.objects()[0], [page]).unwrap();
    assert!(matches!(apply.finish(), Err(ApplyError::PageMissing { pgno: Pgno::ONE, .. })));
}

#[test]
#[should_panic(expected = "newest first")]
fn objects_out_of_order_are_our_bug() {
    let stored = World::of(&[key(0, 1, 1), key(0, 2, 2)]);
    let (plan, _) = stored.drive(&mut Knowledge::default(), |l, k| plan(l, k, Target::Latest));
    let plan = plan.unwrap();
    assert_eq!(plan.objects()[1].link, Link::Unchained);
    let mut apply = Apply::new(&plan, LockByte::SQLITE, ReadLimits::DEFAULT);
    let _ = apply.object(&plan.objects()[0], []);
}
