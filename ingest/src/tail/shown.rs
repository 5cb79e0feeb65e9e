//! What was shown lately: after a reset the server tells its newest messages, some of which may have been shown before.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use message::Recent;

use super::said::Said;

/// More than a server tells again at once, several times.
const MOST: usize = 8_192;

/// The last messages that were shown.
#[derive(Debug)]
pub(super) struct Shown(Recent<u64>);

impl Default for Shown {
    fn default() -> Self {
        Self(Recent::new(MOST))
    }
}

impl Shown {
    /// Whether this message was not shown yet; from now on it was.
    pub(super) fn first(&mut self, said: &Said) -> bool {
        // 8,192 of 2^64: that two messages meet is not to be expected in the life of a terminal.
        let mut hasher = DefaultHasher::new();
        (&said.workflow_namespace, &said.id).hash(&mut hasher);
        self.0.is_new(hasher.finish())
    }
}

#[cfg(test)]
mod tests;
