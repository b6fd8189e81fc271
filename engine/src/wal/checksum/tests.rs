use super::*;
use proptest::prelude::*;

/// The definition, word by word, as the file format states it.
fn naive(order: ByteOrder, from: FrameChecksum, bytes: &[u8]) -> FrameChecksum {
    let FrameChecksum(mut s0, mut s1) = from;
    for pair in bytes.chunks(8) {
        let word = |at: usize| {
            let four = [pair[at], pair[at + 1], pair[at + 2], pair[at + 3]];
            match order {
                ByteOrder::Little => u32::from_le_bytes(four),
                ByteOrder::Big => u32::from_be_bytes(four),
            }
        };
        s0 = s0.wrapping_add(word(0)).wrapping_add(s1);
        s1 = s1.wrapping_add(word(4)).wrapping_add(s0);
    }
    FrameChecksum(s0, s1)
}

proptest! {
    #[test]
    fn fast_form_equals_the_definition(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..4200),
        s0 in any::<u32>(),
        s1 in any::<u32>(),
    ) {
        bytes.truncate(bytes.len() / 8 * 8);
        for order in [ByteOrder::Little, ByteOrder::Big] {
            let from = FrameChecksum(s0, s1);
            prop_assert_eq!(extend(order, from, &bytes), naive(order, from, &bytes));
        }
    }

    #[test]
    fn checksum_of_a_whole_is_that_of_its_parts(
        pairs in proptest::collection::vec(any::<[u8; 8]>(), 0..300),
        cut in any::<prop::sample::Index>(),
    ) {
        let bytes = pairs.as_flattened();
        let cut = cut.index(pairs.len() + 1) * 8;
        let start = FrameChecksum(1, 2);
        let parts = extend(ByteOrder::Big, extend(ByteOrder::Big, start, &bytes[..cut]), &bytes[cut..]);
        prop_assert_eq!(parts, extend(ByteOrder::Big, start, bytes));
    }
}

#[test]
fn every_length_up_to_three_blocks_equals_the_definition() {
    let bytes: Vec<u8> = (0..1536u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for length in (0..=bytes.len()).step_by(8) {
        for order in [ByteOrder::Little, ByteOrder::Big] {
            let from = FrameChecksum(0xdead_beef, u32::MAX);
            assert_eq!(
                extend(order, from, &bytes[..length]),
                naive(order, from, &bytes[..length]),
                "{length}"
            );
        }
    }
}

#[test]
#[should_panic(expected = "no whole number of word pairs")]
fn half_a_pair_is_refused() {
    extend(ByteOrder::Little, FrameChecksum(0, 0), &[0; 12]);
}
