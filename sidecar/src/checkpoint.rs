//! What was sent and acknowledged, on disk: for each source the place to go on from.
//!
//! One file: a line with the format version and a checksum, then JSON. It is replaced as a whole (temporary file, sync,
//! rename, sync of the directory), so that a reader finds the old one or the new one. A file that is damaged or of a newer
//! version is moved aside, never deleted and never believed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};

use records::RecorderState;
use serde::{Deserialize, Serialize};

use crate::aside;
use crate::steps::StepRecord;

/// The format that this version writes, and the newest that it reads.
pub const VERSION: u32 = 1;

const MAGIC: &str = "agent-comms-checkpoint";
const FILE: &str = "checkpoint";

/// Everything the checkpoint holds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Where each source stands.
    pub sources: Vec<SourceRecord>,
    /// The newest generation of each label, also of sources that are gone: a generation is never used twice.
    pub generations: BTreeMap<String, u64>,
    /// The pod whose containers `steps` speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_uid: Option<String>,
    /// How the step's containers ended, those that did.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub steps: BTreeMap<String, StepRecord>,
}

/// Where one source stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceRecord {
    /// Container and path as first seen, or `spool`.
    pub label: String,
    /// Container, where the source belongs to one.
    pub container: Option<String>,
    /// Which life of the source.
    pub generation: u64,
    /// Where to go on.
    #[serde(flatten)]
    pub place: Place,
    /// Which file it is; absent for the spool.
    pub file: Option<FileIdentity>,
    /// A line that ends here by decision, not by its bytes, was or may have been sent: reading again cuts the same.
    #[serde(default)]
    pub cut: Option<u64>,
    /// Where it was read beyond the place: messages of these bytes may be stored, so that other bytes there are of another
    /// life. A version that does not know this can do without, so it has no format version of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<Mark>,
}

/// By which bytes a file is known again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Where they end.
    pub offset: u64,
    /// Their checksum.
    pub before: u32,
}

/// A place in a source to go on from: everything below it is acknowledged.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// The lowest unacknowledged byte.
    pub offset: u64,
    /// What the parser knew there, with the numbers of messages and gaps.
    pub state: RecorderState,
    /// Checksum of the bytes before the offset, so that another file in its place is known for one.
    pub before: u32,
    /// Whether what was held here by a cut that the bytes do not decide is acknowledged as well. The checkpoint says so by
    /// having no cut any more.
    #[serde(skip)]
    pub after_cut: bool,
}

/// Which file a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FileIdentity {
    /// Device.
    pub device: u64,
    /// Inode.
    pub inode: u64,
    /// Birth, in nanoseconds since 1970, where the file system tells it: inodes are used again.
    pub born: Option<i64>,
}

/// What stood in the place of the checkpoint.
#[derive(Debug)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// A checkpoint.
    Checkpoint(Checkpoint),
    /// Something that cannot be used, in words; it was moved aside.
    Unusable(String),
}

/// The place of the checkpoint.
#[derive(Debug)]
pub struct Store {
    directory: PathBuf,
}

impl Store {
    /// In this directory.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// Reads it. What cannot be used is moved aside.
    ///
    /// # Errors
    /// When it can be neither read nor moved aside.
    pub fn load(&self, now_millis: u64) -> io::Result<Found> {
        let path = self.directory.join(FILE);
        let problem = match std::fs::read(&path) {
            Ok(bytes) => match parse(&bytes) {
                Ok(checkpoint) => return Ok(Found::Checkpoint(checkpoint)),
                Err(problem) => problem,
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(error) => return Err(error),
        };
        let aside = aside::beside(&path, now_millis);
        std::fs::rename(&path, &aside)?;
        Ok(Found::Unusable(format!("{problem}; it is kept as {}", aside.display())))
    }

    /// Replaces it, synced, by what is written as a [`Checkpoint`].
    ///
    /// # Errors
    /// When the disk would not take it; the old one then still stands.
    pub fn save(&self, checkpoint: &impl Serialize) -> io::Result<()> {
        let temporary = self.directory.join(format!("{FILE}.new"));
        write(File::create(&temporary)?, checkpoint)?.sync_data()?;
        std::fs::rename(&temporary, self.directory.join(FILE))?;
        File::open(&self.directory)?.sync_all()
    }
}

/// Writes it piece by piece, so that many sources take no memory; the checksum of all comes into its first line at last.
fn write(file: File, checkpoint: &impl Serialize) -> io::Result<File> {
    let mut writer = Checked { inner: BufWriter::new(file), hasher: crc32fast::Hasher::new() };
    writer.inner.write_all(first_line(0).as_bytes())?;
    serde_json::to_writer(&mut writer, checkpoint)?;
    let checksum = writer.hasher.finalize();
    let mut file = writer.inner.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(first_line(checksum).as_bytes())?;
    Ok(file)
}

fn first_line(checksum: u32) -> String {
    format!("{MAGIC} {VERSION} {checksum:08x}\n")
}

/// Takes the checksum of what is written.
struct Checked {
    inner: BufWriter<File>,
    hasher: crc32fast::Hasher,
}

impl Write for Checked {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..length]);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn parse(bytes: &[u8]) -> Result<Checkpoint, String> {
    let damaged = || "it is damaged".to_owned();
    let line_end = bytes.iter().position(|byte| *byte == b'\n').ok_or_else(damaged)?;
    let (line, json) = (&bytes[..line_end], &bytes[line_end + 1..]);
    let line = std::str::from_utf8(line).map_err(|_| damaged())?;
    let mut words = line.split(' ');
    if words.next() != Some(MAGIC) {
        return Err(damaged());
    }
    let version: u32 = words.next().and_then(|word| word.parse().ok()).ok_or_else(damaged)?;
    if version > VERSION {
        return Err(format!("it has format version {version}, this program reads up to {VERSION}"));
    }
    let checksum = words.next().and_then(|word| u32::from_str_radix(word, 16).ok()).ok_or_else(damaged)?;
    if checksum != crc32fast::hash(json) {
        return Err(damaged());
    }
    serde_json::from_slice(json).map_err(|error| format!("it cannot be read: {error}"))
}

#[cfg(test)]
mod tests;
