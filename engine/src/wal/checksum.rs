//! The cumulative checksum that chains the frames of a log.
//!
//! For each pair of 32-bit words `x, y`: `s0 += x + s1; s1 += y + s0`, modulo 2^32 (SQLite file format,
//! section 4.2). Each step needs the one before, so a plain loop waits two additions per 8 bytes. But the
//! step is linear: with F the Fibonacci numbers, n words later
//!
//! ```text
//! s0' = F(n-1) s0 + F(n) s1   + what the n words alone add up to from (0, 0)
//! s1' = F(n) s0   + F(n+1) s1 + ..
//! ```
//!
//! So a block is cut into independent chains that run side by side from (0, 0) and are joined by that
//! formula. Four chains are about twice as fast as one, and faster than memory is copied; dot products with
//! Fibonacci coefficients and vector forms of the recurrence were slower with the baseline instruction set.

use crate::types::FrameChecksum;

/// How the checksum reads 32-bit words: the byte order of the machine that began the log. Every header field
/// is big-endian all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteOrder {
    /// Magic 0x377f0682.
    Little,
    /// Magic 0x377f0683.
    Big,
}

impl ByteOrder {
    /// This machine's order, which SQLite gives to the logs that it begins.
    pub const NATIVE: ByteOrder =
        if cfg!(target_endian = "big") { ByteOrder::Big } else { ByteOrder::Little };

    /// The order in which the other half of the world computes.
    pub const fn other(self) -> ByteOrder {
        match self {
            ByteOrder::Little => ByteOrder::Big,
            ByteOrder::Big => ByteOrder::Little,
        }
    }
}

/// Continues the chain `from` over `bytes`.
///
/// # Panics
/// Unless the length is a multiple of 8, as every header and page is.
pub fn extend(order: ByteOrder, from: FrameChecksum, bytes: &[u8]) -> FrameChecksum {
    let (pairs, rest) = bytes.as_chunks::<8>();
    assert!(rest.is_empty(), "{} bytes are no whole number of word pairs", bytes.len());
    match order {
        ByteOrder::Little => extend_pairs(from, pairs, |pair| {
            let both = u64::from_le_bytes(pair);
            (both as u32, (both >> 32) as u32)
        }),
        ByteOrder::Big => extend_pairs(from, pairs, |pair| {
            let both = u64::from_be_bytes(pair);
            ((both >> 32) as u32, both as u32)
        }),
    }
}

/// Blocks of four chains, then the rest one by one.
#[inline(always)]
fn extend_pairs(
    from: FrameChecksum,
    pairs: &[[u8; 8]],
    words: impl Fn([u8; 8]) -> (u32, u32) + Copy,
) -> FrameChecksum {
    let (chains, rest) = pairs.as_chunks::<CHAIN_PAIRS>();
    let (blocks, odd_chains) = chains.as_chunks::<CHAINS>();
    let sum = blocks.iter().fold(from, |sum, block| extend_block(sum, block, words));
    let sum = odd_chains.as_flattened().iter().fold(sum, |sum, pair| step(sum, words(*pair)));
    rest.iter().fold(sum, |sum, pair| step(sum, words(*pair)))
}

/// The four chains of a block, interleaved so that the processor runs them at the same time.
#[inline(always)]
fn extend_block(
    from: FrameChecksum,
    block: &[[[u8; 8]; CHAIN_PAIRS]; CHAINS],
    words: impl Fn([u8; 8]) -> (u32, u32),
) -> FrameChecksum {
    let mut sums = [FrameChecksum(0, 0); CHAINS];
    for pair in 0..CHAIN_PAIRS {
        for (sum, chain) in sums.iter_mut().zip(block) {
            *sum = step(*sum, words(chain[pair]));
        }
    }
    sums.into_iter().fold(from, |from, sum| {
        let moved = past_one_chain(from);
        FrameChecksum(moved.0.wrapping_add(sum.0), moved.1.wrapping_add(sum.1))
    })
}

/// The recurrence itself.
#[inline(always)]
fn step(sum: FrameChecksum, (x, y): (u32, u32)) -> FrameChecksum {
    let s0 = sum.0.wrapping_add(x).wrapping_add(sum.1);
    FrameChecksum(s0, sum.1.wrapping_add(y).wrapping_add(s0))
}

/// What `sum` becomes over one chain of zeros.
#[inline(always)]
fn past_one_chain(sum: FrameChecksum) -> FrameChecksum {
    const WORDS: usize = 2 * CHAIN_PAIRS;
    const F: [u32; WORDS + 2] = fibonacci();
    let mix = |a: u32, b: u32| a.wrapping_mul(sum.0).wrapping_add(b.wrapping_mul(sum.1));
    FrameChecksum(mix(F[WORDS - 1], F[WORDS]), mix(F[WORDS], F[WORDS + 1]))
}

/// F(0), F(1), .. modulo 2^32.
const fn fibonacci<const N: usize>() -> [u32; N] {
    let mut numbers = [0u32; N];
    numbers[1] = 1;
    let mut i = 2;
    while i < N {
        numbers[i] = numbers[i - 1].wrapping_add(numbers[i - 2]);
        i += 1;
    }
    numbers
}

/// Independent chains per block: four fill the adders of current processors.
const CHAINS: usize = 4;
/// Word pairs per chain. A block is then 512 bytes, the smallest page, so no page has a slow rest.
const CHAIN_PAIRS: usize = 16;
const _: () = assert!(CHAINS * CHAIN_PAIRS * 8 == 512);

#[cfg(test)]
mod tests;
