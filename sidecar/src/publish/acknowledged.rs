//! What the stream has acknowledged in this process, by source, so that its loss can be told.
//!
//! A stream's sequence only grows. When it runs backwards, the stream is another than before: a server came back without its
//! store, or with an old one. What it had acknowledged is gone then, and the checkpoint stands behind it.
//!
//! Pure. A new stream that is already longer than the old one was cannot be told from it: a publisher may not ask.

use std::collections::BTreeMap;
use std::fmt;

use message::control::{self, Control};
use message::{Message, PodIdentity, Source, Timestamp};
use serde_json::{Map, Value};

use crate::ledger::SourceKey;
use crate::reader::{self, Outgoing};

/// Sources that a log line names; the gap records name all.
const MOST_NAMED: usize = 16;

/// The extents, by source.
#[derive(Debug, Default)]
pub struct Acknowledged {
    last_sequence: u64,
    extents: BTreeMap<SourceKey, Extent>,
    /// Losses that were told: what a source had before belongs to the last one.
    lost: u64,
}

/// The bytes of one source that were acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    /// Label and generation, with the first and the last byte.
    pub range: Source,
    /// Container, where there is one.
    pub container: Option<String>,
    /// Messages that were made of them in this process.
    pub messages: u64,
}

/// A stream that was lost.
#[derive(Debug, PartialEq, Eq)]
pub struct Loss {
    /// The last sequence that it had told.
    pub last_sequence: u64,
    /// The sequence that the one in its place told.
    pub sequence: u64,
    /// What it had.
    pub extents: Vec<Extent>,
}

impl Acknowledged {
    /// A message is stored. Gives what is lost, when this answer shows that something is.
    pub fn stored(&mut self, outgoing: &Outgoing, sequence: u64, duplicate: bool) -> Option<Loss> {
        let loss = (!duplicate && sequence <= self.last_sequence).then(|| self.lose(sequence));
        if !duplicate {
            self.last_sequence = sequence;
        }
        if let Some(key) = outgoing.source {
            let lost_before = self.lost > 0;
            let extent = self.extents.entry(key).or_insert_with(|| Extent::new(outgoing, lost_before));
            extent.range.start = extent.range.start.min(outgoing.start);
            extent.range.end = extent.range.end.max(outgoing.end);
            extent.messages += 1;
        }
        loss
    }

    /// How many streams were lost.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    fn lose(&mut self, sequence: u64) -> Loss {
        self.lost += 1;
        let extents = std::mem::take(&mut self.extents).into_values().collect();
        Loss { last_sequence: self.last_sequence, sequence, extents }
    }
}

impl Extent {
    /// From the start of the source: what an earlier process sent, the same stream had.
    fn new(outgoing: &Outgoing, lost_before: bool) -> Self {
        let start = if lost_before { outgoing.start } else { 0 };
        let range = Source { start, ..outgoing.range() };
        Self { range, container: outgoing.speaker.container.clone(), messages: 0 }
    }
}

impl Loss {
    /// A record for each source.
    pub fn gaps(&self, pod: &PodIdentity) -> impl Iterator<Item = Outgoing> {
        let at = reader::now();
        self.extents.iter().filter_map(move |extent| reader::outgoing(None, self.gap(pod, extent, at), false, None))
    }

    fn gap(&self, pod: &PodIdentity, extent: &Extent, at: Timestamp) -> Message {
        let Source { label, start, end, .. } = &extent.range;
        let attrs: [(&str, Value); 4] = [
            ("bytes", (end - start).into()),
            ("records", extent.messages.into()),
            ("start", (*start).into()),
            ("last_sequence", self.last_sequence.into()),
        ];
        let control = Control {
            source: Source { start: *end, ..extent.range.clone() },
            container: extent.container.clone(),
            content: format!("bytes {start} to {end} of `{label}` were acknowledged by a stream that has lost them"),
            attrs: attrs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>(),
            timestamp: at,
        };
        control::gap(pod, "stream_lost", self.last_sequence, control)
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, extent) in self.extents.iter().take(MOST_NAMED).enumerate() {
            let Source { label, generation, start, end, .. } = &extent.range;
            let separator = if index == 0 { "" } else { ", " };
            write!(formatter, "{separator}{label} {generation} {start}..{end}")?;
        }
        match self.extents.len().saturating_sub(MOST_NAMED) {
            0 => Ok(()),
            more => write!(formatter, " and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests;
