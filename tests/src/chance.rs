//! Random numbers that can be had again.

use std::io::Write as _;

/// A generator (xorshift, 64 bits).
pub struct Chance(u64);

impl Chance {
    /// From `AGENT_COMMS_SEED`, else a new one; the seed is printed, also by a test that passes.
    pub fn new(name: &str) -> Self {
        use std::hash::{BuildHasher as _, RandomState};
        let given = std::env::var("AGENT_COMMS_SEED").ok().map(|seed| seed.parse().unwrap());
        let seed: u64 = given.unwrap_or_else(|| RandomState::new().hash_one(name));
        // Past the harness, which shows what is printed by tests that fail alone.
        std::io::stderr().write_all(format!("{name}: AGENT_COMMS_SEED={seed}\n").as_bytes()).unwrap();
        Self(seed.max(1))
    }

    /// A number below this one.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}
