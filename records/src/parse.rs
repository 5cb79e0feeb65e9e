//! A line into what it says. Each line is looked at by itself, since logs mix formats: an event of a known agent program,
//! else a JSON object in our schema, else plain text.
//!
//! A step may choose its agent, role, kind, stage, channel, content, tool, attributes, timestamp and id. What it claims
//! about its run or its source is left out here, and nothing further on can bring it back.

mod claude;
mod codex;
mod event;
mod gemini;
mod group;
mod json;
mod runner;
pub mod state;
mod text;

use std::borrow::Cow;
use std::sync::Arc;

use message::Timestamp;
use serde_json::Value;

use crate::draft::Draft;
use crate::rules::{Format, Grouping, Rules};
use crate::{Line, redact};
pub use state::ParserState;

/// Deepest nesting of JSON that is kept as JSON. Readers stop at 128 levels, and an object may gain a few on its way.
const DEPTH_LIMIT: usize = 100;

/// How a line reached us; it decides what plain text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin<'a> {
    /// From a file: plain text is of kind `log`.
    File,
    /// From the socket, where a step speaks on purpose: plain text is of kind `message`.
    Socket {
        /// Container that owns the socket; it goes before the source's, since all sockets share one spool.
        container: Option<&'a str>,
    },
    /// What a wrapped command wrote: plain text is of kind `log`.
    Output {
        /// Container it ran in.
        container: Option<&'a str>,
        /// `stdout` or `stderr`, kept in `attrs.stream`.
        stream: &'a str,
    },
}

impl Origin<'_> {
    pub(crate) fn container(&self) -> Option<&str> {
        match self {
            Self::File => None,
            Self::Socket { container } | Self::Output { container, .. } => *container,
        }
    }

    fn stream(&self) -> Option<&str> {
        match self {
            Self::File | Self::Socket { .. } => None,
            Self::Output { stream, .. } => Some(stream),
        }
    }
}

/// What parsing a line told beside the messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Notes {
    /// The line is blank: it means nothing.
    pub(crate) blank: bool,
    /// Something in it could not be read as meant.
    pub(crate) parse_error: bool,
    /// Bytes that are no UTF-8 were replaced.
    pub(crate) invalid_utf8: bool,
}

/// A line with what is known of it beside its bytes.
#[derive(Clone, Copy)]
struct Arrival<'a> {
    line: &'a Line<'a>,
    read_at: Timestamp,
    origin: Origin<'a>,
}

/// Reads one line. The state is copied only where it changes and somebody else holds it.
pub(crate) fn parse(
    state: &mut Arc<ParserState>,
    rules: &Rules,
    line: &Line<'_>,
    read_at: Timestamp,
    origin: Origin<'_>,
) -> (Vec<Draft>, Notes) {
    let decoded = decode(line.bytes);
    let mut notes = Notes { invalid_utf8: matches!(decoded, Cow::Owned(_)), ..Notes::default() };
    let trimmed = decoded.trim();
    let object = if rules.format == Format::Text { Ok(None) } else { object_of(trimmed) };
    let arrival = Arrival { line, read_at, origin };
    let mut drafts = match object {
        Ok(Some(object)) => {
            let mut drafts = end_group(state, rules, origin);
            let made = match event::read(state, object, event::Place { offset: line.start, read_at }, rules.format) {
                Ok(made) => made,
                Err(object) => vec![json::read(object, trimmed, origin)],
            };
            let made = made.into_iter().map(|draft| arrival.marked(draft, notes.invalid_utf8));
            drafts.extend(made);
            drafts
        }
        Ok(None) => match rules.grouping.as_ref().filter(|_| !matches!(origin, Origin::Socket { .. })) {
            Some(grouping) => grouped(state, rules, grouping, &decoded, arrival, &mut notes),
            None => text_of(state, rules, &decoded, arrival, &mut notes).into_iter().collect(),
        },
        Err(reason) => {
            let mut drafts = end_group(state, rules, origin);
            let draft = text_of(state, rules, &decoded, arrival, &mut notes);
            drafts.extend(draft.map(|draft| draft.with_attr("parse_error", reason)));
            drafts
        }
    };
    for draft in &mut drafts {
        notes.parse_error |= draft.attrs.contains_key("parse_error");
    }
    (drafts, notes)
}

/// The text of bytes, with a mark in the place of each that is no text. Most bytes are text, and that is fast to see.
fn decode(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

impl Arrival<'_> {
    /// Marks a draft with what is known of its line.
    fn marked(self, mut draft: Draft, invalid_utf8: bool) -> Draft {
        if invalid_utf8 {
            draft.attrs.insert("invalid_utf8".to_owned(), true.into());
        }
        if self.line.cut {
            draft.attrs.insert("cut".to_owned(), true.into());
        }
        if let Some(stream) = self.origin.stream() {
            draft.attrs.insert("stream".to_owned(), stream.into());
        }
        draft
    }
}

/// A line of text by itself; nothing when it is blank.
fn text_of(state: &mut Arc<ParserState>, rules: &Rules, line: &str, arrival: Arrival<'_>, notes: &mut Notes) -> Option<Draft> {
    let draft = text::read(line, arrival.origin);
    notes.blank = draft.is_none();
    let mut draft = draft?;
    if ParserState::is_private_key(state, line) {
        draft.content = Some(redact::mark(redact::PRIVATE_KEY));
        draft.private_key_lines = 1;
    } else {
        rules.read(&mut draft);
    }
    Some(arrival.marked(draft, notes.invalid_utf8))
}

/// A line of text that may belong to the lines before it; gives the message that it ends.
fn grouped(
    state: &mut Arc<ParserState>,
    rules: &Rules,
    grouping: &Grouping,
    line: &str,
    arrival: Arrival<'_>,
    notes: &mut Notes,
) -> Vec<Draft> {
    let Arrival { line: whole, read_at, origin } = arrival;
    let text = text::clean_line(line);
    let is_blank = text.trim().is_empty();
    if is_blank && !state.groups.has(origin) {
        notes.blank = true;
        return Vec::new();
    }
    let is_private_key = ParserState::is_private_key(state, line);
    if grouping.continues(&text) && Arc::make_mut(state).groups.add(whole, is_private_key, read_at, origin) {
        return Vec::new();
    }
    if is_blank {
        notes.blank = true;
        return end_group(state, rules, origin);
    }
    if whole.bytes.len() > group::BYTES_LIMIT {
        let mut drafts = end_group(state, rules, origin);
        drafts.extend(text_of(state, rules, line, arrival, notes));
        return drafts;
    }
    let ended = Arc::make_mut(state).groups.begin(whole, is_private_key, read_at, origin);
    ended.map(|group| text::of_group(group, rules)).into_iter().collect()
}

fn end_group(state: &mut Arc<ParserState>, rules: &Rules, origin: Origin<'_>) -> Vec<Draft> {
    if state.groups.is_empty() {
        return Vec::new();
    }
    let ended = Arc::make_mut(state).groups.end(origin);
    ended.map(|group| text::of_group(group, rules)).into_iter().collect()
}

/// What is still held when nothing more will come, or nothing more came for long.
pub(crate) fn finish(state: &mut Arc<ParserState>, rules: &Rules) -> Vec<Draft> {
    let state = Arc::make_mut(state);
    let groups = state.groups.take().into_iter().map(|group| text::of_group(group, rules));
    let mut drafts: Vec<Draft> = groups.collect();
    drafts.extend(state.flush());
    drafts
}

/// The object that a line is: nothing when it is plain text, the reason when it looks like an object but is none.
fn object_of(trimmed: &str) -> Result<Option<serde_json::Map<String, Value>>, String> {
    let Some(inside) = trimmed.strip_prefix('{') else {
        return Ok(None);
    };
    match serde_json::from_str::<Value>(trimmed) {
        Ok(value) if depth(&value) > DEPTH_LIMIT => Err(format!("nested deeper than {DEPTH_LIMIT} levels")),
        Ok(Value::Object(object)) => Ok(Some(object)),
        // A lone brace, or text such as `{name} is here`, does not pretend to be JSON.
        Err(error) if inside.trim_start().starts_with('"') => Err(format!("no JSON: {error}")),
        Ok(_) | Err(_) => Ok(None),
    }
}

/// Levels of arrays and objects; the parser's own limit bounds the recursion.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(values) => 1 + values.iter().map(depth).max().unwrap_or(0),
        Value::Object(object) => 1 + object.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
