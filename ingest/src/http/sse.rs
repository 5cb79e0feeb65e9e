//! Server-sent events as bytes. Pure.
//!
//! Messages have no `event:` line, so that the plainest reader gets them; every event carries the position that its reader
//! may go on from.

use std::fmt::Display;
use std::hash::{BuildHasher as _, RandomState};
use std::ops::Range;

use bytes::Bytes;
use serde::Serialize;

/// What a stream begins with: how long a browser waits before it reconnects, in milliseconds.
pub const RETRY: &[u8] = b"retry: 1000\n\n";

/// What a stream ends with that this server ends: when to come back. Each stream is told another moment, within four seconds,
/// so that the other replicas are not asked by everybody at once.
#[must_use]
pub fn last_words() -> Bytes {
    let moment = RandomState::new().hash_one(()) % 4_000;
    Bytes::from(format!("retry: {}\n\n", 1_000 + moment))
}

/// A message.
#[must_use]
pub fn message(id: impl Display, data: &str) -> Bytes {
    block(&format!("id: {id}\n"), data)
}

/// A message whose data is one line, as JSON is; also tells where the data is in it.
#[must_use]
pub fn message_in_one_line(id: impl Display, data: &[u8]) -> (Bytes, Range<usize>) {
    debug_assert!(!data.contains(&b'\n') && !data.contains(&b'\r'), "the data is one line");
    let head = format!("id: {id}\ndata: ");
    let place = head.len()..head.len() + data.len();
    (Bytes::from([head.as_bytes(), data, b"\n\n"].concat()), place)
}

/// An event with a name, and with a position where it has one.
///
/// # Panics
/// When the data cannot be JSON: a map with keys that are no texts.
#[must_use]
pub fn named(name: &str, id: Option<&dyn Display>, data: &impl Serialize) -> Bytes {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    #[expect(clippy::expect_used, reason = "texts, numbers and maps with text keys always serialise")]
    let data = serde_json::to_string(data).expect("a document serialises");
    block(&format!("event: {name}\n{id}"), &data)
}

/// An event with a name whose data is a text of any shape.
#[must_use]
pub fn named_text(name: &str, data: &str) -> Bytes {
    block(&format!("event: {name}\n"), data)
}

/// Keeps proxies from closing a silent stream and moves the position of its reader. It is an event, because a browser tells a
/// script of nothing else: a script that hears none knows that the connection is broken. Its name keeps it from those who
/// listen to messages alone.
#[must_use]
pub fn heartbeat(id: impl Display) -> Bytes {
    Bytes::from(format!("event: heartbeat\nid: {id}\ndata: {{\"cursor\":\"{id}\"}}\n\n"))
}

/// The same of a stream without positions.
pub const HEARTBEAT: &[u8] = b"event: heartbeat\ndata: {}\n\n";

/// A line break of any sort would end the field: each line of the data is a field of its own.
fn block(head: &str, data: &str) -> Bytes {
    let mut block = String::with_capacity(head.len() + data.len() + 16);
    block.push_str(head);
    for line in data.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r')) {
        block.push_str("data: ");
        block.push_str(line);
        block.push('\n');
    }
    block.push('\n');
    Bytes::from(block)
}

#[cfg(test)]
mod tests;
