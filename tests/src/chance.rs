//! Random numbers that can be had again.

use std::io::Write as _;

/// A generator (xorshift, 64 bits).
#[derive(Debug)]
pub struct Chance(u64);

impl Chance {
    /// From `AGENT_COMMS_SEED`, else a new one; the seed is printed, also by a test that passes.
    ///
    /// # Panics
    /// When the seed that is given is no number.
    #[must_use]
    pub fn new(name: &str) -> Self {
        use std::hash::{BuildHasher as _, RandomState};
        let given = std::env::var("AGENT_COMMS_SEED").ok();
        #[expect(clippy::unwrap_used, reason = "only whoever repeats a test gives a seed")]
        let given = given.map(|seed| seed.parse().unwrap());
        let seed: u64 = given.unwrap_or_else(|| RandomState::new().hash_one(name));
        tell(&format!("{name}: AGENT_COMMS_SEED={seed}"));
        Self(seed.max(1))
    }

    /// Another generator, for somebody who acts at the same time.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        // The finalizer of SplitMix64: what is next in one generator is not what is next in the other.
        let mut mixed = self.below(u64::MAX).wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self((mixed ^ (mixed >> 31)).max(1))
    }

    /// A number below this one.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    /// An index into a list of this length, which is not empty.
    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length.try_into().unwrap_or(u64::MAX))).unwrap_or(0)
    }
}

/// Prints past the harness, which shows what is printed by tests that fail alone.
pub fn tell(line: &str) {
    if let Err(error) = std::io::stderr().write_all(format!("{line}\n").as_bytes()) {
        // Nobody reads it.
        drop(error);
    }
}
