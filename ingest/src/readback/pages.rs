//! The answers to one request: history in bounded pieces.
//!
//! A sidecar has a few MiB, and so all of the answers to one request together are bounded as well: what does not fit is told
//! as `more`.

use std::collections::VecDeque;

use bytes::Bytes;
use deadpool_postgres::Pool;
use serde_json::{Map, Value};

use super::request::Request;
use crate::api::event;
use crate::cursor::Cursor;
use crate::filter::Filter;
use crate::read::{ReadError, messages};
use crate::stored::StoredMessage;

/// Rows that are read at once: each may be as large as a message.
const PAGE: usize = 25;
/// Bytes of all answers to one request.
const TOTAL: usize = 1024 * 1024;
/// Bytes of an answer beside its messages.
const FRAME: usize = 256;
/// Bytes that are left of a text in a message that alone is longer than an answer: escaped they are six times as many.
const SHORTENED_TEXT: usize = 16 * 1024;
/// The same of every other text in it.
const SHORTENED_NAME: usize = 1024;

/// The answers to one request.
#[derive(Debug)]
pub struct Pages {
    /// Each `{"messages":[...],"as_of":"1.4711","more":false,"behind":false}`; at least one.
    pub answers: Vec<Bytes>,
    /// How many messages are in them.
    pub messages: u64,
}

impl Pages {
    /// Reads what was asked for, not beyond `up_to`, which is `behind` what was said already or not; no answer is longer than
    /// `limit` bytes.
    ///
    /// # Errors
    /// When PostgreSQL cannot answer.
    pub async fn read(pool: &Pool, request: Request, up_to: Cursor, behind: bool, limit: usize) -> Result<Self, ReadError> {
        let found = match request.after {
            Some(after) => ascending(pool, after, up_to, request.last, limit - FRAME).await?,
            None => newest(pool, up_to, request.last, limit - FRAME).await?,
        };
        let messages = u64::try_from(found.events.len()).unwrap_or(u64::MAX);
        Ok(Self { answers: pack(&found, behind, limit), messages })
    }
}

/// Messages as JSON, oldest first.
#[derive(Debug, Default)]
struct Found {
    events: VecDeque<Bytes>,
    bytes: usize,
    /// Everything at or below it was told, but for what `more` stands for.
    as_of: Cursor,
    /// Whether the bounds left something out: older messages, or newer ones behind `as_of` where a position was given.
    more: bool,
}

impl Found {
    /// Whether one more of this length is within what one request may tell.
    fn fits(&self, event: &Bytes) -> bool {
        self.events.is_empty() || self.bytes + event.len() <= TOTAL
    }
}

fn channel() -> Filter {
    Filter { general: true, ..Filter::default() }
}

async fn newest(pool: &Pool, up_to: Cursor, last: usize, limit: usize) -> Result<Found, ReadError> {
    let mut found = Found { as_of: up_to, ..Found::default() };
    let mut before = None;
    while found.events.len() < last {
        let page = messages::before(pool, &channel(), before, up_to, PAGE.min(last - found.events.len())).await?;
        before = page.messages.first().map(|first| first.cursor);
        for stored in page.messages.iter().rev() {
            let event = event_within(stored, limit);
            if !found.fits(&event) {
                found.more = true;
                return Ok(found);
            }
            found.bytes += event.len();
            found.events.push_front(event);
        }
        if !page.older {
            break;
        }
    }
    Ok(found)
}

async fn ascending(pool: &Pool, after: Cursor, up_to: Cursor, last: usize, limit: usize) -> Result<Found, ReadError> {
    let mut found = Found { as_of: after, ..Found::default() };
    while found.events.len() < last {
        let wanted = PAGE.min(last - found.events.len());
        let page = messages::after(pool, &channel(), found.as_of, up_to, wanted).await?;
        for stored in &page.messages {
            let event = event_within(stored, limit);
            if !found.fits(&event) {
                found.more = true;
                return Ok(found);
            }
            found.bytes += event.len();
            found.events.push_back(event);
            found.as_of = stored.cursor;
        }
        if !page.more {
            found.as_of = found.as_of.max(up_to);
            return Ok(found);
        }
    }
    found.more = true;
    Ok(found)
}

fn pack(found: &Found, behind: bool, limit: usize) -> Vec<Bytes> {
    let end = format!("],\"as_of\":\"{}\",\"more\":{},\"behind\":{behind}}}", found.as_of, found.more);
    let mut answers = Vec::new();
    let mut body = START.to_vec();
    for event in &found.events {
        if body.len() > START.len() {
            if body.len() + 1 + event.len() + end.len() > limit {
                body.extend_from_slice(end.as_bytes());
                answers.push(std::mem::replace(&mut body, START.to_vec()).into());
            } else {
                body.push(b',');
            }
        }
        body.extend_from_slice(event);
    }
    body.extend_from_slice(end.as_bytes());
    answers.push(body.into());
    answers
}

const START: &[u8] = b"{\"messages\":[";

/// A message as every other answer has it; one that is longer than this all the same is shortened until it fits.
fn event_within(stored: &StoredMessage, limit: usize) -> Bytes {
    let event = event::data(stored);
    if event.len() <= limit {
        return event;
    }
    // What was just rendered is an object.
    let mut object: Map<String, Value> = serde_json::from_slice(&event).unwrap_or_default();
    object.entry("content_bytes").or_insert_with(|| stored.message.content.as_deref().map_or(0, str::len).into());
    object.insert("truncated".to_owned(), true.into());
    for (name, value) in &mut object {
        match value {
            Value::String(text) => {
                let most = if name == "content" { SHORTENED_TEXT } else { SHORTENED_NAME };
                *text = event::start(text, most).to_owned();
            }
            Value::Object(members) if name == "tool" || name == "attrs" => shorten(members),
            _ => {}
        }
    }
    Value::Object(object).to_string().into()
}

/// Keeps the members that are short, in their order, as long as all of them together are.
fn shorten(members: &mut Map<String, Value>) {
    let mut left = SHORTENED_TEXT;
    members.retain(|name, value| {
        let length = name.len() + value.to_string().len();
        let kept = length <= left;
        left -= if kept { length } else { 0 };
        kept
    });
}

#[cfg(test)]
mod tests;
