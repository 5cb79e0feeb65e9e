//! What was captured and is not handed over yet: bounded, and nobody who adds to it ever waits. What does not fit is
//! counted, and told at the place where it is missing.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use records::Cutter;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::batch::{self, Ended, Event, LINE_OVERHEAD, Missed, OVERFLOW, REFUSED, Started, Stream};

/// Bytes that wait for the sidecar: about a second of a talkative build. One line always fits, so the longest may be held
/// above this; the memory is the step's, so it is no more.
const LIMIT: usize = 1024 * 1024;
/// Bytes of a batch: large enough that its way costs little beside its lines, small enough to be in the spool soon.
const BATCH: usize = 64 * 1024;

/// What was captured.
#[derive(Debug, Clone, Default)]
pub struct Capture(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Told when there is something to hand over, or nothing more will come.
    changed: Notify,
    /// Cancelled when nothing more will come.
    closed: CancellationToken,
}

#[derive(Debug, Default)]
struct State {
    batches: VecDeque<Vec<u8>>,
    /// Bytes in `batches`, and in the one that is being handed over.
    held: usize,
    /// What is missing since the last line of each stream.
    missing: BTreeMap<Stream, (u64, u64)>,
    missed_bytes: u64,
    missed_records: u64,
}

impl Capture {
    /// The command starts.
    pub fn started(&self, session: Uuid) {
        let mut state = self.state();
        state.push(0, |batch| batch::push_started(batch, &Started { session }));
        drop(state);
        self.0.changed.notify_one();
    }

    /// Takes the lines that are complete.
    pub fn lines(&self, stream: Stream, cutter: &mut Cutter) {
        let mut state = self.state();
        let mut any = false;
        while let Some(line) = cutter.next_line() {
            state.line(stream, line.bytes, line.cut);
            any = true;
        }
        drop(state);
        if any {
            self.0.changed.notify_one();
        }
    }

    /// Takes what has no line end, when nothing more will come.
    pub fn rest(&self, stream: Stream, cutter: &mut Cutter) {
        let mut state = self.state();
        while let Some(line) = cutter.finish() {
            state.line(stream, line.bytes, line.cut);
        }
    }

    /// Something was not captured.
    pub fn missed(&self, stream: Stream, reason: &str, bytes: u64, records: u64) {
        let mut state = self.state();
        state.tell_missing();
        state.missed_bytes += bytes;
        state.missed_records += records;
        state.push_missed(&Missed { reason: reason.to_owned(), stream, bytes, records });
        drop(state);
        self.0.changed.notify_one();
    }

    /// The command ended, and nothing more will come.
    pub fn ended(&self, session: Uuid, exit_code: i32) {
        let mut state = self.state();
        state.tell_missing();
        let (missed_bytes, missed_records) = (state.missed_bytes, state.missed_records);
        let ended = Ended { session, exit_code, missed_bytes, missed_records };
        state.push(0, |batch| batch::push_ended(batch, &ended));
        drop(state);
        self.0.closed.cancel();
        self.0.changed.notify_one();
    }

    /// The next batch, in order; nothing when the last one was handed out.
    pub async fn next(&self) -> Option<Vec<u8>> {
        loop {
            // Looked at first: nothing is added after it.
            let is_closed = self.0.closed.is_cancelled();
            let next = self.state().batches.pop_front();
            if next.is_some() || is_closed {
                return next;
            }
            self.0.changed.notified().await;
        }
    }

    /// A batch of this many bytes is with the sidecar, and makes room.
    pub fn handed_over(&self, bytes: usize) {
        let mut state = self.state();
        state.held = state.held.saturating_sub(bytes);
    }

    /// A batch that will never be taken: its lines are missing.
    pub fn refused(&self, batch: &[u8]) {
        let mut missing: BTreeMap<Stream, (u64, u64)> = BTreeMap::new();
        let mut rest = batch;
        while let Some((event, length)) = batch::first(rest) {
            if let Event::Line { stream, bytes, .. } = event {
                let missing = missing.entry(stream).or_default();
                *missing = (missing.0 + bytes.len() as u64, missing.1 + 1);
            }
            rest = &rest[length..];
        }
        for (stream, (bytes, records)) in missing {
            if !self.is_closed() {
                self.missed(stream, REFUSED, bytes, records);
            }
        }
    }

    /// The short form of everything that still waits, when there is no more time: what is missing, and the end.
    pub fn abandon(&self) -> Vec<u8> {
        let mut state = self.state();
        let mut missed: Vec<Missed> = Vec::new();
        let mut add = |event: Missed| {
            let known = missed.iter_mut().find(|known| known.reason == event.reason && known.stream == event.stream);
            match known {
                Some(known) => (known.bytes, known.records) = (known.bytes + event.bytes, known.records + event.records),
                None => missed.push(event),
            }
        };
        let (mut rest, mut end) = (Vec::new(), None);
        for batch in std::mem::take(&mut state.batches) {
            let mut events = batch.as_slice();
            while let Some((event, length)) = batch::first(events) {
                events = &events[length..];
                match event {
                    Event::Line { stream, bytes, .. } => {
                        state.missed_bytes += bytes.len() as u64;
                        state.missed_records += 1;
                        add(Missed { reason: OVERFLOW.to_owned(), stream, bytes: bytes.len() as u64, records: 1 });
                    }
                    Event::Missed(event) => add(event),
                    Event::Started(started) => batch::push_started(&mut rest, &started),
                    Event::Ended(ended) => {
                        end = Some(ended);
                    }
                }
            }
        }
        for event in &missed {
            batch::push_missed(&mut rest, event);
        }
        if let Some(ended) = end {
            let (missed_bytes, missed_records) = (state.missed_bytes, state.missed_records);
            batch::push_ended(&mut rest, &Ended { missed_bytes, missed_records, ..ended });
        }
        rest
    }

    /// How many bytes are held. It falls as they are handed over.
    pub fn held(&self) -> usize {
        self.state().held
    }

    /// Whether nothing more will come.
    pub fn is_closed(&self) -> bool {
        self.0.closed.is_cancelled()
    }

    /// Waits until nothing more will come.
    pub async fn closed(&self) {
        self.0.closed.cancelled().await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Counters and bytes that belong together are changed without a panic in between.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn line(&mut self, stream: Stream, bytes: &[u8], cut: bool) {
        let length = bytes.len() + LINE_OVERHEAD;
        if self.held > 0 && self.held + length > LIMIT {
            let missing = self.missing.entry(stream).or_default();
            *missing = (missing.0 + bytes.len() as u64, missing.1 + 1);
            self.missed_bytes += bytes.len() as u64;
            self.missed_records += 1;
            return;
        }
        self.tell_missing();
        self.push(length, |batch| batch::push_line(batch, stream, bytes, cut));
    }

    /// What is missing is told before anything that comes after it.
    fn tell_missing(&mut self) {
        for (stream, (bytes, records)) in std::mem::take(&mut self.missing) {
            self.push_missed(&Missed { reason: OVERFLOW.to_owned(), stream, bytes, records });
        }
    }

    fn push_missed(&mut self, missed: &Missed) {
        self.push(0, |batch| batch::push_missed(batch, missed));
    }

    /// Adds to the last batch, or begins one where `length` bytes more are too many for it.
    fn push(&mut self, length: usize, write: impl FnOnce(&mut Vec<u8>)) {
        if self.batches.back().is_none_or(|batch| batch.len() + length > BATCH) {
            self.batches.push_back(Vec::new());
        }
        if let Some(batch) = self.batches.back_mut() {
            let before = batch.len();
            write(batch);
            self.held += batch.len() - before;
        }
    }
}

#[cfg(test)]
mod tests;
