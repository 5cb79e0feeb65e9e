//! The newest part of the stream, in memory, shared by all viewers. Pure: it knows no clock, no network and no viewer.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use message::Timestamp;
use uuid::Uuid;

use super::Frame;
use crate::cursor::Cursor;
use crate::filter::Filter;

/// How much a ring holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) frames: usize,
    pub(super) bytes: usize,
}

impl Limits {
    /// 50,000 frames are 25 s of 2,000 messages a second, longer than a reconnect takes; 64 MiB bound them when they are
    /// large, and leave room for everything else in a container of 256 MiB.
    pub(super) const DEFAULT: Self = Self { frames: 50_000, bytes: 64 << 20 };
}

/// What is known of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is the message.
    Shown,
    /// The row will tell.
    Waiting,
    /// A copy of another, or a dead letter.
    Dropped,
}

#[derive(Debug)]
struct Entry {
    frame: Arc<Frame>,
    verdict: Verdict,
    weight: usize,
}

/// Everything after `base` and up to `head`, in order.
#[derive(Debug)]
pub(super) struct Ring {
    limits: Limits,
    open: bool,
    /// How often it was opened or closed.
    opening: u64,
    /// Whether everything that the stream held when it opened has come.
    filled: bool,
    entries: VecDeque<Entry>,
    base: Cursor,
    head: Cursor,
    bytes: usize,
    /// The highest cursor of each id, by namespace.
    ids: HashMap<(String, Uuid), Cursor>,
    waiting: BTreeSet<Cursor>,
}

/// What a look into the ring found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// What matches, in order.
    pub(super) frames: Vec<Arc<Frame>>,
    /// Everything up to here was looked at.
    pub(super) reached: Cursor,
    /// Whether it ended at a copy that is not decided.
    pub(super) blocked: bool,
}

/// The memory of an entry besides its frame: its place in the list, and its id in the memory of ids.
pub(super) const OWN_WEIGHT: usize = 256;

/// How many entries one look passes over: the lock is held meanwhile.
const LONGEST_LOOK: usize = 4_096;
/// How many frames one look takes along, and about how many bytes.
const MOST_FRAMES: usize = 64;
const MOST_BYTES: usize = 256 << 10;

impl Ring {
    /// A ring that nothing was said into yet and that nobody may be served from.
    pub(super) fn closed(limits: Limits) -> Self {
        Self {
            limits,
            open: false,
            opening: 0,
            filled: false,
            entries: VecDeque::new(),
            base: Cursor::default(),
            head: Cursor::default(),
            bytes: 0,
            ids: HashMap::new(),
            waiting: BTreeSet::new(),
        }
    }

    /// Starts anew after a position.
    pub(super) fn open(&mut self, base: Cursor) {
        *self = Self { open: true, base, head: base, opening: self.opening + 1, ..Self::closed(self.limits) };
    }

    /// Forgets everything; nobody may be served from it until it is opened.
    pub(super) fn close(&mut self) {
        *self = Self { opening: self.opening + 1, ..Self::closed(self.limits) };
    }

    /// Another number after each time that it was opened or closed: what was found in it before holds no more.
    pub(super) fn opening(&self) -> u64 {
        self.opening
    }

    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// Everything that the stream held when the ring opened has come; what comes now is news.
    pub(super) fn fill(&mut self) {
        self.filled = true;
    }

    pub(super) fn is_filled(&self) -> bool {
        self.filled
    }

    pub(super) fn base(&self) -> Cursor {
        self.base
    }

    pub(super) fn head(&self) -> Cursor {
        self.head
    }

    pub(super) fn frames(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Between when the stream stored the first frame and the last.
    pub(super) fn span(&self) -> time::Duration {
        let at = |entry: Option<&Entry>| entry.map(|entry| entry.frame.stored.created_at.moment());
        let (first, last) = (at(self.entries.front()), at(self.entries.back()));
        first.zip(last).map_or(time::Duration::ZERO, |(first, last)| last - first)
    }

    /// Copies that are not decided.
    pub(super) fn undecided(&self) -> usize {
        self.waiting.len()
    }

    /// Adds what comes after everything in it; what does not is passed over. Tells what became of the frame.
    pub(super) fn push(&mut self, frame: Arc<Frame>, uncertain: bool) -> Verdict {
        let cursor = frame.cursor;
        if cursor <= self.head {
            return Verdict::Dropped;
        }
        self.head = cursor;
        let id = (frame.stored.message.run.namespace.clone(), frame.stored.message.id);
        // A copy stays too, unseen: the next copy is known by it when the first one has left.
        let verdict = match self.ids.insert(id, cursor) {
            Some(_) => Verdict::Dropped,
            None if uncertain => Verdict::Waiting,
            None => Verdict::Shown,
        };
        if verdict == Verdict::Waiting {
            self.waiting.insert(cursor);
        }
        let weight = frame.weight() + OWN_WEIGHT;
        self.bytes += weight;
        self.entries.push_back(Entry { frame, verdict, weight });
        while self.entries.len() > self.limits.frames || self.bytes > self.limits.bytes {
            self.evict();
        }
        verdict
    }

    /// Passes over a position that holds nothing to show.
    pub(super) fn skip(&mut self, cursor: Cursor) {
        self.head = self.head.max(cursor);
    }

    /// Undecided copies up to a position, the lowest first.
    pub(super) fn waiting(&self, up_to: Cursor, limit: usize) -> Vec<Cursor> {
        self.waiting.range(..=up_to).take(limit).copied().collect()
    }

    /// Settles an undecided copy; one that has left meanwhile is nobody's concern.
    pub(super) fn decide(&mut self, cursor: Cursor, shown: bool) {
        if !self.waiting.remove(&cursor) {
            return;
        }
        let index = self.entries.partition_point(|entry| entry.frame.cursor < cursor);
        if let Some(entry) = self.entries.get_mut(index).filter(|entry| entry.frame.cursor == cursor) {
            entry.verdict = if shown { Verdict::Shown } else { Verdict::Dropped };
        }
    }

    /// What a viewer at this position sees next; nothing when the ring does not reach back to it.
    pub(super) fn look(&self, position: Cursor, filter: &Filter) -> Option<Found> {
        if !self.open || position < self.base {
            return None;
        }
        let mut found = Found { reached: position, ..Found::default() };
        let mut bytes = 0;
        let start = self.entries.partition_point(|entry| entry.frame.cursor <= position);
        for entry in self.entries.range(start..).take(LONGEST_LOOK) {
            if entry.verdict != Verdict::Dropped && filter.matches(&entry.frame.stored) {
                if entry.verdict == Verdict::Waiting {
                    found.blocked = true;
                    return Some(found);
                }
                found.frames.push(entry.frame.clone());
                bytes += entry.weight;
            }
            found.reached = entry.frame.cursor;
            if found.frames.len() == MOST_FRAMES || bytes >= MOST_BYTES {
                return Some(found);
            }
        }
        if self.entries.back().is_none_or(|last| last.frame.cursor <= found.reached) {
            found.reached = found.reached.max(self.head);
        }
        Some(found)
    }

    /// When the stream stored the oldest message after this position, of those that are here.
    pub(super) fn oldest_after(&self, position: Cursor) -> Option<Timestamp> {
        let start = self.entries.partition_point(|entry| entry.frame.cursor <= position);
        Some(self.entries.get(start)?.frame.stored.created_at)
    }

    /// The highest position up to this one with nothing undecided at or below it.
    pub(super) fn settled(&self, position: Cursor) -> Cursor {
        match self.waiting.first() {
            Some(waiting) if *waiting <= position => Cursor { sequence: waiting.sequence - 1, ..*waiting },
            _ => position,
        }
    }

    fn evict(&mut self) {
        let Some(Entry { frame, weight, .. }) = self.entries.pop_front() else {
            return;
        };
        self.base = frame.cursor;
        self.bytes -= weight;
        self.waiting.remove(&frame.cursor);
        let id = (frame.stored.message.run.namespace.clone(), frame.stored.message.id);
        if self.ids.get(&id) == Some(&frame.cursor) {
            self.ids.remove(&id);
        }
    }
}
