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
                closed.push(Closed { start, ids, freed: true });
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

    /// The segment at `start` is closed: its ids are written beside it.
    pub fn close(&mut self, directory: &Path, start: u64) -> io::Result<()> {
        let mut ids: Vec<Uuid> = std::mem::take(&mut self.open).into_iter().collect();
        if ids.is_empty() {
            return Ok(());
        }
        ids.sort_unstable();
        let written = write(&path_of(directory, start), &ids);
        // Known in this process even where the disk would not take them.
        self.closed.push_back(Closed { start, ids, freed: false });
        written
    }

    /// The segment at `start` is gone. Lists that are no longer needed go with it.
    pub fn free(&mut self, directory: &Path, start: u64) -> io::Result<()> {
        for closed in self.closed.iter_mut().filter(|closed| closed.start == start) {
            closed.freed = true;
        }
        let mut freed: usize = self.closed.iter().filter(|closed| closed.freed).map(|closed| closed.ids.len()).sum();
        while let Some(oldest) = self.closed.front()
            && oldest.freed
            && freed - oldest.ids.len() >= REMEMBERED
        {
            freed -= oldest.ids.len();
            std::fs::remove_file(path_of(directory, oldest.start))?;
            self.closed.pop_front();
        }
        Ok(())
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
    std::fs::write(path, bytes)
}

fn parse(bytes: &[u8]) -> Option<Vec<Uuid>> {
    let (body, checksum) = bytes.split_last_chunk()?;
    if crc32fast::hash(body) != u32::from_le_bytes(*checksum) {
        return None;
    }
    let (ids, rest) = body.strip_prefix(MAGIC)?.as_chunks::<16>();
    rest.is_empty().then(|| ids.iter().copied().map(Uuid::from_bytes).collect())
}
