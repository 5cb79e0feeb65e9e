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
/// Bytes of frames that are written together.
const BUFFER: usize = 32 * 1024;
/// Bytes that are looked through at once.
const READ: usize = 64 * 1024;
/// Far more than is ever appended at once.
const LONGEST_STRIDE: u64 = 1 << 40;

/// Why a file is no segment that can be read.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// It was written by a newer version.
    #[error("has format version {0}, this program reads up to {VERSION}")]
    Newer(u32),
    /// Its header was never written whole, so nothing was accepted into it.
    #[error("is empty")]
    Empty,
    /// It is no segment, or its header is damaged.
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
    /// Whether the header is on disk. A full disk has room for a file and none for what is in it.
    has_header: bool,
    /// Whether there may be bytes behind the last frame that could not be taken back.
    is_torn: bool,
}

impl Segment {
    /// Makes an empty one for positions from `start`. A header that finds no room now is written with the first frames.
    pub fn create(directory: &Path, generation: u64, start: u64) -> io::Result<Self> {
        let path = directory.join(file_name(start));
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path)?;
        let (has_header, is_torn) = (false, false);
        let mut segment = Self { path, file, version: VERSION, generation, start, length: 0, has_header, is_torn };
        if let Err(error) = segment.write_header() {
            tracing::debug!(error = %error, "the header of a spool segment has to wait");
        }
        Ok(segment)
    }

    /// Opens one. Nothing is said of its frames yet.
    pub fn open(path: &Path) -> Result<Self, HeaderError> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let mut bytes = [0; HEADER];
        file.read_exact_at(&mut bytes, 0).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => HeaderError::Empty,
            _ => HeaderError::Io(error),
        })?;
        let (version, generation, start) = parse_header(&bytes)?;
        Self::opened(path, file, version, generation, start)
    }

    /// Opens one whose header is damaged: its name says where it starts.
    pub fn open_headless(path: &Path, generation: u64) -> Result<Self, HeaderError> {
        let start = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok()).ok_or(HeaderError::Damaged)?;
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        // Of an unknown version, it is read and never appended to.
        Self::opened(path, file, 0, generation, start)
    }

    fn opened(path: &Path, file: File, version: u32, generation: u64, start: u64) -> Result<Self, HeaderError> {
        let length = file.metadata()?.len().saturating_sub(HEADER as u64);
        // Positions that no number holds are of no spool.
        start.checked_add(length).and_then(|end| end.checked_add(LONGEST_STRIDE)).ok_or(HeaderError::Damaged)?;
        let (path, has_header, is_torn) = (path.to_owned(), true, false);
        Ok(Self { path, file, version, generation, start, length, has_header, is_torn })
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

    /// Appends the frames of these records, all of them or none: what the system takes of the rest is taken back. `buffer` is
    /// only lent, and stays small: a long record is written from where it is.
    pub fn append<'a>(&mut self, entries: impl Iterator<Item = Entry<'a>>, buffer: &mut Vec<u8>) -> io::Result<()> {
        self.write_header()?;
        self.take_back()?;
        self.is_torn = true;
        match self.write(entries, buffer) {
            Ok(length) => {
                self.length += length;
                self.is_torn = false;
                Ok(())
            }
            Err(error) => {
                if let Err(error) = self.take_back() {
                    tracing::debug!(error = %error, "a part of a record is left in the spool for now");
                }
                Err(error)
            }
        }
    }

    /// Fills `buffer` with whole frames from `position` on, about `limit` bytes of them and at least one if there is one.
    /// `Ok(false)` means that no whole, undamaged frame stands there.
    pub fn read(&self, position: u64, limit: usize, buffer: &mut Vec<u8>) -> io::Result<bool> {
        let available = usize::try_from(self.end().saturating_sub(position)).unwrap_or(usize::MAX);
        let mut wanted = available.min(limit);
        loop {
            self.fill(position, wanted, buffer)?;
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

    /// Position of the first whole frame behind damage at `position`, if there is one.
    pub fn find_behind(&self, position: u64) -> io::Result<Option<u64>> {
        let mut buffer = Vec::new();
        // Where only the inside of a frame is damaged, its length still leads to the next one.
        self.fill(position, frame::PREFIX, &mut buffer)?;
        if let Frame::Cut(length) = frame::decode(&buffer) {
            let next = position + length as u64;
            if next == self.end() {
                return Ok(None);
            }
            if next < self.end() && self.read(next, READ, &mut buffer)? {
                return Ok(Some(next));
            }
        }
        let mut from = position + 1;
        let mut found = Vec::new();
        while from < self.end() {
            self.fill(from, READ, &mut buffer)?;
            for at in (0..buffer.len()).filter(|at| frame::may_begin(&buffer[*at..])) {
                let candidate = from + at as u64;
                if self.read(candidate, frame::PREFIX, &mut found)? {
                    return Ok(Some(candidate));
                }
            }
            if buffer.len() < READ {
                break;
            }
            // The start of a frame at the end of this piece is seen whole in the next.
            from += (READ - frame::PREFIX) as u64;
        }
        Ok(None)
    }

    /// Calls `each` with every record and its position, passing over damage, and says what stands at the end.
    pub fn scan(&self, mut each: impl FnMut(u64, &Entry<'_>)) -> io::Result<Tail> {
        let mut position = self.start;
        let mut buffer = Vec::new();
        while position < self.end() {
            if !self.read(position, READ, &mut buffer)? {
                match self.find_behind(position)? {
                    Some(next) => position = next,
                    None => return self.tail(position),
                }
                continue;
            }
            let mut rest = buffer.as_slice();
            while let Frame::Whole(entry, length) = frame::decode(rest) {
                each(position, &entry);
                position += length as u64;
                rest = &rest[length..];
            }
        }
        Ok(Tail::Whole)
    }

    /// Cuts off what stands at and after `position`.
    pub fn cut(&mut self, position: u64) -> io::Result<()> {
        let length = position - self.start;
        self.file.set_len(HEADER as u64 + length)?;
        self.length = length;
        Ok(())
    }

    /// What the bytes from `position` to the end are, when they are no frame.
    fn tail(&self, position: u64) -> io::Result<Tail> {
        let mut buffer = Vec::new();
        self.fill(position, frame::PREFIX, &mut buffer)?;
        let left = self.end() - position;
        Ok(match frame::decode(&buffer) {
            Frame::Cut(needed) if needed as u64 > left => Tail::Torn(position),
            _ => Tail::Damaged,
        })
    }

    /// Writes frames behind the last one and gives their bytes.
    fn write<'a>(&self, entries: impl Iterator<Item = Entry<'a>>, buffer: &mut Vec<u8>) -> io::Result<u64> {
        let begin = HEADER as u64 + self.length;
        let mut at = begin;
        let mut put = |bytes: &[u8]| {
            self.file.write_all_at(bytes, at)?;
            at += bytes.len() as u64;
            io::Result::Ok(())
        };
        buffer.clear();
        for entry in entries {
            if entry.raw.len() > BUFFER / 2 {
                frame::encode_head(&entry, buffer);
                put(buffer)?;
                put(entry.raw)?;
                buffer.clear();
                continue;
            }
            frame::encode(&entry, buffer);
            if buffer.len() > BUFFER / 2 {
                put(buffer)?;
                buffer.clear();
            }
        }
        put(buffer)?;
        Ok(at - begin)
    }

    /// Reads up to `wanted` bytes at `position`; less where the file ends.
    fn fill(&self, position: u64, wanted: usize, buffer: &mut Vec<u8>) -> io::Result<()> {
        let available = usize::try_from(self.end().saturating_sub(position)).unwrap_or(usize::MAX);
        buffer.resize(wanted.min(available), 0);
        let mut filled = 0;
        while filled < buffer.len() {
            let at = HEADER as u64 + (position - self.start) + filled as u64;
            match self.file.read_at(&mut buffer[filled..], at) {
                // Somebody cut the file.
                Ok(0) => buffer.truncate(filled),
                Ok(length) => filled += length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn write_header(&mut self) -> io::Result<()> {
        if !self.has_header {
            self.file.write_all_at(&header(self.generation, self.start), 0)?;
            self.has_header = true;
        }
        Ok(())
    }

    /// Takes back what a failed write left: a later reader would find it behind what is written next.
    fn take_back(&mut self) -> io::Result<()> {
        if self.is_torn {
            self.file.set_len(HEADER as u64 + self.length)?;
            self.is_torn = false;
        }
        Ok(())
    }
}

/// What stands behind the last whole frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    /// Nothing.
    Whole,
    /// From this position on, the start of a frame whose writing was interrupted: nobody was told that it was accepted.
    Torn(u64),
    /// Bytes that may have been records.
    Damaged,
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
