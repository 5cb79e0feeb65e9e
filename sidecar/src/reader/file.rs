//! A file as a source, through all of its lives.
//!
//! It is read, or it rests (open, everything read and acknowledged), or it is closed (more files than may be open). What it
//! needs beyond its descriptor while it rests is in the ledger alone.

mod closing;
mod reading;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use records::{Counts, SourceIdentity};

use super::life::Life;
use super::{Ending, Progress, Turn};
use crate::checkpoint::FileIdentity;
use crate::files::Files;
use crate::files::stat::{Seen, Stat};
use crate::files::tail::{Left, Tail};
use crate::ledger::{Ledger, SourceKey};

/// A deleted file is let go when nothing was appended for this long; its writer may still have it open.
pub const DELETED_IDLE: Duration = Duration::from_secs(60);
/// How long a file that cannot be read is tried again at the end of the step.
const LAST_TRIES: Duration = Duration::from_secs(1);

/// A followed file.
#[derive(Debug)]
pub struct FileSource {
    key: SourceKey,
    identity: FileIdentity,
    state: State,
    /// How it looked when it was last read to its end.
    seen: Seen,
    /// The size when it was last looked at.
    size: u64,
    /// The largest size that was seen in this life.
    largest: u64,
    /// Records that begin below this may have been sent before.
    resend_below: u64,
    read_at: Instant,
    counts: Counts,
    /// What was counted in its earlier lives.
    past: Counts,
    skipped: u64,
    failing_since: Option<Instant>,
    /// What was decided to end here, as soon as that is written down.
    decided: Option<Decided>,
    /// Whether this process has compared it with the checkpoint.
    checked: bool,
    /// How often the ledger had been saved when it was told last how far this file was read.
    marked_at: u64,
    /// Whether the checkpoint tells this life from another by bytes: nothing is sent before.
    is_marked: bool,
    /// Where it was told to be at its end, since the step is over.
    pub told_end: Option<u64>,
    /// Whether it waits for its turn.
    pub queued: bool,
}

/// What ends by decision, not by its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decided {
    /// Lines that may be one message with the next: nothing came for long.
    Lines,
    /// All of a deleted file.
    File,
}

#[derive(Debug)]
enum State {
    Reading(Box<Reading>),
    Resting(File),
    Closed(Closed),
}

/// A life that is read.
#[derive(Debug)]
struct Reading {
    life: Life,
    tail: Tail,
}

/// A file that is not open.
#[derive(Debug, Default)]
struct Closed {
    /// By this name it is to be opened.
    name: Option<PathBuf>,
    /// Where it was closed in the middle of a line: with its name the beginning may be gone.
    held: Option<Box<Held>>,
}

/// What was read and is in no message.
#[derive(Debug)]
struct Held {
    life: Life,
    left: Left,
}

impl FileSource {
    /// A source for a file that the ledger has under this key.
    pub fn new(key: SourceKey, file: Option<File>, path: &Path, stat: &Stat, resend_below: u64) -> Self {
        Self {
            key,
            identity: stat.identity,
            state: file.map_or_else(|| State::Closed(Closed { name: Some(path.to_owned()), held: None }), State::Resting),
            seen: Seen::default(),
            size: stat.seen.size,
            largest: 0,
            resend_below,
            read_at: Instant::now(),
            counts: Counts::default(),
            past: Counts::default(),
            skipped: 0,
            failing_since: None,
            decided: None,
            checked: false,
            marked_at: 0,
            is_marked: false,
            told_end: None,
            queued: false,
        }
    }

    /// Its key; each life of a file has its own.
    pub fn key(&self) -> SourceKey {
        self.key
    }

    /// Which file it is.
    pub fn identity(&self) -> FileIdentity {
        self.identity
    }

    /// How it looked when it was last read to its end.
    pub fn seen(&self) -> Seen {
        self.seen
    }

    /// Whether it has a descriptor.
    pub fn is_open(&self) -> bool {
        !matches!(self.state, State::Closed(_))
    }

    /// Whether it is to be opened at its turn.
    pub fn needs_opening(&self) -> bool {
        matches!(self.state, State::Closed(Closed { name: Some(_), .. }))
    }

    /// By this name it is to be opened, if it is closed.
    pub fn wake(&mut self, path: PathBuf) {
        if let State::Closed(closed) = &mut self.state {
            closed.name = Some(path);
        }
    }

    /// Offset of the first byte that no message was made of.
    pub fn position(&self, ledger: &Ledger) -> u64 {
        match self.life() {
            Some(life) => life.position(),
            None => ledger.record(self.key).map_or(0, |record| record.place.offset),
        }
    }

    /// Bytes that no message was made of, by the last look.
    pub fn behind(&self, ledger: &Ledger) -> u64 {
        self.size.saturating_sub(self.position(ledger))
    }

    /// Looks whether there may be something to do.
    pub fn look(&mut self, deleted_idle: Duration) -> bool {
        let stat = match &mut self.state {
            State::Reading(reading) => {
                if reading.life.is_held_too_long() {
                    return true;
                }
                self.seen = reading.tail.seen();
                reading.tail.look()
            }
            State::Resting(file) => Stat::of(file),
            State::Closed(_) => return false,
        };
        let Ok(stat) = stat else { return true };
        self.size = stat.seen.size;
        if let State::Reading(reading) = &self.state
            && self.size > self.largest
            && reading.tail.is_same()
        {
            self.largest = self.size;
        }
        let is_over = stat.is_deleted && self.read_at.elapsed() >= deleted_idle;
        stat.seen != self.seen || is_over || self.decided.is_some() || self.failing_since.is_some()
    }

    /// Where it stands, for the record at its end.
    pub fn ending(&self, ledger: &Ledger) -> Ending {
        let (key, offset) = (self.key, self.position(ledger));
        let is_told = self.told_end == Some(offset);
        let is_read = matches!(self.state, State::Reading(_)) && self.failing_since.is_none();
        let mut counts = self.counts.clone();
        let Some(life) = self.life() else {
            let record = ledger.record(self.key);
            let label = record.map(|record| record.label.clone()).unwrap_or_default();
            let generation = record.map_or(0, |record| record.generation);
            let identity = SourceIdentity { label, generation, container: record.and_then(|record| record.container.clone()) };
            return Ending { key, identity, offset, counts, skipped: self.skipped, complete: false, is_told };
        };
        counts.add(life.counts());
        let (identity, skipped) = (life.identity.clone(), self.skipped + life.skipped());
        Ending { key, identity, offset, counts, skipped, complete: is_read, is_told }
    }

    /// Adds what was counted in all of its lives.
    pub fn count_into(&self, counts: &mut Counts) {
        counts.add(&self.past);
        counts.add(&self.counts);
        if let Some(life) = self.life() {
            counts.add(life.counts());
        }
    }

    /// Whether its file is gone and it was told to its end.
    pub fn is_gone(&self) -> bool {
        self.decided == Some(Decided::File)
    }

    /// The life that is read, or was when it was closed.
    fn life(&self) -> Option<&Life> {
        match &self.state {
            State::Reading(reading) => Some(&reading.life),
            State::Resting(_) => None,
            State::Closed(closed) => closed.held.as_ref().map(|held| &held.life),
        }
    }

    /// Whether it is to be told that it is at its end. Once that is told, it goes on as before until this process ends.
    pub fn is_closing(&self, turn: &Turn<'_>) -> bool {
        turn.finishing || turn.closing && self.told_end.is_none()
    }

    /// Makes the next messages, or reads the next chunk.
    pub fn advance(&mut self, files: &mut Files, turn: &mut Turn<'_>) -> Progress {
        let read = match self.start_reading(files, turn) {
            Ok(true) => self.read(turn),
            Ok(false) => return Progress::Missing,
            Err(error) => Err(error),
        };
        match read {
            Ok(progress) => progress,
            Err(error) => self.failed(&error, turn),
        }
    }
}
