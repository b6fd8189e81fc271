//! Of a set of pages, what the database checksum cannot see.
//!
//! The XOR of page checksums is linear: the same changed bit in two pages cancels out, also when the one page was
//! misread while the set was surveyed and the other when it was read again (docs/decisions/0013). Both happened in one
//! simulated run of about four thousand. This sum of mixed checksums is for comparing two reads within one process and
//! is stored nowhere.

use crate::types::Checksum;

/// The sum, in any order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// Adds a page by its checksum.
    pub fn add(&mut self, page: Checksum) {
        // The finalizer of SplitMix64 (Steele, Lea, Flood 2014): every bit depends on every other, not linearly.
        let mut mixed = page.into_inner().wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        self.0 = self.0.wrapping_add(mixed ^ (mixed >> 31));
    }
}

impl FromIterator<Checksum> for Fingerprint {
    fn from_iter<I: IntoIterator<Item = Checksum>>(pages: I) -> Fingerprint {
        let mut fingerprint = Fingerprint::default();
        pages.into_iter().for_each(|page| fingerprint.add(page));
        fingerprint
    }
}

#[cfg(test)]
mod tests {
    use super::Fingerprint;
    use crate::db::page_checksum;
    use crate::types::{Checksum, Pgno};

    #[test]
    fn the_same_flipped_bit_in_two_pages_is_seen() {
        let page = |n, flipped: u8| page_checksum(Pgno::new(n).unwrap(), &[n as u8, 7 ^ flipped, 9]);
        let (first, second) = ([page(1, 4), page(2, 0)], [page(1, 0), page(2, 4)]);
        let xor = |pages: [Checksum; 2]| pages[0] ^ pages[1];
        assert_eq!(xor(first), xor(second), "the database checksum does not see it");
        let of = |pages: [Checksum; 2]| pages.into_iter().collect::<Fingerprint>();
        assert_ne!(of(first), of(second));
        assert_eq!(of(first), of([first[1], first[0]]));
    }

    /// Expected values are of an implementation in Python, which gives the published first output for 0.
    #[test]
    fn pages_are_mixed_as_splitmix64_does_it() {
        let of = |pages: &[u64]| pages.iter().map(|page| Checksum::new(*page)).collect::<Fingerprint>().0;
        assert_eq!(of(&[1 << 63 | 1_234_567]), 0xaf437fd469f4cdc1);
        assert_eq!(of(&[1 << 63 | 1_234_567, 1 << 63 | 1]), 0x8b6d740e26b2a7eb);
    }
}
