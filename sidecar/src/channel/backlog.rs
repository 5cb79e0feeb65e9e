//! What was heard and is not yet told to one reader: bounded, and what does not fit is counted where it would have been.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::line::Line;

/// Lines that wait for a reader.
const LINES: usize = 1_000;
/// Their bytes; a single line may be longer.
const BYTES: usize = 1024 * 1024;

/// What a reader hears next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// The connection was lost: from here on something may be missing.
    Interrupted,
    /// It is there again: history has what is missing.
    Resumed,
    /// A message.
    Line(Line),
    /// So many messages that did not fit.
    Dropped(u64),
}

/// The queue of one reader.
#[derive(Debug, Default)]
pub struct Backlog {
    held: Mutex<Held>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Held {
    queue: VecDeque<Heard>,
    bytes: usize,
    interrupted: bool,
    resumed: bool,
}

impl Backlog {
    /// Adds a message, or counts it as dropped.
    pub fn push(&self, line: Line) {
        let mut held = self.held();
        let length = line.text.len();
        let is_full = held.queue.len() >= LINES || (!held.queue.is_empty() && held.bytes + length > BYTES);
        if is_full {
            held.count_dropped(1);
        } else {
            held.bytes += length;
            held.queue.push_back(Heard::Line(line));
        }
        drop(held);
        self.changed.notify_one();
    }

    /// Counts messages that were lost before they came here.
    pub fn drop_unseen(&self, count: u64) {
        self.held().count_dropped(count);
        self.changed.notify_one();
    }

    /// Notes that the connection was lost.
    pub fn interrupt(&self) {
        self.held().interrupted = true;
        self.changed.notify_one();
    }

    /// Notes that it is there again.
    pub fn resume(&self) {
        self.held().resumed = true;
        self.changed.notify_one();
    }

    /// What is next, if anything is. What became of the connection comes first: what history then has is told before
    /// what waits, and not again with it.
    pub fn take(&self) -> Option<Heard> {
        let mut held = self.held();
        if std::mem::take(&mut held.interrupted) {
            return Some(Heard::Interrupted);
        }
        if std::mem::take(&mut held.resumed) {
            return Some(Heard::Resumed);
        }
        let heard = held.queue.pop_front()?;
        if let Heard::Line(line) = &heard {
            held.bytes -= line.text.len();
        }
        Some(heard)
    }

    /// Waits until something may be there.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // Each change is whole before anything can panic.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn count_dropped(&mut self, count: u64) {
        match self.queue.back_mut() {
            Some(Heard::Dropped(dropped)) => *dropped += count,
            _ => self.queue.push_back(Heard::Dropped(count)),
        }
    }
}

#[cfg(test)]
mod tests;
