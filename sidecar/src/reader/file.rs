//! A file as a source, through all of its lives.
//!
//! It is read, or it rests (open, everything read and acknowledged), or it is closed (more files than may be open). What it
//! needs beyond its descriptor while it rests is in the ledger alone.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use records::{Counts, SourceIdentity};

use super::life::Life;
use super::{Ending, Next, Progress, Turn, new_record};
use crate::checkpoint::FileIdentity;
use crate::files::stat::{Seen, Stat};
use crate::files::tail::Read;
use crate::files::{self, Files};
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
    Reading(Box<Life>),
    Resting(File),
    /// Not open; by this name it is to be opened.
    Closed(Option<PathBuf>),
}

impl FileSource {
    /// A source for a file that the ledger has under this key.
    pub fn new(key: SourceKey, file: Option<File>, path: &Path, stat: &Stat, resend_below: u64) -> Self {
        Self {
            key,
            identity: stat.identity,
            state: file.map_or_else(|| State::Closed(Some(path.to_owned())), State::Resting),
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
        matches!(self.state, State::Closed(Some(_)))
    }

    /// By this name it is to be opened, if it is closed.
    pub fn wake(&mut self, path: PathBuf) {
        if let State::Closed(name) = &mut self.state {
            *name = Some(path);
        }
    }

    /// Offset of the first byte that no message was made of.
    pub fn position(&self, ledger: &Ledger) -> u64 {
        match &self.state {
            State::Reading(life) => life.position(),
            _ => ledger.record(self.key).map_or(0, |record| record.place.offset),
        }
    }

    /// Bytes that no message was made of, by the last look.
    pub fn behind(&self, ledger: &Ledger) -> u64 {
        self.size.saturating_sub(self.position(ledger))
    }

    /// Looks whether there may be something to do.
    pub fn look(&mut self, deleted_idle: Duration) -> bool {
        let stat = match &mut self.state {
            State::Reading(life) => {
                if life.is_held_too_long() {
                    return true;
                }
                self.seen = life.tail.seen();
                life.tail.look()
            }
            State::Resting(file) => Stat::of(file),
            State::Closed(_) => return false,
        };
        let Ok(stat) = stat else { return true };
        self.size = stat.seen.size;
        if let State::Reading(life) = &self.state
            && self.size > self.largest
            && life.tail.is_same()
        {
            self.largest = self.size;
        }
        let is_over = stat.is_deleted && self.read_at.elapsed() >= deleted_idle;
        stat.seen != self.seen || is_over || self.decided.is_some() || self.failing_since.is_some()
    }

    /// Gives up everything but the descriptor, if the ledger knows all of it. With `pressure` also the beginning of a line,
    /// which is read again.
    pub fn rest(&mut self, ledger: &Ledger, pressure: bool) -> bool {
        let State::Reading(life) = &self.state else { return matches!(self.state, State::Resting(_)) };
        if self.queued || self.decided.is_some() || life.pending() > 0 && !pressure || !life.is_acknowledged(ledger) {
            return false;
        }
        if let State::Reading(life) = std::mem::replace(&mut self.state, State::Closed(None)) {
            self.keep(&life);
            self.seen = life.tail.seen();
            self.state = State::Resting(life.tail.into_file());
        }
        true
    }

    /// Gives up the descriptor, if everything that it leads to was read and a name leads there as well.
    pub fn close(&mut self) -> bool {
        let State::Resting(file) = &self.state else { return false };
        let is_read = Stat::of(file).is_ok_and(|stat| stat.seen == self.seen && !stat.is_deleted);
        if is_read && !self.queued {
            self.state = State::Closed(None);
        }
        is_read && !self.queued
    }

    /// Where it stands, for the record at its end.
    pub fn ending(&self, ledger: &Ledger) -> Ending {
        let (key, offset) = (self.key, self.position(ledger));
        let State::Reading(life) = &self.state else {
            let record = ledger.record(self.key);
            let label = record.map(|record| record.label.clone()).unwrap_or_default();
            let generation = record.map_or(0, |record| record.generation);
            let identity = SourceIdentity { label, generation, container: record.and_then(|record| record.container.clone()) };
            let counts = self.counts.clone();
            return Ending { key, identity, offset, counts, skipped: self.skipped, complete: false };
        };
        let mut counts = self.counts.clone();
        counts.add(life.counts());
        let (identity, skipped) = (life.identity.clone(), self.skipped + life.skipped());
        Ending { key, identity, offset, counts, skipped, complete: self.failing_since.is_none() }
    }

    /// Adds what was counted in all of its lives.
    pub fn count_into(&self, counts: &mut Counts) {
        counts.add(&self.past);
        counts.add(&self.counts);
        if let State::Reading(life) = &self.state {
            counts.add(life.counts());
        }
    }

    /// Whether its file is gone and it was told to its end.
    pub fn is_gone(&self) -> bool {
        self.decided == Some(Decided::File)
    }

    /// Whether it is to be told that it is at its end. Once that is told, it goes on as before until this process ends.
    fn is_closing(&self, turn: &Turn<'_>) -> bool {
        turn.finishing || turn.closing && self.told_end.is_none()
    }

    /// Makes the next messages, or reads the next chunk.
    pub fn advance(&mut self, files: &mut Files, turn: &mut Turn<'_>) -> Progress {
        let read = match self.start_reading(files, turn) {
            Ok(true) => self.read(turn),
            // Its name leads elsewhere by now, or nowhere: the next search tells.
            Ok(false) => return if self.is_closing(turn) { Progress::Ended } else { Progress::Idle },
            Err(error) => Err(error),
        };
        match read {
            Ok(progress) => progress,
            Err(error) => self.failed(&error, turn),
        }
    }

    fn start_reading(&mut self, files: &mut Files, turn: &mut Turn<'_>) -> io::Result<bool> {
        let file = match std::mem::replace(&mut self.state, State::Closed(None)) {
            State::Reading(life) => {
                self.state = State::Reading(life);
                return Ok(true);
            }
            State::Resting(file) => file,
            State::Closed(None) => return Ok(false),
            State::Closed(Some(path)) => match files.open(&path) {
                Ok(Some((file, stat))) if stat.identity == self.identity => {
                    self.size = stat.seen.size;
                    files.opened(self.identity);
                    file
                }
                Ok(_) => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                Err(error) => {
                    if files::is_exhausted(&error) {
                        files.lower_limit(turn.open);
                    }
                    self.state = State::Closed(Some(path));
                    return Err(error);
                }
            },
        };
        let Some(record) = turn.ledger.record(self.key) else { return Ok(false) };
        let (life, same) = Life::go_on(turn.context, self.key, record, file, self.resend_below);
        match same {
            Ok(same) => {
                self.state = State::Reading(Box::new(life));
                if !same {
                    self.start_over(turn);
                }
                self.checked = true;
                Ok(true)
            }
            Err(error) => {
                self.state = State::Resting(life.tail.into_file());
                Err(error)
            }
        }
    }

    fn read(&mut self, turn: &mut Turn<'_>) -> io::Result<Progress> {
        let State::Reading(life) = &mut self.state else { return Ok(Progress::Idle) };
        if !turn.made.is_empty() || life.next_line(turn.made) {
            return Ok(Progress::Made);
        }
        if let Some(decided) = self.decided
            && !life.flushed
        {
            return Ok(self.at_cut(decided, turn));
        }
        let room = life.room().map_or(turn.chunk.len(), |room| usize::try_from(room).unwrap_or(usize::MAX));
        let room = room.min(turn.chunk.len());
        if room == 0 {
            life.flush(turn.context, Some(turn.ledger), turn.made);
            return Ok(Progress::Made);
        }
        match life.tail.read(&mut turn.chunk[..room])? {
            Read::Bytes(length) => {
                self.failing_since = None;
                self.read_at = Instant::now();
                self.decided = None;
                life.push(&turn.chunk[..length]);
                self.size = self.size.max(life.tail.seen().size);
                self.largest = self.largest.max(self.size);
                Ok(Progress::Yield)
            }
            Read::End => {
                self.failing_since = None;
                self.size = life.tail.seen().size;
                self.at_end(turn)
            }
            Read::Replaced => {
                self.start_over(turn);
                Ok(Progress::Made)
            }
        }
    }

    fn at_end(&mut self, turn: &mut Turn<'_>) -> io::Result<Progress> {
        let closing = self.is_closing(turn);
        let State::Reading(life) = &mut self.state else { return Ok(Progress::Idle) };
        if life.tell_position(turn.made) {
            return Ok(Progress::Made);
        }
        if life.flushed && (closing || self.decided.is_some()) {
            return Ok(Progress::Ended);
        }
        let is_cut_on_the_way = turn.ledger.record(self.key).is_some_and(|record| record.cut.is_some());
        if closing {
            if is_cut_on_the_way {
                // One cut at a time is written down.
                return Ok(Progress::Idle);
            }
            life.flush(turn.context, Some(turn.ledger), turn.made);
            return Ok(Progress::Made);
        }
        let is_over = life.tail.look()?.is_deleted && self.read_at.elapsed() >= turn.context.deleted_idle;
        if is_cut_on_the_way || !turn.ledger.can_save() {
            return Ok(Progress::Idle);
        }
        let (decided, at) = match () {
            () if is_over => (Decided::File, life.tail.offset()),
            () if life.is_held_too_long() => (Decided::Lines, life.position()),
            () => return Ok(Progress::Idle),
        };
        self.decided = Some(decided);
        turn.ledger.cut(self.key, at);
        turn.made.push_back(Next::Sync);
        Ok(Progress::Made)
    }

    /// What was decided to end here is on disk by now, or could not be written.
    fn at_cut(&mut self, decided: Decided, turn: &mut Turn<'_>) -> Progress {
        let State::Reading(life) = &mut self.state else { return Progress::Idle };
        if !turn.ledger.can_save() && !turn.finishing {
            turn.ledger.withdraw_cut(self.key);
            self.decided = None;
            return Progress::Idle;
        }
        if decided == Decided::Lines {
            self.decided = None;
            life.release(turn.made);
            return Progress::Made;
        }
        life.is_cut_at(life.tail.offset());
        life.flush(turn.context, Some(turn.ledger), turn.made);
        Progress::Made
    }

    /// It cannot be read now. It is tried again; at the end of the step, not for ever.
    fn failed(&mut self, error: &io::Error, turn: &mut Turn<'_>) -> Progress {
        let since = *self.failing_since.get_or_insert_with(|| {
            let label = turn.ledger.record(self.key).map_or("", |record| &record.label);
            tracing::warn!(source.label = label, error = %error, "cannot read a file, trying again");
            Instant::now()
        });
        if !self.is_closing(turn) || since.elapsed() < LAST_TRIES {
            return Progress::Idle;
        }
        if let State::Reading(life) = &mut self.state
            && !life.flushed
        {
            life.flush(turn.context, Some(turn.ledger), turn.made);
            return Progress::Made;
        }
        Progress::Ended
    }

    /// The file was cut or written anew. What was read of it is sent; its next life is a source of its own.
    fn start_over(&mut self, turn: &mut Turn<'_>) {
        let State::Reading(mut life) = std::mem::replace(&mut self.state, State::Closed(None)) else { return };
        // What came after the last look nobody can count.
        let lost = std::mem::take(&mut self.largest).saturating_sub(life.tail.offset().max(life.position()));
        tracing::warn!(
            source.label = life.identity.label,
            source.generation = life.identity.generation,
            source.offset = life.position(),
            lost_bytes = lost,
            "a file was cut or written anew; lines written just before that may be lost"
        );
        life.flush(turn.context, None, turn.made);
        super::tell_gap(turn, self.key, &life.identity, life.position(), "file_replaced", lost);
        turn.made.push_back(Next::Closed(self.key));
        self.keep(&life);
        self.past.add(&std::mem::take(&mut self.counts));
        self.skipped = 0;
        self.told_end = None;
        let label = &life.identity.label;
        let generation = turn.ledger.new_generation(label);
        let record = new_record(label, life.identity.container.clone(), generation, Some(self.identity));
        if self.checked {
            self.resend_below = 0;
        }
        self.key = turn.ledger.open(record.clone());
        let (next, _) = Life::go_on(turn.context, self.key, &record, life.tail.into_file(), self.resend_below);
        self.state = State::Reading(Box::new(next));
        self.decided = None;
        turn.made.push_back(Next::Sync);
    }

    fn keep(&mut self, life: &Life) {
        self.counts.add(life.counts());
        self.skipped += life.skipped();
    }
}
