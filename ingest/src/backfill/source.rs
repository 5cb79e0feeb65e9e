//! One file, read as the sidecar read it: the same bytes give the same messages, with the same ids and numbers.
//!
//! It is read from its first byte, so that what the parser remembers and the numbers agree. Where the sidecar ended a message
//! by time and not by the bytes, the messages that are there show it, and it is ended there again.

use std::collections::{HashSet, VecDeque};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use message::{Message, PodIdentity, Timestamp};
use records::{Cutter, Origin, Recorder, RecorderState, Redactor, Rules, SourceIdentity, cut::LINE_LIMIT};
use uuid::Uuid;

use super::held::{Fate, Held};

/// Bytes that are read at once.
const CHUNK: usize = 64 * 1024;
/// A line that is nearly as long as lines may be is cut by its bytes, which must be there to tell where.
const NEARLY_TOO_LONG: usize = LINE_LIMIT - 2 * 1024;

/// What is known beside the bytes.
#[derive(Debug, Clone)]
pub struct Reading {
    /// Who speaks.
    pub pod: Arc<PodIdentity>,
    /// What replaces secrets.
    pub redactor: Arc<Redactor>,
    /// Rules for text.
    pub rules: Arc<Rules>,
}

/// A file that is read.
#[derive(Debug)]
pub struct SourceFile<R = File> {
    path: PathBuf,
    file: R,
    cutter: Cutter,
    recorder: Recorder,
    held: Held,
    /// When what says no time of its own is taken to be said.
    read_at: Timestamp,
    made: VecDeque<Message>,
    is_over: bool,
    counts: Counts,
}

/// What was found in a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Bytes.
    pub bytes: u64,
    /// Messages that are there.
    pub there: u64,
    /// Messages that are not.
    pub missing: u64,
    /// Messages of whose bytes others were made.
    pub otherwise: u64,
}

impl SourceFile {
    /// Opens a file. What says no time of its own is taken to be said when the file was last written.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path, source: SourceIdentity, reading: &Reading, held: Held) -> io::Result<Self> {
        let file = File::open(path)?;
        let written = file.metadata()?.modified()?;
        Ok(Self::new(path, file, source, reading, held, Timestamp::new(written.into())))
    }
}

impl<R: Read> SourceFile<R> {
    fn new(path: &Path, file: R, source: SourceIdentity, reading: &Reading, held: Held, read_at: Timestamp) -> Self {
        let Reading { pod, redactor, rules } = reading.clone();
        let recorder = Recorder::new(pod, source, redactor, RecorderState::default()).with_rules(rules);
        Self {
            path: path.to_owned(),
            file,
            cutter: Cutter::new(0),
            recorder,
            held,
            read_at,
            made: VecDeque::new(),
            is_over: false,
            counts: Counts::default(),
        }
    }

    /// The file's name.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was found so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The next message that is not there; nothing at the end of the file.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn next_missing(&mut self, ids: &HashSet<Uuid>) -> io::Result<Option<Message>> {
        loop {
            while let Some(message) = self.made.pop_front() {
                match self.held.fate(&message, ids) {
                    Fate::Missing => {
                        self.counts.missing += 1;
                        return Ok(Some(message));
                    }
                    Fate::There => self.counts.there += 1,
                    Fate::Otherwise => self.counts.otherwise += 1,
                }
            }
            if self.is_over {
                return Ok(None);
            }
            self.advance()?;
        }
    }

    /// Makes the messages of the next line, or reads on.
    fn advance(&mut self) -> io::Result<()> {
        if let Some(line) = self.cutter.next_line() {
            self.made.extend(self.recorder.record(&line, self.read_at, Origin::File));
            let position = self.cutter.position();
            if self.recorder.held_since().is_some() && self.held.is_cut(position) {
                self.made.extend(self.recorder.finish(position, self.read_at));
            }
            return Ok(());
        }
        let pending = self.cutter.pending();
        let offset = self.cutter.position() + u64::try_from(pending).unwrap_or(u64::MAX);
        if pending > 0 && pending < NEARLY_TOO_LONG && self.held.is_cut(offset) {
            self.end_here();
            return Ok(());
        }
        let room = self.held.next_cut(offset).map_or(u64::MAX, |cut| cut - offset);
        let room = usize::try_from(room).unwrap_or(usize::MAX).min(CHUNK);
        let mut chunk = vec![0; room];
        let length = loop {
            match self.file.read(&mut chunk) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.counts.bytes += u64::try_from(length).unwrap_or(u64::MAX);
        self.cutter.push(&chunk[..length]);
        if length == 0 {
            self.end_here();
            self.is_over = true;
        }
        Ok(())
    }

    /// As the sidecar does where it decides that something ends.
    fn end_here(&mut self) {
        while let Some(line) = self.cutter.finish() {
            self.made.extend(self.recorder.record(&line, self.read_at, Origin::File));
        }
        self.made.extend(self.recorder.finish(self.cutter.position(), self.read_at));
    }
}

#[cfg(test)]
mod tests;
