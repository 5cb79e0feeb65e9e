//! How much is told: each thing once in a while, and all together not more than a few a second.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// What was told of an owner is not told again before this time; the API server keeps events for an hour.
const AGAIN_AFTER: Duration = Duration::from_secs(600);
/// Owners and reasons that are remembered, some hundred bytes each.
const REMEMBERED: usize = 4096;
const PER_SECOND: f64 = 10.0;
const BURST: f64 = 50.0;

/// A thing to tell: the owner's uid and the reason.
pub type Key = (String, &'static str);

/// What was told, and what may be told yet.
#[derive(Debug)]
pub struct Limit {
    told: HashMap<Key, Instant>,
    tokens: f64,
    filled: Instant,
}

impl Limit {
    /// Nothing was told yet.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { told: HashMap::new(), tokens: BURST, filled: now }
    }

    /// Whether this may be told now; it then counts as told.
    pub fn admits(&mut self, key: Key, now: Instant) -> bool {
        self.tokens = (self.tokens + now.duration_since(self.filled).as_secs_f64() * PER_SECOND).min(BURST);
        self.filled = now;
        let is_recent = |told: &Instant| now.duration_since(*told) < AGAIN_AFTER;
        if self.tokens < 1.0 || self.told.get(&key).is_some_and(is_recent) {
            return false;
        }
        if self.told.len() >= REMEMBERED {
            self.told.retain(|_, told| is_recent(told));
            if self.told.len() >= REMEMBERED {
                // Many owners in a short time: better some told twice than others never.
                self.told.clear();
            }
        }
        self.tokens -= 1.0;
        self.told.insert(key, now);
        true
    }
}
