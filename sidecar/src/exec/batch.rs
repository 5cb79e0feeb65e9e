//! What a wrapped command wrote and how it ended, as text: one event a line, in the order of the events. Pure functions.
//!
//! ```text
//! > {"session":"..."}                  the command starts
//! 1 text                               a line of standard output
//! 2 text                               a line of standard error
//! 3 text                               a line of either, where both go to one file
//! 1+text                               the first part of a line that is longer than a record may be
//! - {"reason":"...","stream":"...",..} something that was not captured, at this place
//! = {"session":"...","exit_code":0,..} the command ended
//! ```
//! A batch is accepted whole or not at all.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Reason of what did not fit into the buffer while the sidecar was slow, full or gone.
pub const OVERFLOW: &str = "output_overflow";
/// Reason of what the sidecar would not take.
pub const REFUSED: &str = "output_refused";
/// Reason of what was not captured because it went to a terminal.
pub const TERMINAL: &str = "output_terminal";

/// Where a line was written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Stream {
    /// Standard output.
    #[serde(rename = "stdout")]
    Out,
    /// Standard error.
    #[serde(rename = "stderr")]
    Err,
    /// Both, which go to one file.
    #[serde(rename = "combined")]
    Both,
}

impl Stream {
    /// The name that messages carry.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Out => "stdout",
            Self::Err => "stderr",
            Self::Both => "combined",
        }
    }

    fn mark(self) -> u8 {
        match self {
            Self::Out => b'1',
            Self::Err => b'2',
            Self::Both => b'3',
        }
    }

    fn of_mark(mark: u8) -> Option<Self> {
        match mark {
            b'1' => Some(Self::Out),
            b'2' => Some(Self::Err),
            b'3' => Some(Self::Both),
            _ => None,
        }
    }
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<'a> {
    /// The command starts.
    Started(Started),
    /// It wrote a line.
    Line {
        /// Where to.
        stream: Stream,
        /// The line without its end.
        bytes: &'a [u8],
        /// Whether it goes on in the next line, because it is longer than the limit.
        cut: bool,
    },
    /// Something was not captured.
    Missed(Missed),
    /// It ended.
    Ended(Ended),
}

/// The command starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// Tells one run of a command from another.
    pub session: Uuid,
}

/// Something was not captured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missed {
    /// A stable word.
    pub reason: String,
    /// Where it was written to.
    pub stream: Stream,
    /// Its bytes, line ends not counted.
    pub bytes: u64,
    /// Its lines.
    pub records: u64,
}

/// The command ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Which run.
    pub session: Uuid,
    /// As a shell tells it: 128 + n when signal n ended it.
    pub exit_code: i32,
    /// Bytes that were not captured in all.
    #[serde(default)]
    pub missed_bytes: u64,
    /// Lines that were not captured in all.
    #[serde(default)]
    pub missed_records: u64,
}

/// Bytes that a line takes beside its own.
pub const LINE_OVERHEAD: usize = 3;

/// Appends a line of output, which holds no line feed.
pub fn push_line(buffer: &mut Vec<u8>, stream: Stream, bytes: &[u8], cut: bool) {
    buffer.extend_from_slice(&[stream.mark(), if cut { b'+' } else { b' ' }]);
    buffer.extend_from_slice(bytes);
    buffer.push(b'\n');
}

/// Appends the start.
pub fn push_started(buffer: &mut Vec<u8>, started: &Started) {
    push_object(buffer, b'>', started);
}

/// Appends what was not captured.
pub fn push_missed(buffer: &mut Vec<u8>, missed: &Missed) {
    push_object(buffer, b'-', missed);
}

/// Appends the end.
pub fn push_ended(buffer: &mut Vec<u8>, ended: &Ended) {
    push_object(buffer, b'=', ended);
}

fn push_object(buffer: &mut Vec<u8>, mark: u8, value: &impl Serialize) {
    // Plain structures of numbers and words always have a JSON form.
    let json = serde_json::to_vec(value).unwrap_or_default();
    buffer.extend_from_slice(&[mark, b' ']);
    buffer.extend_from_slice(&json);
    buffer.push(b'\n');
}

/// The first event of `bytes` and the bytes it takes; nothing when they do not begin with one.
#[must_use]
pub fn first(bytes: &[u8]) -> Option<(Event<'_>, usize)> {
    let end = memchr::memchr(b'\n', bytes)?;
    let (&mark, rest) = bytes[..end].split_first()?;
    let (&sort, content) = rest.split_first()?;
    let event = match (mark, sort) {
        (b'>', b' ') => Event::Started(serde_json::from_slice(content).ok()?),
        (b'-', b' ') => Event::Missed(serde_json::from_slice(content).ok()?),
        (b'=', b' ') => Event::Ended(serde_json::from_slice(content).ok()?),
        (mark, b' ' | b'+') => Event::Line { stream: Stream::of_mark(mark)?, bytes: content, cut: sort == b'+' },
        _ => return None,
    };
    Some((event, end + 1))
}

/// Whether all of `bytes` are events, and how many; else the number, from 1, of the line that is none.
///
/// # Errors
/// The number of the first line that is no event.
pub fn check(mut bytes: &[u8]) -> Result<usize, usize> {
    let mut count = 0;
    while !bytes.is_empty() {
        let (_, length) = first(bytes).ok_or(count + 1)?;
        bytes = &bytes[length..];
        count += 1;
    }
    Ok(count)
}

#[cfg(test)]
mod tests;
