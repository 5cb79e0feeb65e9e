//! A message that was heard, as a line that a step reads. Pure.

use bytes::Bytes;
use message::{Received, id, wire};
use serde_json::{Map, Value};
use std::sync::Arc;
use time::OffsetDateTime;
use uuid::Uuid;

/// A message as a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its id; none when its publisher gave it none, and the stream's place for it is not known here.
    pub id: Option<Uuid>,
    /// The namespace that its id is unique in.
    pub namespace: Arc<str>,
    /// One JSON object and the end of the line.
    pub text: Bytes,
}

/// Reads what was heard. Nothing when it cannot be read: it is a dead letter, which nobody sees.
#[must_use]
pub fn of(subject: &str, payload: &[u8], heard_at: OffsetDateTime) -> Option<Line> {
    let decoded = message::decode(&Received { subject, payload, stored_at: heard_at, sequence: 0 }).ok()?;
    let message = decoded.message;
    let made_up = id::of_stored(subject, heard_at.unix_timestamp_nanos(), 0);
    let mut text = wire::to_json(&message);
    let id = (message.id != made_up).then_some(message.id);
    if id.is_none() {
        text = without_id(&text)?;
    }
    text.push(b'\n');
    Some(Line { id, namespace: message.run.namespace.into(), text: text.into() })
}

fn without_id(json: &[u8]) -> Option<Vec<u8>> {
    let mut object: Map<String, Value> = serde_json::from_slice(json).ok()?;
    object.shift_remove("id");
    serde_json::to_vec(&object).ok()
}

#[cfg(test)]
mod tests;
