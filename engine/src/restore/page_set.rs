//! Which pages have a source already.

use std::collections::BTreeMap;

/// A set of page numbers whose memory follows what was inserted, not the largest number.
#[derive(Clone, Debug, Default)]
pub(super) struct PageSet {
    blocks: BTreeMap<u32, Box<[u64; BLOCK_WORDS]>>,
    count: u64,
}

const BLOCK_WORDS: usize = 16;
const BLOCK_PAGES: u32 = BLOCK_WORDS as u32 * 64;

impl PageSet {
    /// Whether the page was not in it.
    pub(super) fn insert(&mut self, page: u32) -> bool {
        let block = self.blocks.entry(page / BLOCK_PAGES).or_insert_with(|| Box::new([0; BLOCK_WORDS]));
        let (word, bit) = ((page % BLOCK_PAGES / 64) as usize, 1 << (page % 64));
        let is_new = block[word] & bit == 0;
        block[word] |= bit;
        self.count += u64::from(is_new);
        is_new
    }

    pub(super) fn contains(&self, page: u32) -> bool {
        let block = self.blocks.get(&(page / BLOCK_PAGES));
        block.is_some_and(|words| words[(page % BLOCK_PAGES / 64) as usize] & (1 << (page % 64)) != 0)
    }

    pub(super) fn len(&self) -> u64 {
        self.count
    }

    /// The first page from 1 on that is neither in it nor `lock`.
    pub(super) fn first_missing(&self, lock: u32) -> u32 {
        (1..=u32::MAX).find(|page| *page != lock && !self.contains(*page)).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn it_is_a_set(pages in proptest::collection::vec(1u32..6000, 0..40)) {
            let mut set = PageSet::default();
            let mut model = BTreeSet::new();
            for page in pages {
                prop_assert_eq!(set.insert(page), model.insert(page));
            }
            prop_assert_eq!(set.len(), model.len() as u64);
            prop_assert!((1..6000).all(|p| set.contains(p) == model.contains(&p)));
        }
    }

    #[test]
    fn the_lock_page_is_never_missing() {
        let mut set = PageSet::default();
        assert_eq!(set.first_missing(1), 2);
        (1..5000).filter(|p| *p != 3).for_each(|p| assert!(set.insert(p)));
        assert_eq!(set.first_missing(3), 5000);
        assert_eq!(set.first_missing(7), 3);
    }

    #[test]
    fn a_large_number_costs_one_block() {
        let mut set = PageSet::default();
        set.insert(u32::MAX);
        assert_eq!(set.blocks.len(), 1);
    }
}
