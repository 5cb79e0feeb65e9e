//! Which messages a reader was told, so that none is told twice. Pure.

use std::hash::{BuildHasher as _, RandomState};

use message::Recent;
use uuid::Uuid;

/// Messages that are remembered: all of the largest history, and as many more as come while it is read.
const REMEMBERED: usize = 4_096;

/// The last messages that a reader was told.
#[derive(Debug)]
pub struct Seen {
    told: Recent<(Uuid, u64)>,
    hasher: RandomState,
}

impl Default for Seen {
    fn default() -> Self {
        Self { told: Recent::new(REMEMBERED), hasher: RandomState::new() }
    }
}

impl Seen {
    /// Whether this is the first time that a message is met; what was met too long ago is met anew. An id is one
    /// namespace's own: another cannot take its place.
    pub fn is_new(&mut self, namespace: &str, id: Uuid) -> bool {
        self.told.is_new((id, self.hasher.hash_one(namespace)))
    }
}

#[cfg(test)]
mod tests;
