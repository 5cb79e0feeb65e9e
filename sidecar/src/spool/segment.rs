//! One file of the spool: a header that says which positions it holds, then frames end to end.
//!
//! ```text
//! 8 bytes "acspool\n" | u32 format version | u64 generation | u64 position of the first frame | u32 CRC-32 of all before
//! ```

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::frame::{self, Entry, Frame};

/// The format that this version writes, and the newest that it reads. Version 2 brought the batches of `exec`.
pub const VERSION: u32 = 2;

const MAGIC: [u8; 8] = *b"acspool\n";
const HEADER: usize = 32;
const READ: usize = 256 * 1024;

/// Why a file is no segment that can be read.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// It was written by a newer version.
    #[error("has format version {0}, this program reads up to {VERSION}")]
    Newer(u32),
    /// It is no segment, or a torn one.
    #[error("has no valid header")]
    Damaged,
    /// The system refused.
    #[error("cannot be read")]
    Io(#[from] io::Error),
}

/// A segment.
#[derive(Debug)]
pub struct Segment {
    path: PathBuf,
    file: File,
    version: u32,
    generation: u64,
    start: u64,
    length: u64,
}

impl Segment {
    /// Makes an empty one for positions from `start`.
    pub fn create(directory: &Path, generation: u64, start: u64) -> io::Result<Self> {
        let path = directory.join(file_name(start));
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path)?;
        file.write_all_at(&header(generation, start), 0)?;
        Ok(Self { path, file, version: VERSION, generation, start, length: 0 })
    }

    /// Opens one. Nothing is said of its frames yet.
    pub fn open(path: &Path) -> Result<Self, HeaderError> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let mut bytes = [0; HEADER];
        file.read_exact_at(&mut bytes, 0).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => HeaderError::Damaged,
            _ => HeaderError::Io(error),
        })?;
        let (version, generation, start) = parse_header(&bytes)?;
        let length = file.metadata()?.len() - HEADER as u64;
        Ok(Self { path: path.to_owned(), file, version, generation, start, length })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether an older program wrote its header: it would misread what this one may append.
    pub fn is_older(&self) -> bool {
        self.version < VERSION
    }

    /// The generation in its header.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Position of its first byte.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Position after its last byte.
    pub fn end(&self) -> u64 {
        self.start + self.length
    }

    /// Bytes of frames.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Appends whole frames. When the system takes only a part of them, that part is taken back.
    pub fn append(&mut self, frames: &[u8]) -> io::Result<()> {
        let at = HEADER as u64 + self.length;
        if let Err(error) = self.file.write_all_at(frames, at) {
            self.file.set_len(at)?;
            return Err(error);
        }
        self.length += frames.len() as u64;
        Ok(())
    }

    /// Fills `buffer` with whole frames from `position` on, about `limit` bytes of them and at least one if there is one.
    /// `Ok(false)` means that no whole, undamaged frame stands there.
    pub fn read(&self, position: u64, limit: usize, buffer: &mut Vec<u8>) -> io::Result<bool> {
        let available = usize::try_from(self.end().saturating_sub(position)).unwrap_or(usize::MAX);
        let mut wanted = available.min(limit);
        loop {
            buffer.resize(wanted, 0);
            self.file.read_exact_at(buffer, HEADER as u64 + (position - self.start))?;
            let whole = whole_frames(buffer);
            if whole > 0 {
                buffer.truncate(whole);
                return Ok(true);
            }
            match frame::decode(buffer) {
                Frame::Cut(needed) if needed <= available && needed > wanted => wanted = needed,
                _ => return Ok(false),
            }
        }
    }

    /// Calls `each` with every record and its position, and gives the position after the last whole one.
    pub fn scan(&self, mut each: impl FnMut(u64, &Entry<'_>)) -> io::Result<u64> {
        let mut position = self.start;
        let mut buffer = Vec::new();
        while position < self.end() && self.read(position, READ, &mut buffer)? {
            let mut rest = buffer.as_slice();
            while let Frame::Whole(entry, length) = frame::decode(rest) {
                each(position, &entry);
                position += length as u64;
                rest = &rest[length..];
            }
        }
        Ok(position)
    }

    /// Cuts off what stands at and after `position`.
    pub fn cut(&mut self, position: u64) -> io::Result<()> {
        let length = position - self.start;
        self.file.set_len(HEADER as u64 + length)?;
        self.length = length;
        Ok(())
    }
}

/// The name of the segment that starts at this position; names sort as positions do.
pub fn file_name(start: u64) -> String {
    format!("{start:020}.spool")
}

fn whole_frames(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Frame::Whole(_, length) = frame::decode(&bytes[at..]) {
        at += length;
    }
    at
}

fn header(generation: u64, start: u64) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    bytes[12..20].copy_from_slice(&generation.to_le_bytes());
    bytes[20..28].copy_from_slice(&start.to_le_bytes());
    let checksum = crc32fast::hash(&bytes[..28]);
    bytes[28..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// Version, generation and first position.
fn parse_header(bytes: &[u8; HEADER]) -> Result<(u32, u64, u64), HeaderError> {
    let u32_at = |at: usize| bytes[at..].first_chunk().map_or(0, |chunk| u32::from_le_bytes(*chunk));
    let u64_at = |at: usize| bytes[at..].first_chunk().map_or(0, |chunk| u64::from_le_bytes(*chunk));
    if bytes[..8] != MAGIC {
        return Err(HeaderError::Damaged);
    }
    // The version comes first: a newer format may keep its checksum elsewhere.
    if u32_at(8) > VERSION {
        return Err(HeaderError::Newer(u32_at(8)));
    }
    if crc32fast::hash(&bytes[..28]) != u32_at(28) {
        return Err(HeaderError::Damaged);
    }
    Ok((u32_at(8), u64_at(12), u64_at(20)))
}
