//! Seeded randomness that stays what it was: old seeds keep their meaning when the world grows.
//!
//! One ChaCha8 key per seed and one ChaCha *stream* per purpose: a new purpose takes a new number and never
//! shifts the draws of another. Ranges are computed here, so that no library upgrade changes a seed.

mod dice;
mod stream;

pub(crate) use dice::Dice;
pub use stream::{Random, Stream};

#[cfg(test)]
mod tests;
