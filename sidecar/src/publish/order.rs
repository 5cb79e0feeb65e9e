//! Counts messages that the stream has behind later ones of their source, from the sequences that it told. Pure.
//!
//! A message is late when one after it in its source comes before it in the stream. Both were in the window at one time
//! then, or the later one would not have been sent before the earlier was stored: so what left the window last is enough
//! to know every late message, whatever happened to the answers in between.
//!
//! The stream tells of one copy of each message: where it does not know any more that it has an earlier one, that of the
//! copy.

use std::collections::VecDeque;

use super::LIMITS;
use crate::ledger::SourceKey;

/// A place in the stream: streams that were lost before it, and its sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamPlace {
    /// Streams that were lost before.
    pub lost: u64,
    /// Sequence.
    pub sequence: u64,
}

/// What left the window last and is not late, oldest first. Of one source the places rise.
#[derive(Debug, Default)]
pub struct Order {
    recent: VecDeque<(SourceKey, StreamPlace)>,
}

impl Order {
    /// The next message of its source is at this place. Gives how many messages before it are late by that; each is given
    /// once.
    pub fn next(&mut self, source: SourceKey, place: StreamPlace) -> u64 {
        let mut late = 0;
        while let Some(index) = self.recent.iter().rposition(|(of, _)| *of == source)
            && self.recent[index].1 > place
        {
            self.recent.remove(index);
            late += 1;
        }
        if self.recent.len() >= LIMITS.messages {
            self.recent.pop_front();
        }
        self.recent.push_back((source, place));
        late
    }
}

#[cfg(test)]
mod tests;
