//! How long to wait before a connection is tried again.

use std::time::Duration;

/// The first wait. A browser waits as long as the server says, since there are thousands; at a terminal a person waits.
const SHORTEST: Duration = Duration::from_millis(200);
/// The longest.
const LONGEST: Duration = Duration::from_secs(10);

/// Waits that double from 0.2 s to 10 s, each less a random part of up to a half.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The next wait, for a random number from 0 to 1.
    pub fn next(&mut self, random: f64) -> Duration {
        let full = SHORTEST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        full.mul_f64(1.0 - 0.5 * random.clamp(0.0, 1.0))
    }

    /// Something came: the next wait is a short one again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests;
