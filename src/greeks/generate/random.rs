//! Seeded draws for the generator: every purpose has a stream of its own, so that asking for more strikes or for defects
//! does not change the spot path. Called by the other files of this folder; must never use anything but integer
//! arithmetic, `libm` and square roots, or the same flags would give other bytes on another machine.

use libm::{cos, log, sqrt};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

/// What all streams of one run share: seed, symbol and first date.
#[derive(Debug, Clone)]
pub struct RunKey(String);

impl RunKey {
    pub fn new(seed: u64, symbol: &str, date: &str) -> Self {
        Self(format!("pitlake generate greeks 1\n{seed}\n{symbol}\n{date}"))
    }

    /// The stream for one purpose, such as `path` or `interest 2025-01-17`.
    pub fn stream(&self, purpose: &str) -> Draws {
        let digest = Sha256::new().chain_update(&self.0).chain_update("\n").chain_update(purpose).finalize();
        let mut seed = [0; 32];
        seed.copy_from_slice(&digest);
        Draws(ChaCha8Rng::from_seed(seed))
    }
}

/// One stream of draws.
#[derive(Debug)]
pub struct Draws(ChaCha8Rng);

impl Draws {
    /// Goes to sub-stream `index` from its start: draws for one strike do not depend on which other strikes exist.
    pub fn enter(&mut self, index: u64) {
        self.0.set_stream(index);
        self.0.set_word_pos(0);
    }

    /// Uniform in the open interval (0, 1).
    pub fn uniform(&mut self) -> f64 {
        ((self.0.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    /// Uniform in [`low`, `high`).
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// Uniform in 0..`bound`; 0 when `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.0.next_u64()) * bound as u128) >> 64) as usize
    }

    /// Standard normal (Box and Muller 1958, the cosine half).
    pub fn normal(&mut self) -> f64 {
        let radius = sqrt(-2.0 * log(self.uniform()));
        radius * cos(std::f64::consts::TAU * self.uniform())
    }
}
