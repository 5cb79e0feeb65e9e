//! Copies that were sent again and wait until everything below them is committed: only then does the table know whether one
//! of them is the message. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::cursor::Cursor;

/// Copies that are held, by their position.
#[derive(Debug)]
pub(super) struct Hold<T> {
    copies: BTreeMap<Cursor, Held<T>>,
    bytes: usize,
    limits: Limits,
}

/// How much is held, and stored at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Bytes of everything that is held.
    pub(super) bytes: usize,
    /// Copies of one transaction.
    pub(super) run: usize,
    /// Bytes of one transaction.
    pub(super) run_bytes: usize,
}

#[derive(Debug)]
struct Held<T> {
    bytes: usize,
    what: T,
}

/// Copies that can be decided now, together.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// The copies, in order.
    pub(super) copies: Vec<Cursor>,
    /// Once they are stored, everything at or below this sequence is committed.
    pub(super) up_to: i64,
}

impl<T> Hold<T> {
    pub(super) fn new(limits: Limits) -> Self {
        Self { copies: BTreeMap::new(), bytes: 0, limits }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.copies.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.copies.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The highest position that is held of a life.
    pub(super) fn highest(&self, epoch: i64) -> Option<i64> {
        let of_epoch = Cursor { epoch, sequence: i64::MIN }..=Cursor { epoch, sequence: i64::MAX };
        self.copies.range(of_epoch).next_back().map(|(cursor, _)| cursor.sequence)
    }

    /// Holds a copy; one that is held already is delivered anew, and the newer delivery counts. Returns what there is no
    /// room for: the highest, since the lowest is decided first.
    pub(super) fn add(&mut self, cursor: Cursor, bytes: usize, what: T) -> Vec<T> {
        self.bytes += bytes;
        if let Some(before) = self.copies.insert(cursor, Held { bytes, what }) {
            self.bytes -= before.bytes;
        }
        let mut back = Vec::new();
        while self.bytes > self.limits.bytes
            && let Some((_, held)) = self.copies.pop_last()
        {
            self.bytes -= held.bytes;
            back.push(held.what);
        }
        back
    }

    /// The copies from the watermark on that nothing uncommitted lies below: each next sequence is either held here or
    /// `committed`.
    pub(super) fn run(&self, watermark: Cursor, committed: &BTreeSet<i64>) -> Run {
        let mut run = Run { copies: Vec::new(), up_to: watermark.sequence };
        let mut bytes = 0;
        loop {
            let next = Cursor { sequence: run.up_to + 1, ..watermark };
            if let Some(held) = self.copies.get(&next) {
                // One that is larger than a transaction takes goes alone.
                let is_full = bytes + held.bytes > self.limits.run_bytes || run.copies.len() == self.limits.run;
                if is_full && !run.copies.is_empty() {
                    return run;
                }
                bytes += held.bytes;
                run.copies.push(next);
            } else if !committed.contains(&next.sequence) {
                return run;
            }
            run.up_to = next.sequence;
        }
    }

    /// The copies at or below the watermark: what lies below them is committed, and they are too, or come too late.
    pub(super) fn passed(&self, watermark: Cursor) -> Vec<Cursor> {
        self.copies.range(..=watermark).map(|(cursor, _)| *cursor).take(self.limits.run).collect()
    }

    /// Takes copies out.
    pub(super) fn take(&mut self, cursors: &[Cursor]) -> Vec<(Cursor, T)> {
        let mut taken = Vec::with_capacity(cursors.len());
        for cursor in cursors {
            if let Some(held) = self.copies.remove(cursor) {
                self.bytes -= held.bytes;
                taken.push((*cursor, held.what));
            }
        }
        taken
    }

    /// Takes everything out.
    pub(super) fn drain(&mut self) -> Vec<T> {
        self.bytes = 0;
        std::mem::take(&mut self.copies).into_values().map(|held| held.what).collect()
    }
}

#[cfg(test)]
mod tests;
