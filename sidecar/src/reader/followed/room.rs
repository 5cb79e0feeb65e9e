//! How room is made for one more open file.

use std::collections::HashSet;

use super::super::Turn;
use super::Followed;
use crate::ledger::{Ledger, SourceKey};

/// Memory for the beginnings of lines of files that are closed, at most; what does not find room is read again.
const MOST_HELD: usize = 1024 * 1024;

impl Followed {
    /// Lets those rest that can.
    pub(super) fn settle(&mut self, ledger: &Ledger, pressure: bool) {
        let (sources, resting) = (&mut self.sources, &mut self.resting);
        self.settling.retain(|key| {
            let Some(source) = sources.get_mut(key).filter(|source| !source.queued) else { return false };
            let rests = source.rest(ledger, pressure);
            if rests {
                resting.push_back(*key);
            }
            !rests
        });
        if self.resting.len() > 2 * self.sources.len() + 64 {
            // Of a file that was woken again and again the last rest counts.
            let mut seen = HashSet::new();
            let newest: Vec<SourceKey> = self.resting.drain(..).rev().filter(|key| seen.insert(*key)).collect();
            self.resting.extend(newest.into_iter().rev());
        }
    }

    /// Whether one more file may be open, if need be after closing another. At the end of the step none is closed before it
    /// had its last turn.
    pub(super) fn make_room(&mut self, turn: &Turn<'_>) -> bool {
        if self.open < self.files.limit() {
            return true;
        }
        if turn.finishing {
            return false;
        }
        self.settle(turn.ledger, true);
        for _ in 0..self.resting.len() {
            let Some(key) = self.resting.pop_front() else { break };
            let Some(source) = self.sources.get_mut(&key) else { continue };
            if source.queued || !source.rest(turn.ledger, true) {
                continue;
            }
            let identity = source.identity();
            // Without a name it cannot be opened again, so that it is read while it is written, as a deleted one is.
            let can_go = self.files.has_name(identity)
                || self.files.has_no_name(identity) && source.is_idle_for(turn.context.deleted_idle);
            if can_go && source.close(MOST_HELD.saturating_sub(self.held)) {
                self.files.closed(identity, source.seen());
                self.open -= 1;
                self.held += source.held();
                return true;
            }
            self.resting.push_back(key);
        }
        false
    }
}
