//! What of a source is there already: in the table, or in the stream above it. Pure.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use message::{Message, Source};
use uuid::Uuid;

/// The ranges of one life of a source that messages were made from.
#[derive(Debug, Clone, Default)]
pub struct Held {
    /// The numbers of the messages of each range, by its start and end.
    ranges: BTreeMap<(u64, u64), BTreeSet<u32>>,
    /// Where one of them begins or ends.
    cuts: BTreeSet<u64>,
}

/// Whether a message is to be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is not there.
    Missing,
    /// It is there.
    There,
    /// It is not there, but other messages made of some of its bytes are: the file was read by other rules, or it is another
    /// file. To publish it would repeat what they say.
    Otherwise,
}

impl Held {
    /// Adds the range of a message that is there. Records about a source have none.
    pub fn add(&mut self, source: &Source) {
        if source.start < source.end {
            self.ranges.entry((source.start, source.end)).or_default().insert(source.part);
            self.cuts.extend([source.start, source.end]);
        }
    }

    /// Whether a message that is there begins or ends here: so the sidecar cut here, by whatever it knew.
    #[must_use]
    pub fn is_cut(&self, position: u64) -> bool {
        self.cuts.contains(&position)
    }

    /// The next such place behind a position.
    #[must_use]
    pub fn next_cut(&self, after: u64) -> Option<u64> {
        self.cuts.range(after.saturating_add(1)..).next().copied()
    }

    /// What becomes of a message of this source; `ids` are those that are there.
    #[must_use]
    pub fn fate(&self, message: &Message, ids: &HashSet<Uuid>) -> Fate {
        if ids.contains(&message.id) {
            return Fate::There;
        }
        let Some(source) = &message.source else { return Fate::Missing };
        if let Some(parts) = self.ranges.get(&(source.start, source.end)) {
            // Other bytes gave it another id: the number tells which of the range's messages it would be.
            return if parts.contains(&source.part) { Fate::Otherwise } else { Fate::Missing };
        }
        let before = self.ranges.range(..(source.end, 0)).next_back();
        let overlaps = before.is_some_and(|((start, end), _)| *end > source.start && *start < source.end);
        if overlaps { Fate::Otherwise } else { Fate::Missing }
    }
}

#[cfg(test)]
mod tests;
