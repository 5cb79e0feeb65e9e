//! The ids that steps gave: of every record the spool holds, and of the last 16,384 or more that it freed.
//!
//! Each closed segment has a file of its ids, which outlives the segment; so they are known after a restart without
//! keeping what was sent. In memory they are sorted lists, 16 bytes an id.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};

use uuid::Uuid;

/// How many ids of freed records are known at least.
const REMEMBERED: usize = 16_384;

const MAGIC: &[u8] = b"acids 1\n";

/// The ids.
#[derive(Debug, Default)]
pub struct KnownIds {
    closed: VecDeque<Closed>,
    open: HashSet<Uuid>,
}

#[derive(Debug)]
struct Closed {
    /// Position of the segment's first byte.
    start: u64,
    /// Sorted.
    ids: Vec<Uuid>,
    freed: bool,
    /// Whether its file is on disk.
    written: bool,
}

impl KnownIds {
    /// Reads every file of ids. A damaged one is as good as none: its segment is read instead, where it is still there.
    pub fn load(directory: &Path) -> io::Result<Self> {
        let mut closed = Vec::new();
        for entry in std::fs::read_dir(directory)? {
            let path = entry?.path();
            let start = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
            if let (Some(start), Some("ids")) = (start, path.extension().and_then(|extension| extension.to_str()))
                && let Some(ids) = parse(&std::fs::read(&path)?)
            {
                closed.push(Closed { start, ids, freed: true, written: true });
            }
        }
        closed.sort_by_key(|closed| closed.start);
        Ok(Self { closed: closed.into(), open: HashSet::new() })
    }

    /// Whether the list of the segment at `start` is known; if so, that segment is still held.
    pub fn hold(&mut self, start: u64) -> bool {
        let found = self.closed.iter_mut().find(|closed| closed.start == start);
        found.is_some_and(|closed| {
            closed.freed = false;
            true
        })
    }

    /// Whether a record of this id was accepted.
    pub fn contains(&self, id: Uuid) -> bool {
        self.open.contains(&id) || self.closed.iter().any(|closed| closed.ids.binary_search(&id).is_ok())
    }

    /// Adds an id of the segment that is written to.
    pub fn insert(&mut self, id: Uuid) {
        self.open.insert(id);
    }

    /// The segment at `start` is closed: its ids are written beside it, now or when there is room.
    pub fn close(&mut self, directory: &Path, start: u64) {
        let mut ids: Vec<Uuid> = std::mem::take(&mut self.open).into_iter().collect();
        if ids.is_empty() {
            return;
        }
        ids.sort_unstable();
        self.closed.push_back(Closed { start, ids, freed: false, written: false });
        self.write_missing(directory);
    }

    /// The segment at `start` is gone. Lists that are no longer needed go with it.
    pub fn free(&mut self, directory: &Path, start: u64) {
        for closed in self.closed.iter_mut().filter(|closed| closed.start == start) {
            closed.freed = true;
        }
        // The segment's room may be what its own list was waiting for.
        self.write_missing(directory);
        let mut freed: usize = self.closed.iter().filter(|closed| closed.freed).map(|closed| closed.ids.len()).sum();
        while let Some(oldest) = self.closed.front()
            && oldest.freed
            && freed - oldest.ids.len() >= REMEMBERED
        {
            freed -= oldest.ids.len();
            // One that stays behind is read again by the next process, and does no harm.
            drop(std::fs::remove_file(path_of(directory, oldest.start)));
            self.closed.pop_front();
        }
    }

    fn write_missing(&mut self, directory: &Path) {
        for closed in self.closed.iter_mut().filter(|closed| !closed.written) {
            match write(&path_of(directory, closed.start), &closed.ids) {
                Ok(()) => closed.written = true,
                // Known in this process all the same, and the segment says them to the next one until it is freed.
                Err(error) => tracing::debug!(error = %error, "cannot write the ids of a spool segment"),
            }
        }
    }
}

fn path_of(directory: &Path, start: u64) -> PathBuf {
    directory.join(format!("{start:020}.ids"))
}

fn write(path: &Path, ids: &[Uuid]) -> io::Result<()> {
    let mut bytes = MAGIC.to_vec();
    for id in ids {
        bytes.extend_from_slice(id.as_bytes());
    }
    let checksum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    // A part of a list helps nobody, and takes room that the next try needs.
    std::fs::write(path, bytes).inspect_err(|_| drop(std::fs::remove_file(path)))
}

fn parse(bytes: &[u8]) -> Option<Vec<Uuid>> {
    let (body, checksum) = bytes.split_last_chunk()?;
    if crc32fast::hash(body) != u32::from_le_bytes(*checksum) {
        return None;
    }
    let (ids, rest) = body.strip_prefix(MAGIC)?.as_chunks::<16>();
    rest.is_empty().then(|| ids.iter().copied().map(Uuid::from_bytes).collect())
}
