//! Chance from one seed. Fork by name, so that a new consumer shifts nobody else's rolls.

use rand::{RngExt as _, SeedableRng as _, TryRng as _, rngs::ChaCha8Rng, seq::SliceRandom as _};
use sha2::{Digest as _, Sha256};

/// A named stream of chance.
#[derive(Debug)]
pub struct Dice {
    seed: [u8; 32],
    stream: ChaCha8Rng,
}

impl Dice {
    /// The root of a run; the seed is printed and kept in the journal.
    pub fn new(seed: u64) -> Self {
        Self::from_seed(Sha256::digest(seed.to_le_bytes()).into())
    }

    /// A seed for those who named none, from the operating system.
    pub fn fresh_seed() -> u64 {
        // 32 bits are enough to be different, and few enough to be typed again.
        u64::from(rand::rngs::SysRng.try_next_u32().unwrap_or(1))
    }

    /// An independent stream for `name`.
    #[must_use]
    pub fn fork(&self, name: &str) -> Self {
        Self::from_seed(Sha256::new().chain_update(self.seed).chain_update(name).finalize().into())
    }

    fn from_seed(seed: [u8; 32]) -> Self {
        Self { seed, stream: ChaCha8Rng::from_seed(seed) }
    }

    /// A whole number in `0..below`; 0 if `below` is 0.
    pub fn below(&mut self, below: u64) -> u64 {
        if below == 0 { 0 } else { self.stream.random_range(0..below) }
    }

    /// Shuffles.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        items.shuffle(&mut self.stream);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_a_name_forks() {
        let roll = |mut dice: Dice| (0..8).map(|_| dice.below(1_000)).collect::<Vec<_>>();
        assert_eq!(roll(Dice::new(7)), roll(Dice::new(7)));
        assert_ne!(roll(Dice::new(7)), roll(Dice::new(8)));
        assert_ne!(roll(Dice::new(7).fork("a")), roll(Dice::new(7).fork("b")));
        let (mut used, fresh) = (Dice::new(7), Dice::new(7));
        used.below(10);
        assert_eq!(roll(used.fork("a")), roll(fresh.fork("a")), "a fork does not depend on rolls");
    }
}
