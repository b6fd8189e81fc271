//! Objects that are cut, altered, or not what they were taken for.

use super::*;
use crate::ltx::DecodeError;

/// Of every input, every bit.
#[test]
pub(super) fn flipped_bit_of_an_input_is_an_error_or_changes_nothing() {
    let objects = overlapping();
    let sound = merge(&refs(&objects), LOCK).unwrap();
    let mut harmless = 0;
    for altered in 0..objects.len() {
        for bit in 0..objects[altered].1.len() * 8 {
            let mut objects = objects.clone();
            objects[altered].1[bit / 8] ^= 1 << (bit % 8);
            match merge(&refs(&objects), LOCK) {
                Ok(merged) => {
                    assert_eq!(merged, sound, "bit {bit} of input {altered}");
                    harmless += 1;
                }
                Err(error) => assert!(names(&error).contains(&objects[altered].0), "{error}"),
            }
        }
    }
    assert!(harmless < 300, "{harmless} flips made no difference");
}

#[test]
fn input_that_is_cut_off_is_named() {
    let objects = overlapping();
    for cut in 0..objects.len() {
        for end in 0..objects[cut].1.len() {
            let mut objects = objects.clone();
            objects[cut].1.truncate(end);
            let why = DecodeError::Truncated(end as u64);
            let object = objects[cut].0;
            assert_eq!(merge(&refs(&objects), LOCK), Err(MergeError::Damaged { object, why }));
        }
    }
}

/// As when a download ends while the merge is busy with other inputs.
#[test]
fn input_that_ends_while_its_page_waits_is_cut_off() {
    let objects = overlapping();
    let mut merge = Merge::new(&[objects[0].0], LOCK);
    let mut bytes = &objects[0].1[..];
    merge.feed(0, &mut bytes).unwrap();
    let read = (objects[0].1.len() - bytes.len()) as u64;
    let cut_off = MergeError::Damaged { object: objects[0].0, why: DecodeError::Truncated(read) };
    assert_eq!(merge.close(0), Err(cut_off.clone()));
    assert_eq!(merge.poll(&mut Vec::new()), Err(cut_off));
}

#[test]
fn input_that_goes_on_after_its_end_is_damaged() {
    let objects = overlapping();
    for longer in 0..objects.len() {
        let mut objects = objects.clone();
        objects[longer].1.push(0);
        for pieces in [1, usize::MAX] {
            let error = merge_in_pieces(&refs(&objects), LOCK, &[pieces]).unwrap_err();
            let object = objects[longer].0;
            assert!(
                matches!(error, MergeError::Damaged { object: named, why: DecodeError::TrailingBytes(_) } if named == object)
            );
        }
    }
}

/// The checksum comes last: all of the output but its end may be on its way by then.
#[test]
pub(super) fn output_has_no_end_before_every_input_is_proven() {
    let mut objects = overlapping();
    let whole = merge(&refs(&objects), LOCK).unwrap().0;
    let last = objects[0].1.len() - 1;
    objects[0].1[last] ^= 1;
    let keys: Vec<ObjectKey> = objects.iter().map(|(key, _)| *key).collect();
    let mut merge = Merge::new(&keys, LOCK);
    let mut rest: Vec<&[u8]> = objects.iter().map(|(_, bytes)| &bytes[..]).collect();
    let mut out = Vec::new();
    let error = loop {
        match merge.poll(&mut out).unwrap() {
            Progress::Needs(input) if rest[input].is_empty() => merge.close(input).unwrap(),
            Progress::Needs(input) => match merge.feed(input, &mut rest[input]) {
                Ok(()) => {}
                Err(error) => break error,
            },
            Progress::Wrote => {}
            Progress::Done(_) => panic!("an input is damaged"),
        }
    };
    assert!(
        matches!(error, MergeError::Damaged { object, why: DecodeError::FileChecksum { .. } } if object == keys[0])
    );
    assert!(whole.starts_with(&out) && out.len() + 24 < whole.len());
    // Sticky, whatever is asked.
    assert_eq!(merge.poll(&mut out), Err(error.clone()));
    assert_eq!(merge.close(2), Err(error.clone()));
    assert_eq!(merge.feed(1, &mut &b"LTX1"[..]), Err(error));
}

#[test]
pub(super) fn objects_that_do_not_belong_together_are_named() {
    let content = || (2, Pages::from([(1, page(512, 1))]));
    let slots = || slots(&[content(), content(), content()], true);
    let with = |at: usize, header: Header| {
        let mut objects = slots();
        let size = header.page_size().into_inner();
        objects[at].1 = encode(&header, LOCK, &Pages::from([(1, page(size, 7))]));
        merge(&refs(&objects), LOCK).map(|(_, merged)| merged.header.txids())
    };
    let [two, three, four] = [2, 3, 4].map(|n| key(0, n, n));
    let of = |key, page_size| {
        tagged(header(key, page_size, 2), Some(key.min().into_inner() - 1), key.max().into_inner())
    };
    assert_eq!(with(1, of(three, 512)), Ok(key(1, 2, 4).range()));
    assert_eq!(
        with(1, of(key(0, 3, 4), 512)),
        Err(MergeError::OtherTxids { object: three, found: key(0, 3, 4).range() })
    );
    assert_eq!(with(2, of(four, 1024)), Err(MergeError::PageSizes { left: three, right: four }));
    assert_eq!(
        with(1, tagged(header(three, 512, 2), Some(9), 3)),
        Err(MergeError::Unlinked { left: two, right: three })
    );
    for at in [two, three, four] {
        let index = at.min().into_inner() as usize - 2;
        let anew = tagged(header(at, 512, 2), None, at.max().into_inner());
        assert_eq!(with(index, anew), Err(MergeError::BeginsAnew { object: at }));
    }
}

#[test]
fn whole_databases_are_not_merged() {
    let first = key(0, 1, 1);
    let image = encode(&header(first, 512, 1), LOCK, &Pages::from([(1, page(512, 1))]));
    assert_eq!(merge(&[(first, &image)], LOCK), Err(MergeError::BeginsAnew { object: first }));
}

fn names(error: &MergeError) -> Vec<ObjectKey> {
    match error {
        MergeError::Damaged { object, .. }
        | MergeError::OtherTxids { object, .. }
        | MergeError::BeginsAnew { object } => vec![*object],
        MergeError::PageSizes { left, right } | MergeError::Unlinked { left, right } => vec![*left, *right],
    }
}

proptest::proptest! {
    #[test]
    fn arbitrary_bytes_after_a_sound_input_are_an_error(
        bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400),
        keeps in 0..400_usize,
    ) {
        let mut objects = overlapping();
        objects[1].1.truncate(keeps);
        objects[1].1.extend(bytes);
        let sound = overlapping();
        if objects[1] != sound[1] {
            assert!(merge(&refs(&objects), LOCK).is_err());
        }
    }
}
