//! Which ids were seen, beyond what the ring holds: a copy that was sent again without saying so is known by it, also after
//! the ring began anew. Pure.
//!
//! A hit proves nothing by itself, since only a hash is kept: the row decides. So it does for everything while ids are missing:
//! where more waits to be stored than the ring holds, or where the stream discarded what never came here. Copies of what is
//! older than this memory are shown again by publishers that do not mark them, where the stream itself does not refuse them.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};

use uuid::Uuid;

use crate::cursor::Cursor;

/// How many ids are kept: more than three minutes of 2,000 messages a second, in 16 MiB.
const MOST: usize = 400_000;
/// How many the table is asked for, where those below a ring are not known.
pub(super) const RECALLED: usize = 50_000;

/// The lowest position of each id.
#[derive(Debug)]
pub(super) struct Ids {
    most: usize,
    hasher: RandomState,
    lowest: HashMap<u64, Cursor>,
    /// The hashes, as they came.
    order: VecDeque<u64>,
    /// Up to where no id is missing, except for the oldest.
    known_to: Option<Cursor>,
    /// Up to here ids are missing that only the table can tell, once it holds everything up to here.
    missing_to: Option<Cursor>,
}

impl Default for Ids {
    fn default() -> Self {
        Self::of(MOST)
    }
}

impl Ids {
    pub(super) fn of(most: usize) -> Self {
        let (lowest, order) = (HashMap::new(), VecDeque::new());
        Self { most, hasher: RandomState::new(), lowest, order, known_to: None, missing_to: None }
    }

    /// Notes a message; tells whether one below it may have had this id.
    pub(super) fn note(&mut self, namespace: &str, id: Uuid, cursor: Cursor) -> bool {
        let is_missing = self.missing_to.is_some();
        let hash = self.hasher.hash_one((namespace, id));
        match self.lowest.entry(hash) {
            Entry::Occupied(mut known) => {
                let lowest = *known.get();
                known.insert(lowest.min(cursor));
                is_missing || lowest < cursor
            }
            Entry::Vacant(unknown) => {
                unknown.insert(cursor);
                self.order.push_back(hash);
                if self.order.len() > self.most
                    && let Some(oldest) = self.order.pop_front()
                {
                    self.lowest.remove(&oldest);
                }
                is_missing
            }
        }
    }

    /// Notes what the table told, newest first.
    pub(super) fn recall(&mut self, newest: &[(String, Uuid, Cursor)]) {
        for (namespace, id, cursor) in newest.iter().rev() {
            self.note(namespace, *id, *cursor);
        }
    }

    /// Whether the ids up to a position are known, so that a ring may begin there.
    pub(super) fn knows(&self, base: Cursor) -> bool {
        self.known_to.is_some_and(|known_to| known_to.epoch == base.epoch && base <= known_to)
    }

    /// The table told its ids up to here, for a ring that begins after `base`. Where that is further on, what lies between is
    /// neither stored nor followed.
    pub(super) fn fill(&mut self, up_to: Cursor, base: Cursor) {
        (self.known_to, self.missing_to) = if base <= up_to { (Some(up_to), None) } else { (None, Some(base)) };
    }

    /// The stream was followed up to here, from a position up to which they were known.
    pub(super) fn followed(&mut self, head: Cursor) {
        self.known_to = self.known_to.max(self.known_to.and(Some(head)));
    }

    /// Some of the stream up to here never came here.
    pub(super) fn miss(&mut self, up_to: Cursor) {
        if !self.knows(up_to) {
            (self.known_to, self.missing_to) = (None, Some(up_to));
        }
    }

    /// Up to where the table has to be asked, once it holds everything up to there.
    pub(super) fn missing_to(&self) -> Option<Cursor> {
        self.missing_to
    }
}

#[cfg(test)]
mod tests;
