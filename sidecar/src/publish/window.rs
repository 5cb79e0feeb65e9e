//! What is on its way to the server: the messages from the oldest unanswered one on, in order. Pure: time and answers are
//! handed in.
//!
//! Invariants:
//! - at most a fixed number of messages and bytes are held; one message always fits;
//! - an item comes out only when it and everything before it is stored;
//! - after a refusal nothing more is sent until every message on its way was answered or given up; then sending goes on
//!   from the oldest that is not stored, so that order is lost by refused messages alone.

use std::collections::VecDeque;
use std::time::Instant;

/// Bounds of a window.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Messages.
    pub messages: usize,
    /// Bytes of their bodies.
    pub bytes: usize,
}

/// One message in the window.
#[derive(Debug)]
pub struct Entry<T> {
    /// The message.
    pub item: T,
    /// How often it was sent.
    pub attempts: u32,
    bytes: usize,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// To be sent, for the first time or again.
    Waiting,
    /// Sent and unanswered.
    Sent { at: Instant },
    /// The server did not take it, or its answer is lost.
    Refused,
    /// The server has it.
    Stored,
}

/// The window.
#[derive(Debug)]
pub struct Window<T> {
    entries: VecDeque<Entry<T>>,
    /// Number of the first entry; numbers count all items ever pushed.
    first: u64,
    limits: Limits,
    bytes: usize,
    /// Entries in state `Sent`.
    on_the_way: usize,
    /// Number below which nothing waits.
    next: u64,
    holding: bool,
}

impl<T> Window<T> {
    /// An empty window.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { entries: VecDeque::new(), first: 0, limits, bytes: 0, on_the_way: 0, next: 0, holding: false }
    }

    /// Whether there is room for one more message, however large.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.entries.len() < self.limits.messages && self.bytes < self.limits.bytes
    }

    /// Whether everything pushed has come out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Messages in the window.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether something was refused and the rest is being settled.
    #[must_use]
    pub fn is_holding(&self) -> bool {
        self.holding
    }

    /// Whether a refusal is settled: nothing is on its way any more, and [`Window::go_on`] may be called.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.on_the_way == 0
    }

    /// Adds a message at the end.
    pub fn push(&mut self, item: T, bytes: usize) {
        self.bytes += bytes;
        self.entries.push_back(Entry { item, attempts: 0, bytes, state: State::Waiting });
    }

    /// Adds something that needs no sending and comes out in its turn.
    pub fn push_stored(&mut self, item: T) {
        self.entries.push_back(Entry { item, attempts: 0, bytes: 0, state: State::Stored });
    }

    /// The number of the message to send next, if any may be sent now.
    pub fn next_to_send(&mut self) -> Option<u64> {
        if self.holding {
            return None;
        }
        self.next = self.next.max(self.first);
        while let Some(entry) = self.entry(self.next) {
            if entry.state == State::Waiting {
                return Some(self.next);
            }
            self.next += 1;
        }
        None
    }

    /// The entry of this number, while it is in the window.
    #[must_use]
    pub fn entry(&self, number: u64) -> Option<&Entry<T>> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.entries.get(index)
    }

    /// The entry of this number, to be changed before it is sent again. Its bytes stay counted as they were.
    pub fn entry_mut(&mut self, number: u64) -> Option<&mut Entry<T>> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.entries.get_mut(index)
    }

    /// The oldest message that was sent and not answered and is such: its number and attempt.
    pub fn find_sent(&self, is_such: impl Fn(&T) -> bool) -> Option<(u64, u32)> {
        let is_it = |entry: &Entry<T>| matches!(entry.state, State::Sent { .. }) && is_such(&entry.item);
        let found = self.numbers().zip(&self.entries).find(|(_, entry)| is_it(entry));
        found.map(|(number, entry)| (number, entry.attempts))
    }

    /// It was sent.
    pub fn sent(&mut self, number: u64, at: Instant) {
        if let Some(entry) = self.entry_mut(number)
            && entry.state == State::Waiting
        {
            entry.state = State::Sent { at };
            entry.attempts += 1;
            self.on_the_way += 1;
        }
    }

    /// The server has it. An answer that comes after the message was given up counts as well.
    pub fn stored(&mut self, number: u64) {
        if self.leave(number).is_some_and(|entry| entry.state != State::Stored)
            && let Some(entry) = self.entry_mut(number)
        {
            entry.state = State::Stored;
        }
    }

    /// The server did not take this attempt of it. Says whether that was news: answers to attempts that were given up,
    /// and to messages that are stored by now, change nothing.
    pub fn refused(&mut self, number: u64, attempt: u32) -> bool {
        let is_current =
            self.entry(number).is_some_and(|entry| entry.attempts == attempt && matches!(entry.state, State::Sent { .. }));
        if is_current {
            self.leave(number);
            self.give_up(number);
        }
        is_current
    }

    /// The connection is gone, and with it the answers to everything on its way.
    pub fn connection_lost(&mut self) {
        for number in self.numbers() {
            if self.entry(number).is_some_and(|entry| matches!(entry.state, State::Sent { .. })) {
                self.leave(number);
                self.give_up(number);
            }
        }
    }

    /// Gives up what was sent before this moment and not answered; says how many that were.
    pub fn expire(&mut self, sent_before: Instant) -> usize {
        let mut expired = 0;
        for number in self.numbers() {
            if self.entry(number).is_some_and(|entry| matches!(entry.state, State::Sent { at } if at < sent_before)) {
                self.leave(number);
                self.give_up(number);
                expired += 1;
            }
        }
        expired
    }

    /// Sends again from the first message that is not stored.
    pub fn go_on(&mut self) {
        self.holding = false;
        self.next = self.first;
        for entry in self.entries.iter_mut().filter(|entry| entry.state == State::Refused) {
            entry.state = State::Waiting;
        }
    }

    /// The oldest item, once it is stored.
    pub fn pop_stored(&mut self) -> Option<T> {
        if self.entries.front()?.state != State::Stored {
            return None;
        }
        let entry = self.entries.pop_front()?;
        self.first += 1;
        self.bytes -= entry.bytes;
        Some(entry.item)
    }

    /// Everything that is not stored, oldest first.
    pub fn unstored(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().filter(|entry| entry.state != State::Stored).map(|entry| &entry.item)
    }

    fn numbers(&self) -> std::ops::Range<u64> {
        self.first..self.first + self.entries.len() as u64
    }

    fn leave(&mut self, number: u64) -> Option<&Entry<T>> {
        if matches!(self.entry(number)?.state, State::Sent { .. }) {
            self.on_the_way -= 1;
        }
        self.entry(number)
    }

    fn give_up(&mut self, number: u64) {
        self.holding = true;
        if let Some(entry) = self.entry_mut(number) {
            entry.state = State::Refused;
        }
    }
}

#[cfg(test)]
mod tests;
