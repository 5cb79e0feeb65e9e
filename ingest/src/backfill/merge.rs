//! Several files into one order of time. Each keeps its own order: a message that says an earlier time than the one before it
//! comes right after that.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};

use anyhow::Context as _;
use message::{Message, Timestamp};
use uuid::Uuid;

use super::source::SourceFile;

/// Files that are read side by side.
#[derive(Debug)]
pub struct Merge {
    files: Vec<SourceFile>,
    next: Vec<Option<Message>>,
    /// The time and the number of each file that has a next message.
    order: BinaryHeap<Reverse<(Timestamp, usize)>>,
    ids: HashSet<Uuid>,
}

impl Merge {
    /// Reads the first message of each.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn new(files: Vec<SourceFile>, ids: HashSet<Uuid>) -> anyhow::Result<Self> {
        let next = files.iter().map(|_| None).collect();
        let mut merge = Self { files, next, order: BinaryHeap::new(), ids };
        for number in 0..merge.files.len() {
            merge.read(number, None)?;
        }
        Ok(merge)
    }

    /// The files, as far as they were read.
    #[must_use]
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// The next message that is not there, of whichever file.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn next(&mut self) -> anyhow::Result<Option<Message>> {
        let Some(Reverse((time, number))) = self.order.pop() else { return Ok(None) };
        let message = self.next[number].take();
        if let Some(message) = &message {
            // A step that says the same id twice is one message.
            self.ids.insert(message.id);
        }
        self.read(number, Some(time))?;
        Ok(message)
    }

    fn read(&mut self, number: usize, after: Option<Timestamp>) -> anyhow::Result<()> {
        let file = &mut self.files[number];
        let message = file.next_missing(&self.ids).with_context(|| format!("cannot read `{}`", file.path().display()))?;
        if let Some(message) = &message {
            let time = after.map_or(message.timestamp, |after| after.max(message.timestamp));
            self.order.push(Reverse((time, number)));
        }
        self.next[number] = message;
        Ok(())
    }
}
