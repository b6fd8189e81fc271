//! One sub-stream per kind of fault: switching one off leaves the draws of the others alone.

use super::{Random, Stream};
use std::collections::BTreeMap;

/// Decides, kind by kind, whether a fault strikes.
#[derive(Debug)]
pub(crate) struct Dice {
    seed: u64,
    stream: Stream,
    base: u32,
    kinds: BTreeMap<u32, Random>,
}

impl Dice {
    /// Dice of a purpose. `owner` tells apart several owners of the purpose (machines); below 65536.
    pub(crate) fn new(seed: u64, stream: Stream, owner: u32) -> Dice {
        assert!(owner < 1 << 16, "too many owners");
        Dice { seed, stream, base: owner << 16, kinds: BTreeMap::new() }
    }

    /// Whether the fault `kind` strikes, `ppm` times in a million.
    pub(crate) fn hit(&mut self, kind: u32, ppm: u32) -> bool {
        ppm != 0 && self.of(kind).ppm(ppm)
    }

    /// The draws that belong to `kind` (below 65536): where a fault strikes, how hard.
    pub(crate) fn of(&mut self, kind: u32) -> &mut Random {
        assert!(kind < 1 << 16, "too many kinds");
        let (seed, stream, index) = (self.seed, self.stream, self.base | kind);
        self.kinds.entry(kind).or_insert_with(|| Random::indexed(seed, stream, index))
    }
}
