//! Numbers that are the same in each run.

/// A sequence that its seed decides (xorshift).
#[derive(Clone, Debug)]
pub struct Sequence(u64);

impl Sequence {
    /// `seed`: not 0, which is followed by nothing else.
    pub fn new(seed: u64) -> Sequence {
        assert_ne!(seed, 0, "every number would be 0");
        Sequence(seed)
    }

    /// The next number, below `end`; 0 where that is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 1) % end.max(1)
    }
}
