//! One followed file, by its open descriptor: what happens to its name does not matter.
//!
//! It knows one life of the file: bytes that are appended. When the bytes before the reading position change, or the file
//! gets shorter, that life is over ([`Read::Replaced`]); its caller starts the next one from byte 0.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use super::stat::{Seen, Stat};
use crate::checkpoint::Mark;

/// How many bytes before a position are compared, at most.
const BEFORE: u64 = 256;

/// An open file and how far it was read.
#[derive(Debug)]
pub struct Tail {
    file: File,
    /// Everything below was read.
    offset: u64,
    /// The bytes just before the offset, at most [`BEFORE`].
    before: Vec<u8>,
    /// What the last read saw.
    seen: Seen,
}

/// How far a file was read that is not open any more.
#[derive(Debug)]
pub struct Left {
    offset: u64,
    before: Vec<u8>,
}

/// What a read found.
#[derive(Debug, PartialEq, Eq)]
pub enum Read {
    /// This many bytes more.
    Bytes(usize),
    /// Nothing new.
    End,
    /// The file was cut or written anew.
    Replaced,
}

impl Tail {
    /// Reads a file from its start.
    #[must_use]
    pub fn new(file: File) -> Self {
        Self { file, offset: 0, before: Vec::new(), seen: Seen::default() }
    }

    /// What the last read saw.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.seen
    }

    /// Looks at the file without reading it.
    pub fn look(&self) -> io::Result<Stat> {
        Stat::of(&self.file)
    }

    /// Whether the file still has what was read last.
    #[must_use]
    pub fn is_same(&self) -> bool {
        bytes_before(&self.file, self.offset).is_ok_and(|before| before == self.before)
    }

    /// Everything below was read.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The open file alone.
    #[must_use]
    pub fn into_file(self) -> File {
        self.file
    }

    /// How far it was read, without the open file.
    #[must_use]
    pub fn leave(self) -> Left {
        Left { offset: self.offset, before: self.before }
    }

    /// Goes on where a file was left; whether it is still the same, [`Left::is_in`] and every read tell.
    #[must_use]
    pub fn return_to(file: File, left: Left) -> Self {
        let Left { offset, before } = left;
        Self { file, offset, before, seen: Seen::default() }
    }

    /// Goes on at an offset of an earlier time, if the bytes before it are the same; else stays at the start and says no.
    pub fn go_on_at(&mut self, offset: u64, expected: u32) -> io::Result<bool> {
        if self.look()?.seen.size < offset {
            return Ok(false);
        }
        let before = bytes_before(&self.file, offset)?;
        if crc32fast::hash(&before) != expected {
            return Ok(false);
        }
        self.offset = offset;
        self.before = before;
        Ok(true)
    }

    /// Whether it has the bytes that were read at an earlier time.
    pub fn has(&self, mark: Mark) -> io::Result<bool> {
        if self.look()?.seen.size < mark.offset {
            return Ok(false);
        }
        Ok(crc32fast::hash(&bytes_before(&self.file, mark.offset)?) == mark.before)
    }

    /// By what it is known again that it was read up to here.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark { offset: self.offset, before: crc32fast::hash(&self.before) }
    }

    /// Reads what was appended, at most `buffer`.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<Read> {
        let seen = Stat::of(&self.file)?.seen;
        let length = if seen.size > self.offset { self.file.read_at(buffer, self.offset)? } else { 0 };
        // Looked at after reading: while the bytes before are the same, the file's life went on, and the bytes are of it.
        if seen.size < self.offset || !self.before.is_empty() && bytes_before(&self.file, self.offset)? != self.before {
            return Ok(Read::Replaced);
        }
        self.seen = seen;
        if length == 0 {
            return Ok(Read::End);
        }
        self.offset += length as u64;
        remember(&mut self.before, &buffer[..length]);
        Ok(Read::Bytes(length))
    }

    /// Starts the file's next life at its start.
    pub fn start_over(&mut self) {
        self.offset = 0;
        self.before = Vec::new();
    }
}

impl Left {
    /// Whether an open file has what was read of the one that was left.
    pub fn is_in(&self, file: &File) -> io::Result<bool> {
        Ok(bytes_before(file, self.offset)? == self.before)
    }
}

/// The bytes before a place that moves forward, for the checksum in the checkpoint.
#[derive(Debug, Clone, Default)]
pub struct Before {
    bytes: Vec<u8>,
    /// The place.
    offset: u64,
}

impl Before {
    /// Before the place where this file will be read on.
    #[must_use]
    pub fn of(tail: &Tail) -> Self {
        Self { bytes: tail.before.clone(), offset: tail.offset }
    }

    /// These bytes come before the place as well.
    pub fn push(&mut self, bytes: &[u8]) {
        remember(&mut self.bytes, bytes);
        self.offset += bytes.len() as u64;
    }

    /// What lies between here and this place is NUL bytes.
    pub fn skip_to(&mut self, offset: u64) {
        let length = offset.saturating_sub(self.offset);
        remember(&mut self.bytes, &[0; 256][..usize::try_from(length.min(BEFORE)).unwrap_or(0)]);
        self.offset += length;
    }

    /// Their checksum.
    #[must_use]
    pub fn checksum(&self) -> u32 {
        crc32fast::hash(&self.bytes)
    }
}

fn bytes_before(file: &File, offset: u64) -> io::Result<Vec<u8>> {
    let length = offset.min(BEFORE);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    match file.read_exact_at(&mut bytes, offset - length) {
        Ok(()) => Ok(bytes),
        // Cut in this very moment: not the bytes that were there.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a small constant")]
fn remember(before: &mut Vec<u8>, bytes: &[u8]) {
    let limit = BEFORE as usize;
    if bytes.len() >= limit {
        before.clear();
        before.extend_from_slice(&bytes[bytes.len() - limit..]);
        return;
    }
    let keep = limit - bytes.len();
    if before.len() > keep {
        before.drain(..before.len() - keep);
    }
    before.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests;
