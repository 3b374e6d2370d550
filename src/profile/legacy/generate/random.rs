//! Seeded draws for the generator: every purpose has a stream of its own, so that faults do not change prices. Integer arithmetic
//! alone, so that the same flags give the same bytes on every machine.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

/// One stream of draws.
#[derive(Debug)]
pub(super) struct Draws(ChaCha8Rng);

impl Draws {
    /// The stream for one purpose, such as `path 2025-01-15`.
    pub(super) fn new(seed: u64, symbol: &str, purpose: &str) -> Self {
        let text = format!("pitlake generate legacy-tpo 1\n{seed}\n{symbol}\n{purpose}");
        Self(ChaCha8Rng::from_seed(Sha256::digest(text).into()))
    }

    /// Uniform in 0..`bound`; 0 when `bound` is 0.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.0.next_u64()) * bound as u128) >> 64) as usize
    }

    /// Whole, around 0, bell-shaped: the sum of twelve uniform draws less their middle.
    pub(super) fn step(&mut self, spread: i64) -> i64 {
        let wide = 2 * spread + 1;
        let sum: i64 = (0..12).map(|_| self.below(wide as usize) as i64 - spread).sum();
        // Twelve draws of variance spread²/3 have one of 4 spread².
        sum / 2
    }

    pub(super) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}
