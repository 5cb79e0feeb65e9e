//! Lines of text that are one message, such as a stack trace, while more of them may come.
//!
//! Their bytes are held in the state, and so in the checkpoint: the place after any of the lines is a place to go on from.
//! What a group may hold is bounded; where that bound ends it, and where the next first line does, depends on the bytes
//! alone. Only the lapse of time and the end of the source do not.

use message::Timestamp;
use serde::{Deserialize, Serialize};

use super::Origin;
use crate::Line;
use crate::draft::Span;

/// Most bytes of a group. Part of schema version 1: another limit would give other ids.
pub(super) const BYTES_LIMIT: usize = 64 * 1024;

/// Most lines of a group. Part of schema version 1 as well.
const LINES_LIMIT: u32 = 1_000;

/// Groups that are held at once: the output of several commands can come through one source.
const OPEN_LIMIT: usize = 8;

/// The groups of a source, the oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Groups(Vec<Group>);

/// Lines that are one message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Group {
    /// Container that wrote it, where the source has lines of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    container: Option<String>,
    /// Stream that it was written to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stream: Option<String>,
    /// Where its first line begins.
    start: u64,
    /// Where its last line ends.
    end: u64,
    /// Its bytes, without the end of its last line.
    bytes: Bytes,
    /// Bytes of the end of its last line.
    line_end: u8,
    lines: u32,
    /// Lines that are the inside of a private key, counted from 0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    private_key: Vec<u32>,
    /// Times of reading of the first line and of the last one, in microseconds since 1970.
    first_read: i64,
    last_read: i64,
}

/// Bytes that are text in most cases, and are written as text then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
struct Bytes(Vec<u8>);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Bytes(Vec<u8>),
}

impl From<Written> for Bytes {
    fn from(written: Written) -> Self {
        match written {
            Written::Text(text) => Self(text.into_bytes()),
            Written::Bytes(bytes) => Self(bytes),
        }
    }
}

impl From<Bytes> for Written {
    fn from(bytes: Bytes) -> Self {
        String::from_utf8(bytes.0).map_or_else(|error| Self::Bytes(error.into_bytes()), Self::Text)
    }
}

impl Groups {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether lines of this origin are held.
    pub(super) fn has(&self, origin: Origin<'_>) -> bool {
        self.0.iter().any(|group| group.is_of(origin))
    }

    /// Adds a further line to the group of its origin. Not if there is none, or no room in it.
    pub(super) fn add(&mut self, line: &Line<'_>, is_private_key: bool, read_at: Timestamp, origin: Origin<'_>) -> bool {
        let Some(group) = self.0.iter_mut().find(|group| group.is_of(origin)) else { return false };
        let has_room = group.lines < LINES_LIMIT && group.bytes.0.len() + line.bytes.len() + 2 <= BYTES_LIMIT;
        if has_room {
            group.push(line, is_private_key, read_at);
        }
        has_room
    }

    /// Begins a group. Gives back the one that it ends: its origin's, or the oldest where there are too many.
    pub(super) fn begin(
        &mut self,
        line: &Line<'_>,
        is_private_key: bool,
        read_at: Timestamp,
        origin: Origin<'_>,
    ) -> Option<Group> {
        let ended = self.end(origin);
        let ended = ended.or_else(|| (self.0.len() >= OPEN_LIMIT).then(|| self.0.remove(0)));
        self.0.push(Group::new(line, is_private_key, read_at, origin));
        ended
    }

    /// Ends the group of an origin.
    pub(super) fn end(&mut self, origin: Origin<'_>) -> Option<Group> {
        let index = self.0.iter().position(|group| group.is_of(origin))?;
        Some(self.0.remove(index))
    }

    /// Ends all groups.
    pub(super) fn take(&mut self) -> Vec<Group> {
        std::mem::take(&mut self.0)
    }

    /// Since when the group that waits longest has had no further line.
    pub(super) fn held_since(&self) -> Option<Timestamp> {
        Timestamp::from_unix_micros(self.0.iter().map(|group| group.last_read).min()?)
    }
}

impl Group {
    fn new(line: &Line<'_>, is_private_key: bool, read_at: Timestamp, origin: Origin<'_>) -> Self {
        let (first_read, stream) = (read_at.unix_micros(), origin.stream().map(ToOwned::to_owned));
        let mut group = Self {
            container: origin.container().map(ToOwned::to_owned),
            stream,
            start: line.start,
            end: line.start,
            bytes: Bytes(Vec::new()),
            line_end: 0,
            lines: 0,
            private_key: Vec::new(),
            first_read,
            last_read: first_read,
        };
        group.push(line, is_private_key, read_at);
        group
    }

    fn is_of(&self, origin: Origin<'_>) -> bool {
        self.stream.as_deref() == origin.stream() && self.container.as_deref() == origin.container()
    }

    fn push(&mut self, line: &Line<'_>, is_private_key: bool, read_at: Timestamp) {
        let line_end: &[u8] = if self.lines == 0 || self.line_end == 0 {
            b""
        } else if self.line_end == 2 {
            b"\r\n"
        } else {
            b"\n"
        };
        self.bytes.0.extend_from_slice(line_end);
        self.bytes.0.extend_from_slice(line.bytes);
        self.line_end = match (line.end - line.start).saturating_sub(line.bytes.len() as u64) {
            0 => 0,
            2 => 2,
            // A frame around the line, not the line's end, where there are more.
            _ => 1,
        };
        if is_private_key {
            self.private_key.push(self.lines);
        }
        self.lines += 1;
        self.end = line.end;
        self.last_read = read_at.unix_micros();
    }

    /// When its first line was read.
    pub(super) fn first_read(&self) -> Option<Timestamp> {
        Timestamp::from_unix_micros(self.first_read)
    }

    /// Lines that are the inside of a private key, counted from 0.
    pub(super) fn private_key(&self) -> &[u32] {
        &self.private_key
    }

    /// Where its bytes stand.
    pub(super) fn into_span(self) -> Span {
        let Self { container, stream, start, end, bytes, .. } = self;
        Span { start, end, bytes: bytes.0, container, stream }
    }
}
