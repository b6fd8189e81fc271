//! One stream of draws.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// What draws are for. Numbers are for ever: they are part of what a seed means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub enum Stream {
    /// The list of operations and faults of a run.
    Plan = 1,
    /// Which faults are on, at which rates, and the configuration.
    Swarm = 2,
    /// What the application does.
    Workload = 3,
    /// Which disk operations fail; one sub-stream per kind of fault.
    DiskFault = 4,
    /// What a power cut leaves.
    DiskCrash = 5,
    /// What SQLite's own generator is seeded with.
    SqliteRandomness = 6,
    /// How long disk operations take.
    DiskLatency = 7,
    /// Choices of the object store itself.
    Store = 8,
    /// Which requests fail; one sub-stream per kind of fault.
    NetworkFault = 9,
    /// How long requests take.
    NetworkLatency = 10,
    /// What is handed to the engine as its randomness (writer ids, jitter).
    Engine = 11,
    /// The order of events that are due at the same moment.
    Events = 12,
    /// Jumps and drift of clocks.
    Clock = 13,
    /// Kills, pauses and restarts.
    Process = 14,
    /// The workload without SQLite.
    Fleet = 15,
    /// Task order and cancellation of the async driver.
    Driver = 16,
    /// What the application does while a look waits.
    Meanwhile = 17,
    /// Restores that operators start.
    Restore = 18,
    /// Places that are only read.
    Archive = 19,
}

/// Draws for one purpose.
#[derive(Clone, Debug)]
pub struct Random(ChaCha8Rng);

impl Random {
    /// The stream of `seed` for one purpose.
    pub fn new(seed: u64, stream: Stream) -> Random {
        Random::indexed(seed, stream, 0)
    }

    /// One of many sub-streams of a purpose: a machine, a database, a kind of fault.
    pub fn indexed(seed: u64, stream: Stream, index: u32) -> Random {
        let mut key = *b"seed____walsync-simulation-key-1";
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut generator = ChaCha8Rng::from_seed(key);
        generator.set_stream(u64::from(index) << 32 | u64::from(stream as u32));
        Random(generator)
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in `0..bound` (the bias is below `bound / 2^64`).
    ///
    /// # Panics
    /// When `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "nothing is below 0");
        let wide = u128::from(self.0.next_u64()) * u128::from(bound);
        u64::try_from(wide >> 64).expect("the high half of a 128-bit product")
    }

    /// [`Random::below`] for lengths and indexes.
    pub fn below_usize(&mut self, bound: usize) -> usize {
        usize::try_from(self.below(bound as u64)).expect("below a usize")
    }

    /// Uniform in the closed range `min..=max`.
    ///
    /// # Panics
    /// When `min > max`, or for the range of all 64-bit numbers.
    pub fn range(&mut self, min: u64, max: u64) -> u64 {
        assert!(min <= max, "empty range {min}..={max}");
        min + self.below((max - min).checked_add(1).expect("not the range of all numbers"))
    }

    /// True `parts` times in a million. With 0 nothing is drawn.
    pub fn ppm(&mut self, parts: u32) -> bool {
        parts != 0 && self.below(1_000_000) < u64::from(parts)
    }

    /// One of `choices`.
    ///
    /// # Panics
    /// When there is none.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below_usize(choices.len())]
    }

    /// Random bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    /// Flips one bit of `bytes`; does nothing to an empty slice.
    pub(crate) fn flip_bit(&mut self, bytes: &mut [u8]) {
        if bytes.is_empty() {
            return;
        }
        let bit = self.below_usize(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}
