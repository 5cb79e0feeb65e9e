//! A file as a source.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use message::Timestamp;
use records::{Counts, Cutter, Line, Origin, Recorder, RecorderState, SourceIdentity};

use super::{Context, Ending, Next, Progress, new_record, now};
use crate::checkpoint::{FileIdentity, Place};
use crate::files::Found;
use crate::files::tail::{Before, Read, Tail};
use crate::ledger::{Ledger, SourceKey};

/// A deleted file is let go when nothing was appended for this long; its writer may still have it open.
const DELETED_IDLE: Duration = Duration::from_secs(60);

/// A followed file.
#[derive(Debug)]
pub struct FileSource {
    key: SourceKey,
    context: Context,
    identity: SourceIdentity,
    tail: Tail,
    cutter: Cutter,
    recorder: Recorder,
    /// The bytes before the cutter's position.
    before: Before,
    /// A line ends here by an earlier decision.
    cut: Option<u64>,
    resend_below: u64,
    told: u64,
    read_at: Instant,
    /// When the bytes that the cutter holds were read: lines that were read in one go tell nothing of the time between them.
    arrived: Timestamp,
    /// Whether what was left without a line end is sent.
    flushed: bool,
    gaps: u64,
    /// What was seen of its earlier lives.
    past: Counts,
}

impl FileSource {
    /// Goes on where the ledger says, if this is the file that it speaks of.
    pub fn open(context: &Context, found: Found, ledger: &mut Ledger) -> Self {
        let Found { mut tail, label, container } = found;
        let known = ledger.take_file(tail.identity());
        let same = known.filter(|record| match tail.go_on_at(record.place.offset, record.place.before) {
            Ok(same) => same,
            Err(error) => {
                tracing::warn!(source.label = label, error = %error, "cannot check a file against the checkpoint");
                false
            }
        });
        let record = same.unwrap_or_else(|| {
            let generation = ledger.new_generation(&label);
            new_record(&label, container, generation, Some(tail.identity()))
        });
        let identity =
            SourceIdentity { label: record.label.clone(), generation: record.generation, container: record.container.clone() };
        let resend_below = if context.resumed { tail.size().unwrap_or(0) } else { 0 };
        let (place, cut) = (record.place.clone(), record.cut);
        let key = ledger.open(record);
        tracing::info!(
            source.label = identity.label,
            source.generation = identity.generation,
            source.offset = place.offset,
            "following a file"
        );
        let mut source = Self::new(key, context.clone(), identity, tail, place.state);
        source.cut = cut;
        source.resend_below = resend_below;
        source
    }

    fn new(key: SourceKey, context: Context, identity: SourceIdentity, tail: Tail, state: RecorderState) -> Self {
        let recorder = context.recorder(identity.clone(), state);
        let offset = tail.offset();
        Self {
            key,
            context,
            identity,
            cutter: Cutter::new(offset),
            recorder,
            before: Before::of(&tail),
            tail,
            cut: None,
            resend_below: 0,
            told: offset,
            read_at: Instant::now(),
            arrived: now(),
            flushed: false,
            gaps: 0,
            past: Counts::default(),
        }
    }

    /// Its key; each life of a file has its own.
    pub fn key(&self) -> SourceKey {
        self.key
    }

    /// Which file it is.
    pub fn identity(&self) -> FileIdentity {
        self.tail.identity()
    }

    /// Container and path as first seen.
    pub fn label(&self) -> &str {
        &self.identity.label
    }

    /// Offset of the first byte that no message was made of.
    pub fn position(&self) -> u64 {
        self.cutter.position()
    }

    /// Bytes that no message was made of.
    pub fn behind(&self) -> u64 {
        self.tail.size().unwrap_or(0).saturating_sub(self.position())
    }

    /// Where it stands, for the record at its end.
    pub fn ending(&self) -> Ending {
        let (key, counts) = (self.key, self.recorder.counts().clone());
        Ending { key, identity: self.identity.clone(), offset: self.position(), counts }
    }

    /// Adds what was seen of it.
    pub fn count_into(&self, counts: &mut Counts) {
        counts.add(&self.past);
        counts.add(self.recorder.counts());
    }

    /// Whether the file is gone, and all of it acknowledged.
    pub fn is_done(&self, acknowledged: u64) -> bool {
        self.tail.is_deleted()
            && self.read_at.elapsed() > DELETED_IDLE
            && acknowledged == self.tail.offset()
            && self.tail.size().is_ok_and(|size| size == acknowledged)
    }

    /// Makes the next messages, or reads the next chunk.
    pub fn advance(&mut self, chunk: &mut [u8], finishing: bool, ledger: &mut Ledger, made: &mut VecDeque<Next>) -> Progress {
        if let Some(line) = self.cutter.next_line() {
            let messages = self.recorder.record(&line, self.arrived, Origin::File);
            self.before.push(line.bytes);
            self.before.push(line_end(&line));
            let end = line.end;
            if !messages.is_empty() {
                let place = self.place();
                self.told = end;
                super::publish_line(self.key, messages, &place, self.resend_below, made);
            }
            return Progress::Made;
        }
        let room = self.cut.map_or(chunk.len() as u64, |cut| cut.saturating_sub(self.tail.offset()));
        let room = usize::try_from(room).unwrap_or(usize::MAX).min(chunk.len());
        if room == 0 {
            self.cut = None;
            self.flush(made);
            return Progress::Made;
        }
        match self.tail.read(&mut chunk[..room]) {
            Ok(Read::Bytes(length)) => {
                self.read_at = Instant::now();
                self.arrived = now();
                self.cutter.push(&chunk[..length]);
                self.flushed = false;
                Progress::Yield
            }
            Ok(Read::End) => self.at_end(finishing, made),
            Ok(Read::Replaced) => {
                self.start_over(ledger, made);
                Progress::Made
            }
            Err(error) => {
                tracing::debug!(source.label = self.identity.label, error = %error, "cannot read a file now");
                self.at_end(finishing, made)
            }
        }
    }

    fn at_end(&mut self, finishing: bool, made: &mut VecDeque<Next>) -> Progress {
        if self.told < self.position() {
            self.told = self.position();
            made.push_back(Next::Moved(self.key, self.place()));
            return Progress::Made;
        }
        if !finishing {
            return Progress::Idle;
        }
        if self.flushed {
            return Progress::Ended;
        }
        if self.cutter.pending() > 0 {
            made.push_back(Next::Cut(self.key, self.tail.offset()));
        }
        self.flush(made);
        Progress::Made
    }

    /// Makes messages of what has no line end, and of what the parser holds.
    fn flush(&mut self, made: &mut VecDeque<Next>) {
        self.flushed = true;
        let mut messages = Vec::new();
        let read_at = now();
        while let Some(line) = self.cutter.finish() {
            messages.extend(self.recorder.record(&line, read_at, Origin::File));
            self.before.push(line.bytes);
        }
        messages.extend(self.recorder.finish(self.cutter.position(), read_at));
        self.told = self.position();
        let place = self.place();
        if messages.is_empty() {
            made.push_back(Next::Moved(self.key, place));
        } else {
            super::publish_line(self.key, messages, &place, self.resend_below, made);
        }
    }

    /// The file was cut or written anew. What was read of it is sent; its next life is a source of its own.
    fn start_over(&mut self, ledger: &mut Ledger, made: &mut VecDeque<Next>) {
        tracing::warn!(
            source.label = self.identity.label,
            source.generation = self.identity.generation,
            source.offset = self.tail.offset(),
            "a file was cut or written anew; lines written just before that may be lost"
        );
        self.flush(made);
        self.gaps += 1;
        let gap = super::control::source_gap(&self.context, &self.identity, self.position(), self.gaps, "file_replaced", 0);
        if let Some(outgoing) = super::outgoing(Some(self.key), gap, self.context.resumed, None) {
            made.push_back(Next::Message(outgoing));
        }
        made.push_back(Next::Closed(self.key));
        self.tail.start_over();
        self.identity.generation = ledger.new_generation(&self.identity.label);
        let record =
            new_record(&self.identity.label, self.identity.container.clone(), self.identity.generation, Some(self.identity()));
        self.key = ledger.open(record);
        self.past.add(self.recorder.counts());
        self.recorder = self.context.recorder(self.identity.clone(), RecorderState::default());
        self.cutter = Cutter::new(0);
        self.before = Before::default();
        self.resend_below = 0;
        self.told = 0;
        self.flushed = false;
    }

    fn place(&self) -> Place {
        Place { offset: self.position(), state: self.recorder.state(), before: self.before.checksum() }
    }
}

/// The bytes of a line's end, which the line leaves out.
fn line_end(line: &Line<'_>) -> &'static [u8] {
    match line.end - line.start - line.bytes.len() as u64 {
        0 => b"",
        1 => b"\n",
        _ => b"\r\n",
    }
}
