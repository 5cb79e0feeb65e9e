//! A message as viewers get it, rendered once for all of them, when the first of them wants it: most of what is said, nobody
//! watches.

use std::collections::BTreeMap;
use std::mem::size_of;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use message::Message;
use serde_json::Value;

use super::page::View;
use super::tabs;
use crate::api::event;
use crate::cursor::Cursor;
use crate::http::sse;
use crate::pages::row::{self, Place};
use crate::stored::StoredMessage;

/// A message that is rendered when it is wanted.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The message. Longer text than lists show is shortened, see [`event::data`].
    pub stored: StoredMessage,
    /// Its position.
    pub cursor: Cursor,
    /// The server-sent event that carries its JSON, and where that is in it.
    event: OnceLock<(Bytes, Range<usize>)>,
    /// The events that carry its row, where they cannot be made from the shortened message.
    rows: Option<Box<[Bytes; 2]>>,
}

impl Frame {
    /// Of a message. A long one is rendered at once, because only its start is kept.
    #[must_use]
    pub fn of(mut stored: StoredMessage) -> Self {
        let event = OnceLock::new();
        let rows = event::is_long(&stored).then(|| {
            event.get_or_init(|| render(&stored));
            let rows = Box::new(Place::ALL.map(|place| row_event(&stored, place)));
            event::shorten(&mut stored);
            rows
        });
        Self { cursor: stored.cursor, event, rows, stored }
    }

    /// The server-sent event that carries its JSON.
    #[must_use]
    pub fn event(&self) -> &Bytes {
        &self.rendered().0
    }

    /// The event that carries it in a view.
    pub(super) fn event_in(self: &Arc<Self>, view: View, rows: &Rows) -> Bytes {
        match view {
            View::Json => self.event().clone(),
            View::Rows(place) => rows.of(self, place),
            View::Tabs(place) => tabs::event(&self.stored, &rows.of(self, place)),
        }
    }

    /// Its JSON, see [`event::data`].
    #[must_use]
    pub fn json(&self) -> Bytes {
        let (event, data) = self.rendered();
        event.slice(data.clone())
    }

    /// The memory that it takes at most, in bytes, its event included whether it is rendered yet or not.
    #[must_use]
    pub fn weight(&self) -> usize {
        let rows = self.rows.iter().flat_map(|rows| rows.iter()).map(Bytes::len).sum::<usize>();
        let message = &self.stored.message;
        let event = self.event.get().map_or_else(|| EVENT + texts(message, escaped), |(event, _)| event.len());
        size_of::<Self>() + event + rows + self.stored.subject.len() + texts(message, str::len)
    }

    fn rendered(&self) -> &(Bytes, Range<usize>) {
        self.event.get_or_init(|| render(&self.stored))
    }
}

impl PartialEq for Frame {
    /// Whether they are of the same message; what is rendered follows from it.
    fn eq(&self, other: &Self) -> bool {
        (&self.stored, &self.rows) == (&other.stored, &other.rows)
    }
}

fn render(stored: &StoredMessage) -> (Bytes, Range<usize>) {
    sse::message_in_one_line(stored.cursor, &event::data(stored))
}

/// What an event has beside its texts and objects: every key, times, id, positions and numbers.
const EVENT: usize = 1024;

/// How long a text is in JSON at most: a byte that cannot stand there as it is takes six.
fn escaped(text: &str) -> usize {
    let escapes = text.bytes().map(|byte| usize::from(byte < 0x20 || byte == b'"' || byte == b'\\')).sum::<usize>();
    text.len() + 5 * escapes
}

/// Rows of the newest messages, rendered once for everybody who watches rows. Bounded, because most frames are never
/// watched as rows: what the ring holds does not count them.
#[derive(Debug, Default)]
pub(super) struct Rows(Mutex<Rendered>);

#[derive(Debug, Default)]
struct Rendered {
    bytes: usize,
    rows: BTreeMap<(Cursor, Place), Bytes>,
}

impl Rows {
    /// Some thousand rows of common messages, many more than viewers of one moment are apart.
    const MOST_BYTES: usize = 8 << 20;

    /// The event that carries the row of a frame.
    pub(super) fn of(&self, frame: &Arc<Frame>, place: Place) -> Bytes {
        if let Some(rows) = &frame.rows {
            return rows[place as usize].clone();
        }
        // Held while a row is rendered: who waits mostly waits for this very row.
        let mut rendered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(row) = rendered.rows.get(&(frame.cursor, place)) {
            return row.clone();
        }
        let row = row_event(&frame.stored, place);
        rendered.bytes += row.len();
        rendered.rows.insert((frame.cursor, place), row.clone());
        while rendered.bytes > Self::MOST_BYTES {
            // The oldest message first: nobody follows it any more.
            let Some((_, oldest)) = rendered.rows.pop_first() else { break };
            rendered.bytes -= oldest.len();
        }
        row
    }
}

fn row_event(stored: &StoredMessage, place: Place) -> Bytes {
    sse::message(stored.cursor, &row::render(stored, place).into_string())
}

/// The bytes that the parts of a message take on the heap; `length` is what a text takes.
fn texts(message: &Message, length: fn(&str) -> usize) -> usize {
    let run = &message.run;
    let required = [&run.namespace, &run.name, &run.uid, &message.agent_id];
    let optional = [
        &message.run_id,
        &message.step_id,
        &message.pod,
        &message.container,
        &message.stage,
        &message.channel,
        &message.content,
        &message.runtime,
    ];
    let source = message.source.as_ref().map_or(0, |source| length(&source.pod_uid) + length(&source.label));
    required.into_iter().map(|text| length(text)).sum::<usize>()
        + optional.into_iter().flatten().map(|text| length(text)).sum::<usize>()
        + source
        + message.tool.as_ref().map_or(0, |tool| object(&tool.0, length))
        + object(&message.attrs, length)
}

fn object(object: &serde_json::Map<String, Value>, length: fn(&str) -> usize) -> usize {
    object.iter().map(|(key, value)| size_of::<String>() + length(key) + size_of::<Value>() + inside(value, length)).sum()
}

fn inside(value: &Value, length: fn(&str) -> usize) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 0,
        // Kept as it is written.
        Value::Number(number) => number.as_str().len(),
        Value::String(text) => length(text),
        Value::Array(items) => items.iter().map(|item| size_of::<Value>() + inside(item, length)).sum(),
        Value::Object(inner) => object(inner, length),
    }
}

#[cfg(test)]
mod tests;
