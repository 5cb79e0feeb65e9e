//! The spool: what came through a socket, on disk before it is answered, until the server has it.
//!
//! An append-only log in segments. A position counts the bytes (frames, see [`frame`]) ever accepted in its generation and
//! is never reused; the generation is the Unix milliseconds of the log's creation. Space is freed segment by segment
//! behind the acknowledged position. Nothing is synced: what was accepted survives the death of this process, not that of
//! the node.
//!
//! Invariants:
//! - a record is accepted whole or not at all, and never moves;
//! - an id that a step gave is accepted once, also across restarts, as long as [`ids`] knows it;
//! - damage costs the records that it hit and no other: what is whole behind it is found again, and what was hit is told;
//! - a full spool refuses, so that writers wait; nothing is dropped.

pub mod frame;
mod ids;
mod segment;

use std::collections::{HashSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::aside;
pub use frame::{Entry, Form, Frame, Peer};
use ids::KnownIds;
use segment::{HeaderError, Segment, Tail};

/// Bytes of one segment: small beside the bound, so that space comes back soon, large beside the longest record.
const SEGMENT: u64 = 4 * 1024 * 1024;

/// A position of the spool, as the checkpoint holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Generation that the position belongs to.
    pub generation: u64,
    /// Everything below is acknowledged.
    pub position: u64,
}

/// What was found when the spool was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// No spool: this one is new.
    Nothing,
    /// A spool to go on with.
    Spool,
    /// A spool that cannot be used, in words; it was moved aside and this one is new.
    Unusable(String),
}

/// Whether a record was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// It is in the spool at these positions.
    New {
        /// First byte of its frame.
        start: u64,
        /// Byte after its frame.
        end: u64,
    },
    /// Its id was accepted before.
    Known,
}

/// Why records were not taken; none of them was.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The bound is reached: wait until something is freed.
    #[error("the spool is full")]
    Full,
    /// The disk would not take them.
    #[error("cannot write to the spool")]
    Write(#[source] io::Error),
}

/// The spool.
#[derive(Debug)]
pub struct Spool {
    directory: PathBuf,
    generation: u64,
    limit: u64,
    /// Everything below is acknowledged.
    acknowledged: u64,
    /// Oldest first, never empty; the last is written to.
    segments: VecDeque<Segment>,
    ids: KnownIds,
    /// Frames on their way to the file.
    frames: Vec<u8>,
}

impl Spool {
    /// Opens the spool in `directory` or makes one. A spool that makes no sense, or that ends below the acknowledged
    /// position of its generation, is moved aside and a new generation starts, younger than any before.
    ///
    /// # Errors
    /// When the system refuses something: nothing is moved aside for that, it may pass.
    pub fn open(directory: &Path, limit: u64, now_millis: u64, acknowledged: Option<Mark>) -> anyhow::Result<(Self, Found)> {
        let in_directory = || format!("cannot use the spool directory `{}`", directory.display());
        std::fs::create_dir_all(directory).with_context(in_directory)?;
        let paths = segment_paths(directory).with_context(in_directory)?;
        // Whatever the clock tells: a generation is never used twice.
        let youngest = generations(&paths).chain(acknowledged.map(|mark| mark.generation)).max();
        let next = now_millis.max(youngest.map_or(0, |youngest| youngest.saturating_add(1)));
        let problem = match Self::load(directory, limit, &paths) {
            Ok(Some(spool)) => match acknowledged {
                Some(mark) if mark.generation == spool.generation && spool.end() < mark.position => {
                    format!("it ends at {}, below the acknowledged position {}", spool.end(), mark.position)
                }
                _ => return Ok((spool, Found::Spool)),
            },
            Ok(None) => {
                // Lists of ids alone are of a log that is gone; its steps may still send again.
                let spool = Self::create(directory, limit, next).with_context(in_directory)?;
                return Ok((spool, Found::Nothing));
            }
            Err(LoadError::Io(error)) => return Err(error).with_context(in_directory),
            Err(LoadError::Senseless(problem)) => problem,
        };
        let aside = aside::beside(directory, now_millis);
        std::fs::rename(directory, &aside)
            .with_context(|| format!("cannot move the unusable spool `{}` aside", directory.display()))?;
        std::fs::create_dir_all(directory).with_context(in_directory)?;
        let spool = Self::create(directory, limit, next).with_context(in_directory)?;
        Ok((spool, Found::Unusable(format!("{problem}; it is kept as {}", aside.display()))))
    }

    /// Its generation.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Position of the oldest record that is still held.
    pub fn start(&self) -> u64 {
        self.segments.front().map_or(0, Segment::start)
    }

    /// Position after the newest record.
    pub fn end(&self) -> u64 {
        self.segments.back().map_or(0, Segment::end)
    }

    /// Bytes on disk.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.end() - self.start()
    }

    /// Bytes it may hold.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Appends records, all of them or none. An empty spool takes any batch, or a large one would wait for ever.
    pub fn append<'a, I>(&mut self, entries: I) -> Result<Vec<Accepted>, AppendError>
    where
        I: IntoIterator<Item = Entry<'a>, IntoIter: Clone>,
    {
        let entries = entries.into_iter();
        let base = self.end();
        let mut length = 0;
        let mut accepted = Vec::with_capacity(entries.size_hint().0);
        let mut new_ids = HashSet::new();
        for entry in entries.clone() {
            if entry.id.is_some_and(|id| self.ids.contains(id) || !new_ids.insert(id)) {
                accepted.push(Accepted::Known);
                continue;
            }
            let start = base + length;
            length += frame::length(&entry);
            accepted.push(Accepted::New { start, end: base + length });
        }
        if length == 0 {
            return Ok(accepted);
        }
        self.make_room(length)?;
        let new = entries.zip(&accepted).filter(|(_, accepted)| **accepted != Accepted::Known).map(|(entry, _)| entry);
        let written = self.write(new.clone()).or_else(|error| {
            if self.acknowledged < self.end() {
                return Err(error);
            }
            // What stands in the way may be our own, and all of it is sent.
            self.begin_anew()?;
            self.write(new)
        });
        written.map_err(AppendError::Write)?;
        for id in new_ids {
            self.ids.insert(id);
        }
        Ok(accepted)
    }

    /// Fills `buffer` with whole frames from `position` on, about `limit` bytes of them, and gives the position of the
    /// first one. When that lies behind the position asked for, what is between is damaged or gone. An empty buffer means
    /// that nothing whole is behind the damage; nothing at all, that there is no more.
    pub fn read(&self, position: u64, limit: usize, buffer: &mut Vec<u8>) -> io::Result<Option<u64>> {
        buffer.clear();
        if position >= self.end() {
            return Ok(None);
        }
        let mut at = position;
        for segment in self.segments.iter().filter(|segment| segment.end() > position) {
            at = at.max(segment.start());
            while at < segment.end() {
                if segment.read(at, limit, buffer)? {
                    return Ok(Some(at));
                }
                at = segment.find_behind(at)?.unwrap_or(segment.end());
            }
        }
        buffer.clear();
        Ok(Some(at))
    }

    /// Everything below this position is acknowledged: the segments that lie below it are freed.
    pub fn free(&mut self, position: u64) -> io::Result<()> {
        self.acknowledged = position;
        let is_used_up = self.segments.back().is_some_and(|segment| segment.length() > self.segment_limit() / 4);
        let rolled = if position >= self.end() && is_used_up { self.roll() } else { Ok(()) };
        self.free_segments()?;
        rolled
    }

    fn free_segments(&mut self) -> io::Result<()> {
        while self.segments.len() > 1
            && let Some(oldest) = self.segments.front()
            && oldest.end() <= self.acknowledged
        {
            match std::fs::remove_file(oldest.path()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                // Somebody was faster.
                _ => {}
            }
            let start = oldest.start();
            self.segments.pop_front();
            self.ids.free(&self.directory, start);
        }
        Ok(())
    }

    /// Bytes of one segment: a small spool has small ones, so that something can be freed before it is full.
    fn segment_limit(&self) -> u64 {
        SEGMENT.min(self.limit / 4)
    }

    fn create(directory: &Path, limit: u64, generation: u64) -> io::Result<Self> {
        let ids = KnownIds::load(directory)?;
        let segments = VecDeque::from([Segment::create(directory, generation, 0)?]);
        Ok(Self { directory: directory.to_owned(), generation, limit, acknowledged: 0, segments, ids, frames: Vec::new() })
    }

    /// Nothing where no segment was ever written to.
    fn load(directory: &Path, limit: u64, paths: &[PathBuf]) -> Result<Option<Self>, LoadError> {
        let mut segments = open_segments(paths)?;
        let Some(generation) = segments.front().map(Segment::generation) else { return Ok(None) };
        let mut ids = KnownIds::load(directory)?;
        let last = segments.len() - 1;
        for (index, segment) in segments.iter_mut().enumerate() {
            if index < last && ids.hold(segment.start()) {
                continue;
            }
            let tail = segment.scan(|_, entry| entry.id.into_iter().for_each(|id| ids.insert(id)))?;
            if index < last {
                ids.close(directory, segment.start());
            } else if let Tail::Torn(position) = tail {
                segment.cut(position)?;
            }
        }
        let mut spool =
            Self { directory: directory.to_owned(), generation, limit, acknowledged: 0, segments, ids, frames: Vec::new() };
        spool.leave_older_format()?;
        Ok(Some(spool))
    }

    /// What an older program wrote is read, and never appended to.
    fn leave_older_format(&mut self) -> io::Result<()> {
        match self.segments.back() {
            Some(last) if last.is_older() && last.length() == 0 => {
                // The next segment would have the very name of this one.
                let empty = Segment::create(&self.directory, self.generation, last.start())?;
                self.segments.pop_back();
                self.segments.push_back(empty);
                Ok(())
            }
            Some(last) if last.is_older() => self.roll(),
            _ => Ok(()),
        }
    }

    /// Makes sure that this many bytes may be appended to the last segment.
    fn make_room(&mut self, length: u64) -> Result<(), AppendError> {
        let is_full = |spool: &Self| spool.held() > 0 && spool.held() + length > spool.limit;
        if is_full(self) && self.acknowledged >= self.end() {
            // All of it is sent; only the segment that is written to was kept.
            self.begin_anew().map_err(AppendError::Write)?;
        }
        if is_full(self) {
            return Err(AppendError::Full);
        }
        let limit = self.segment_limit();
        let is_large = |segment: &Segment| segment.length() > 0 && segment.length() + length > limit;
        if self.segments.back().is_some_and(is_large) {
            self.roll().map_err(AppendError::Write)?;
        }
        Ok(())
    }

    fn write<'a>(&mut self, entries: impl Iterator<Item = Entry<'a>>) -> io::Result<()> {
        self.segments.back_mut().map_or(Ok(()), |segment| segment.append(entries, &mut self.frames))
    }

    /// Leaves the segment that is written to, where anything is in it, and frees what is acknowledged.
    fn begin_anew(&mut self) -> io::Result<()> {
        if self.segments.back().is_some_and(|segment| segment.length() > 0) {
            self.roll()?;
        }
        self.free_segments()
    }

    /// Closes the segment that is written to and starts the next.
    fn roll(&mut self) -> io::Result<()> {
        let next = Segment::create(&self.directory, self.generation, self.end())?;
        let closed = self.segments.back().map_or(0, Segment::start);
        self.segments.push_back(next);
        self.ids.close(&self.directory, closed);
        Ok(())
    }
}

/// The generations that headers tell of.
fn generations(paths: &[PathBuf]) -> impl Iterator<Item = u64> {
    paths.iter().filter_map(|path| Some(Segment::open(path).ok()?.generation()))
}

/// Why a spool cannot be gone on with.
#[derive(Debug)]
enum LoadError {
    /// The system refused something, which may pass.
    Io(io::Error),
    /// It makes no sense, in words.
    Senseless(String),
}

impl From<io::Error> for LoadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Opens every segment that anything was written to. One with a damaged header belongs to the generation of the others.
fn open_segments(paths: &[PathBuf]) -> Result<VecDeque<Segment>, LoadError> {
    let senseless = |path: &Path, why: &str| LoadError::Senseless(format!("`{}` {why}", path.display()));
    let mut segments: VecDeque<Segment> = VecDeque::with_capacity(paths.len());
    let mut headless = Vec::new();
    for path in paths {
        match Segment::open(path) {
            Ok(segment) => segments.push_back(segment),
            Err(HeaderError::Empty) => std::fs::remove_file(path)?,
            Err(HeaderError::Damaged) => headless.push(path),
            Err(HeaderError::Io(error)) => return Err(error.into()),
            Err(error @ HeaderError::Newer(_)) => return Err(senseless(path, &error.to_string())),
        }
    }
    for path in headless {
        let Some(generation) = segments.front().map(Segment::generation) else {
            return Err(senseless(path, &HeaderError::Damaged.to_string()));
        };
        match Segment::open_headless(path, generation) {
            Ok(segment) => segments.push_back(segment),
            Err(HeaderError::Io(error)) => return Err(error.into()),
            Err(error) => return Err(senseless(path, &error.to_string())),
        }
    }
    segments.make_contiguous().sort_by_key(Segment::start);
    for (before, segment) in segments.iter().zip(segments.iter().skip(1)) {
        // What lies between two that do not meet is gone, and told when it is its turn to be read.
        if before.generation() != segment.generation() || before.end() > segment.start() {
            return Err(senseless(segment.path(), &format!("does not follow `{}`", before.path().display())));
        }
    }
    Ok(segments)
}

fn segment_paths(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "spool") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests;
