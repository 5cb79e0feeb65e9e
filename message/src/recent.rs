//! The last keys that were met, so that nothing is told twice and memory stays bounded.

use std::collections::{HashSet, VecDeque};
use std::hash::Hash;

/// So many of the last keys.
#[derive(Debug)]
pub struct Recent<K> {
    most: usize,
    known: HashSet<K>,
    order: VecDeque<K>,
}

impl<K: Clone + Eq + Hash> Recent<K> {
    /// None yet, and at most so many.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most, known: HashSet::new(), order: VecDeque::new() }
    }

    /// How many are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Whether a key is met for the first time; what was met too long ago is met anew.
    pub fn is_new(&mut self, key: K) -> bool {
        if !self.known.insert(key.clone()) {
            return false;
        }
        self.order.push_back(key);
        if self.order.len() > self.most
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests;
