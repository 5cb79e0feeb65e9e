//! What was shown lately: after a reset the server tells its newest messages, some of which may have been shown before.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::said::Said;

/// More than a server tells again at once, several times.
const MOST: usize = 8_192;

/// The last messages that were shown.
#[derive(Debug, Default)]
pub(super) struct Shown {
    order: VecDeque<u64>,
    known: HashSet<u64>,
}

impl Shown {
    /// Whether this message was not shown yet; from now on it was.
    pub(super) fn first(&mut self, said: &Said) -> bool {
        // 8,192 of 2^64: that two messages meet is not to be expected in the life of a terminal.
        let mut hasher = DefaultHasher::new();
        (&said.workflow_namespace, &said.id).hash(&mut hasher);
        let hash = hasher.finish();
        if !self.known.insert(hash) {
            return false;
        }
        self.order.push_back(hash);
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests;
