//! Seeded draws for the generator: every purpose has a stream of its own, so that asking for defects does not change a price.
//! Called by the other files of this folder; must never use anything but integer arithmetic, `libm` and square roots, or the
//! same settings would give other bytes on another machine.

use libm::{cos, log, sqrt};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

/// One stream of draws.
#[derive(Debug)]
pub struct Draws(ChaCha8Rng);

impl Draws {
    /// The stream of one purpose, such as `path 2025-01-15`, of one symbol and seed.
    pub fn of(seed: u64, symbol: &str, purpose: &str) -> Self {
        let digest = Sha256::digest(format!("pitlake generate bars 1\n{seed}\n{symbol}\n{purpose}"));
        let mut key = [0; 32];
        key.copy_from_slice(&digest);
        Self(ChaCha8Rng::from_seed(key))
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
