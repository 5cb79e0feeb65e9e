//! One followed file, by its open descriptor: what happens to its name does not matter.
//!
//! It knows one life of the file: bytes that are appended. When the bytes before the reading position change, or the file
//! gets shorter, that life is over ([`Read::Replaced`]); its caller starts the next one from byte 0.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;

use rustix::fs::{AtFlags, StatxFlags};

use crate::checkpoint::FileIdentity;

/// How many bytes before a position are compared, at most.
const BEFORE: u64 = 256;

/// An open file and how far it was read.
#[derive(Debug)]
pub struct Tail {
    file: File,
    identity: FileIdentity,
    /// Everything below was read.
    offset: u64,
    /// The bytes just before the offset, at most [`BEFORE`].
    before: Vec<u8>,
}

/// What a read found.
#[derive(Debug, PartialEq, Eq)]
pub enum Read {
    /// This many bytes more.
    Bytes(usize),
    /// Nothing new.
    End,
    /// The file was cut or written anew: this many bytes may have been missed, as far as can be told.
    Replaced,
}

impl Tail {
    /// Opens a regular file, to read from its start. Nothing for what is no regular file (a pipe would block).
    pub fn open(path: &Path) -> io::Result<Option<Self>> {
        // The kind is looked at first: opening a pipe can wait for ever.
        if !std::fs::metadata(path)?.is_file() {
            return Ok(None);
        }
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Ok(None);
        }
        let identity = FileIdentity { device: metadata.dev(), inode: metadata.ino(), born: born(&file) };
        Ok(Some(Self { file, identity, offset: 0, before: Vec::new() }))
    }

    /// Which file it is.
    #[must_use]
    pub fn identity(&self) -> FileIdentity {
        self.identity
    }

    /// Bytes it has now.
    pub fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Whether no name leads to it any more.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| metadata.nlink() == 0)
    }

    /// Everything below was read.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Goes on at an offset of an earlier life, if the bytes before it are the same; else stays at the start and says no.
    pub fn go_on_at(&mut self, offset: u64, expected: u32) -> io::Result<bool> {
        if self.size()? < offset {
            return Ok(false);
        }
        let before = self.bytes_before(offset)?;
        if crc32fast::hash(&before) != expected {
            return Ok(false);
        }
        self.offset = offset;
        self.before = before;
        Ok(true)
    }

    /// Reads what was appended, at most `buffer`.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<Read> {
        let size = self.size()?;
        if size < self.offset {
            return Ok(Read::Replaced);
        }
        if size == self.offset {
            return Ok(Read::End);
        }
        if !self.before.is_empty() && self.bytes_before(self.offset)? != self.before {
            return Ok(Read::Replaced);
        }
        let length = self.file.read_at(buffer, self.offset)?;
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
        self.before.clear();
    }

    fn bytes_before(&self, offset: u64) -> io::Result<Vec<u8>> {
        let length = offset.min(BEFORE);
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        match self.file.read_exact_at(&mut bytes, offset - length) {
            Ok(()) => Ok(bytes),
            // Cut in this very moment: not the bytes that were there.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

/// The bytes before a place that moves forward, for the checksum in the checkpoint.
#[derive(Debug, Clone, Default)]
pub struct Before(Vec<u8>);

impl Before {
    /// Before the place where this file will be read on.
    #[must_use]
    pub fn of(tail: &Tail) -> Self {
        Self(tail.before.clone())
    }

    /// These bytes come before the place as well.
    pub fn push(&mut self, bytes: &[u8]) {
        remember(&mut self.0, bytes);
    }

    /// Their checksum.
    #[must_use]
    pub fn checksum(&self) -> u32 {
        crc32fast::hash(&self.0)
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

/// When the file was made, where its file system tells.
fn born(file: &File) -> Option<i64> {
    let told = rustix::fs::statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::BTIME).ok()?;
    let has_birth = told.stx_mask & StatxFlags::BTIME.bits() != 0;
    has_birth.then(|| told.stx_btime.tv_sec.saturating_mul(1_000_000_000).saturating_add(i64::from(told.stx_btime.tv_nsec)))
}

#[cfg(test)]
mod tests;
