//! A line into what it says. Each line is looked at by itself, since logs mix formats: an event of a known agent program,
//! else a JSON object in our schema, else plain text.
//!
//! A step may choose its agent, role, kind, stage, channel, content, tool, attributes, timestamp and id. What it claims
//! about its run or its source is left out here, and nothing further on can bring it back.

mod claude;
mod codex;
mod event;
mod gemini;
mod json;
mod runner;
pub mod state;
mod text;

use message::Timestamp;
use serde_json::Value;

use crate::Line;
use crate::draft::Draft;
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

/// Reads one line.
pub(crate) fn parse(state: &mut ParserState, line: &Line<'_>, read_at: Timestamp, origin: Origin<'_>) -> (Vec<Draft>, Notes) {
    let decoded = String::from_utf8_lossy(line.bytes);
    let mut notes = Notes { invalid_utf8: matches!(decoded, std::borrow::Cow::Owned(_)), ..Notes::default() };
    let trimmed = decoded.trim();
    if trimmed.is_empty() {
        return (Vec::new(), Notes { blank: true, ..notes });
    }
    let place = event::Place { offset: line.start, read_at };
    let mut drafts = match object_of(trimmed) {
        Ok(Some(object)) => match event::read(state, &object, place) {
            Some(drafts) => drafts,
            None => vec![json::read(object, trimmed, origin)],
        },
        Ok(None) => text_of(state, &decoded, origin, &mut notes),
        Err(reason) => {
            let drafts = text_of(state, &decoded, origin, &mut notes);
            drafts.into_iter().map(|draft| draft.with_attr("parse_error", reason.as_str())).collect()
        }
    };
    for draft in &mut drafts {
        notes.parse_error |= draft.attrs.contains_key("parse_error");
        if notes.invalid_utf8 {
            draft.attrs.insert("invalid_utf8".to_owned(), true.into());
        }
        if line.cut {
            draft.attrs.insert("cut".to_owned(), true.into());
        }
        if let Origin::Output { stream, .. } = origin {
            draft.attrs.insert("stream".to_owned(), stream.into());
        }
    }
    (drafts, notes)
}

fn text_of(state: &mut ParserState, line: &str, origin: Origin<'_>, notes: &mut Notes) -> Vec<Draft> {
    let mut draft = text::read(line, origin);
    notes.blank = draft.is_none();
    if let Some(draft) = &mut draft {
        draft.is_private_key = state.is_private_key(line);
    }
    draft.into_iter().collect()
}

/// What is still held when nothing more will come.
pub(crate) fn finish(state: &mut ParserState) -> Vec<Draft> {
    state.flush().into_iter().collect()
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
