//! Messages too large to publish into pieces, each a message of its own.
//!
//! Sizes are constants of schema version 1 and never the server's, because they decide what is a message, and so the ids.
//! What is split is the longest text of a draft: its content, the tool's output, or, where the rest alone is too large, the
//! JSON text of one other value. Joined in order, the pieces of a field are that field.

use message::Tool;
use serde_json::{Map, Value};

use crate::draft::Draft;

/// Largest JSON of a published message.
pub const MESSAGE_LIMIT: usize = 768 * 1024;

/// What the JSON of a message may need beside the draft: identity, source, id, names and times, with escapes.
const ENVELOPE_LIMIT: usize = 64 * 1024;

/// Largest JSON of the texts of one piece.
const PIECE_LIMIT: usize = MESSAGE_LIMIT - 2 * ENVELOPE_LIMIT;

/// Longest name that goes into every piece: tool, call.
const NAME_LIMIT: usize = 4 * 1024;

/// Where a text stood that was taken out to be split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Tool,
    Attrs,
}

/// Whether a draft is too large for one message.
pub(crate) fn is_too_large(draft: &Draft) -> bool {
    let content = draft.content.as_ref().map_or(0, String::len);
    // Most drafts are known to be small without a look at their characters: an escape has six bytes at most.
    let is_small = draft.tool.is_none() && draft.attrs.is_empty() && content <= (PIECE_LIMIT - ENVELOPE_LIMIT) / 6;
    !is_small && draft_size(draft) > PIECE_LIMIT
}

/// The pieces of a draft that is too large. Each piece has `attrs.split` {`index`, `count`,
/// `field`}; the first keeps everything that was not split.
pub(crate) fn split(mut draft: Draft) -> Vec<Draft> {
    let size = draft_size(&draft);
    let mut texts: Vec<(String, String)> = Vec::new();
    let mut left = size;
    while left > PIECE_LIMIT
        && let Some((field, text)) = take_longest(&mut draft)
    {
        texts.push((field, text));
        left = draft_size(&draft);
    }
    let room = PIECE_LIMIT - left.min(PIECE_LIMIT / 2);
    let pieces: Vec<(String, String)> =
        texts.iter().flat_map(|(field, text)| pieces_of(text, room).map(|piece| (field.clone(), piece.to_owned()))).collect();
    let count = pieces.len();
    let later =
        Draft { attrs: Map::new(), tool: draft.tool.as_ref().map(names_only), own_id: draft.own_id.clone(), ..draft.clone() };
    let drafts = pieces.into_iter().enumerate().map(|(index, (field, piece))| {
        let base = if index == 0 { &draft } else { &later };
        let mut draft = base.clone();
        match (field.as_str(), &mut draft.tool) {
            ("tool.output", Some(tool)) => _ = tool.0.insert("output".to_owned(), piece.into()),
            _ => draft.content = Some(piece),
        }
        let mut about = Map::new();
        about.insert("index".to_owned(), index.into());
        about.insert("count".to_owned(), count.into());
        about.insert("field".to_owned(), field.into());
        draft.with_attr("split", about)
    });
    drafts.collect()
}

/// Takes the longest text, or the longest other value as its JSON text, out of a draft.
fn take_longest(draft: &mut Draft) -> Option<(String, String)> {
    let content = draft.content.as_ref().map_or(0, |content| text_size(content));
    let longest =
        |map: &Map<String, Value>| map.iter().map(|(key, value)| (value_size(value), key.clone())).max_by_key(|(size, _)| *size);
    let in_tool = draft.tool.as_ref().and_then(|tool| longest(&tool.0)).map(|(size, key)| (size, Part::Tool, key));
    let in_attrs = longest(&draft.attrs).map(|(size, key)| (size, Part::Attrs, key));
    match in_tool.into_iter().chain(in_attrs).max_by_key(|(size, ..)| *size) {
        Some((size, part, key)) if size > content => {
            let (object, prefix) = match part {
                Part::Tool => (&mut draft.tool.as_mut()?.0, "tool"),
                Part::Attrs => (&mut draft.attrs, "attrs"),
            };
            // A key can itself be long: what names the field must not be.
            let field: String = format!("{prefix}.{key}").chars().take(200).collect();
            let value = object.shift_remove(&key)?;
            let text = if key.len() > 200 { Value::Object([(key, value)].into_iter().collect()) } else { value };
            Some((field, text_of(text)))
        }
        _ => draft.content.take().map(|content| ("content".to_owned(), content)),
    }
}

fn text_of(value: Value) -> String {
    match value {
        Value::String(text) => text,
        value => value.to_string(),
    }
}

/// What every piece of a tool's message carries, so that it is known as one.
fn names_only(tool: &Tool) -> Tool {
    let keys = ["call_id", "name"].into_iter();
    let short = keys.filter_map(|key| tool.0.get(key).filter(|value| value_size(value) <= NAME_LIMIT).map(|value| (key, value)));
    short.fold(Tool::default(), |names, (key, value)| names.with(key, value.clone()))
}

/// The text in pieces of at most this much JSON, cut between characters; one empty piece for an empty text.
fn pieces_of(text: &str, room: usize) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let current = rest.take()?;
        let mut size = 0;
        let cut = current.char_indices().find(|(_, character)| {
            size += escaped_size(*character);
            size > room
        });
        match cut {
            Some((index, _)) => {
                rest = Some(&current[index..]);
                Some(&current[..index])
            }
            None => Some(current),
        }
    })
}

fn draft_size(draft: &Draft) -> usize {
    let content = draft.content.as_ref().map_or(0, |content| text_size(content));
    content + draft.tool.as_ref().map_or(0, |tool| object_size(&tool.0)) + object_size(&draft.attrs)
}

/// Bytes of a value's JSON.
fn value_size(value: &Value) -> usize {
    match value {
        Value::String(text) => text_size(text),
        Value::Array(values) => 2 + values.iter().map(|value| value_size(value) + 1).sum::<usize>(),
        Value::Object(object) => object_size(object),
        Value::Number(number) => number.as_str().len(),
        Value::Null | Value::Bool(_) => 5,
    }
}

fn object_size(object: &Map<String, Value>) -> usize {
    2 + object.iter().map(|(key, value)| text_size(key) + value_size(value) + 2).sum::<usize>()
}

/// Bytes of a text's JSON.
fn text_size(text: &str) -> usize {
    let escapes: usize =
        text.bytes().filter(|byte| *byte < 0x20 || *byte == b'"' || *byte == b'\\').map(|byte| escape_size(byte) - 1).sum();
    2 + text.len() + escapes
}

fn escaped_size(character: char) -> usize {
    match u8::try_from(character) {
        Ok(byte) if byte < 0x20 || byte == b'"' || byte == b'\\' => escape_size(byte),
        _ => character.len_utf8(),
    }
}

/// Bytes of the escape of a control character, quote or backslash.
fn escape_size(byte: u8) -> usize {
    match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        _ => 6,
    }
}

#[cfg(test)]
mod tests;
