//! Frames that were made beforehand, one after the other in memory.

use std::path::Path;

use bytes::Bytes;
use memchr::memmem;

/// What is handed to a connection at once at most.
const MOST: usize = 64 * 1024;

/// Frames by their number.
#[derive(Default)]
pub struct Frames {
    all: Bytes,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Frames {
    /// Reads the messages of an event stream, and nothing else of it.
    pub fn load(path: &Path) -> std::io::Result<Self> {
        let stream = std::fs::read(path)?;
        let mut all = Vec::with_capacity(stream.len());
        let mut ends = Vec::new();
        let mut begin = 0;
        for end in memmem::find_iter(&stream, b"\n\n") {
            let block = &stream[begin..end + 2];
            begin = end + 2;
            if block.starts_with(b"id: ") && memmem::find(block, b"\ndata: ").is_some() {
                all.extend_from_slice(block);
                ends.push(all.len());
            }
        }
        Ok(Self { all: all.into(), ends })
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.ends.len()
    }

    /// Frames from one number on, at least one and not beyond another number; tells how far they go.
    pub fn slice(&self, from: usize, to: usize) -> (Bytes, usize) {
        let begin = if from == 0 { 0 } else { self.ends.get(from - 1).copied().unwrap_or(self.all.len()) };
        let within = self.ends.partition_point(|end| *end <= begin + MOST);
        let reached = within.clamp(from + 1, to.max(from + 1));
        let end = self.ends.get(reached - 1).copied().unwrap_or(self.all.len());
        (self.all.slice(begin..end), reached)
    }
}
