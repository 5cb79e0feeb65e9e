//! Which messages a reader was told, so that none is told twice. Pure.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher as _, RandomState};

use uuid::Uuid;

/// Messages that are remembered: all of the largest history, and as many more as come while it is read.
const REMEMBERED: usize = 4_096;

/// The last messages that a reader was told.
#[derive(Debug, Default)]
pub struct Seen {
    known: HashSet<(Uuid, u64)>,
    order: VecDeque<(Uuid, u64)>,
    hasher: RandomState,
}

impl Seen {
    /// Whether this is the first time that a message is met; what was met too long ago is met anew. An id is one
    /// namespace's own: another cannot take its place.
    pub fn is_new(&mut self, namespace: &str, id: Uuid) -> bool {
        let key = (id, self.hasher.hash_one(namespace));
        if !self.known.insert(key) {
            return false;
        }
        self.order.push_back(key);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests;
