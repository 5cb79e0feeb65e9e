//! A message as viewers get it, rendered once for all of them.

use std::collections::BTreeMap;
use std::mem::size_of;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use message::Message;
use serde_json::Value;

use crate::api::event;
use crate::cursor::Cursor;
use crate::http::sse;
use crate::pages::row::{self, Place};
use crate::stored::StoredMessage;

/// A rendered message.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// The message. Longer text than lists show is shortened, see [`event::data`].
    pub stored: StoredMessage,
    /// Its position.
    pub cursor: Cursor,
    /// Its JSON, see [`event::data`]: a part of `event`.
    pub json: Bytes,
    /// The server-sent event that carries its JSON.
    pub event: Bytes,
    /// The events that carry its row, where they cannot be made from the shortened message.
    rows: Option<Box<[Bytes; 2]>>,
}

impl Frame {
    /// Renders a message.
    #[must_use]
    pub fn render(mut stored: StoredMessage) -> Self {
        let (event, data) = sse::message_in_one_line(stored.cursor, &event::data(&stored));
        let rows = event::is_long(&stored).then(|| {
            let rows = Box::new(Place::ALL.map(|place| row_event(&stored, place)));
            event::shorten(&mut stored);
            rows
        });
        Self { cursor: stored.cursor, json: event.slice(data), event, rows, stored }
    }

    /// The memory that it takes, in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        let rows = self.rows.iter().flat_map(|rows| rows.iter()).map(Bytes::len).sum::<usize>();
        size_of::<Self>() + self.event.len() + rows + self.stored.subject.len() + texts(&self.stored.message)
    }
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

/// The bytes that the parts of a message take on the heap.
fn texts(message: &Message) -> usize {
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
    let source = message.source.as_ref().map_or(0, |source| source.pod_uid.len() + source.label.len());
    required.into_iter().map(String::len).sum::<usize>()
        + optional.into_iter().flatten().map(String::len).sum::<usize>()
        + source
        + message.tool.as_ref().map_or(0, |tool| object(&tool.0))
        + object(&message.attrs)
}

fn object(object: &serde_json::Map<String, Value>) -> usize {
    object.iter().map(|(key, value)| size_of::<String>() + key.len() + size_of::<Value>() + inside(value)).sum()
}

fn inside(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 0,
        // Kept as it is written.
        Value::Number(number) => number.as_str().len(),
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(|item| size_of::<Value>() + inside(item)).sum(),
        Value::Object(inner) => object(inner),
    }
}

#[cfg(test)]
mod tests;
