//! Events of Claude Code, `-p --output-format stream-json --verbose`, as its public documentation describes them.
//!
//! One line is a whole API message with several blocks, each of which becomes a message. Partial messages (`stream_event`)
//! are passed over, because the whole one follows.

use message::{Kind, Role};
use serde_json::{Map, Value};

use super::event::{
    Place, call, keep_rest, plan, result, take, take_list, take_object, take_text, text_of_blocks, unknown, usage, with_output,
};
use super::state::{ParserState, Program};
use crate::draft::Draft;

/// Whether an object of this type can be nobody else's.
pub(super) fn knows(kind: &str, object: &Map<String, Value>) -> bool {
    let has = |key: &str| object.contains_key(key);
    let names_session = has("session_id") || has("parent_tool_use_id");
    match kind {
        "system" => has("subtype") && has("session_id"),
        "assistant" | "user" => names_session && object.get("message").is_some_and(|message| message.get("content").is_some()),
        "stream_event" => names_session && has("event"),
        "result" => has("subtype") && has("is_error"),
        _ => false,
    }
}

/// Reads an event.
pub(super) fn read(state: &mut ParserState, mut event: Map<String, Value>, place: Place) -> Vec<Draft> {
    let kind = event.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let sub_agent_of = event.get("parent_tool_use_id").filter(|id| !id.is_null()).cloned();
    let mut drafts = match kind.as_str() {
        "stream_event" => Vec::new(),
        "assistant" | "user" => message(state, &kind, &event, place).unwrap_or_else(|| vec![unknown(&kind, event)]),
        "system" if event.get("subtype").is_some_and(|subtype| subtype == "init") => {
            state.start(Program::Claude);
            for key in ["type", "subtype"] {
                event.shift_remove(key);
            }
            vec![keep_rest(Draft::new(Kind::STATUS, "session started"), event)]
        }
        "system" => {
            let subtype = event.get("subtype").and_then(Value::as_str).filter(|subtype| !subtype.is_empty()).unwrap_or("system");
            vec![Draft::new(Kind::STATUS, subtype).with_attr("event", event.clone())]
        }
        "result" => vec![run_ended(event)],
        _ => vec![unknown(&kind, event)],
    };
    if let Some(parent) = sub_agent_of {
        for draft in &mut drafts {
            draft.attrs.entry("parent_tool_use_id").or_insert_with(|| parent.clone());
        }
    }
    drafts
}

/// The blocks of an API message. What the message says beside them (its id, model and usage) goes with the first.
fn message(state: &mut ParserState, kind: &str, event: &Map<String, Value>, place: Place) -> Option<Vec<Draft>> {
    let message = event.get("message")?.as_object()?;
    let role = Role::new(kind)?;
    let said = |text: &str| Draft { role: Some(role), ..Draft::new(Kind::MESSAGE, text) };
    let mut drafts = match message.get("content")? {
        Value::String(text) if !text.is_empty() => vec![said(text)],
        Value::Array(blocks) => blocks.iter().flat_map(|block| self::block(state, block, &said, place)).collect(),
        _ => return None,
    };
    let beside = message.iter().filter(|(key, value)| !matches!(key.as_str(), "content" | "role" | "type") && !value.is_null());
    let beside: Map<String, Value> = beside.map(|(key, value)| (key.clone(), value.clone())).collect();
    if let Some(first) = drafts.first_mut().filter(|_| !beside.is_empty()) {
        first.attrs.entry("api_message").or_insert(beside.into());
    }
    Some(drafts)
}

fn block(state: &mut ParserState, block: &Value, said: &impl Fn(&str) -> Draft, place: Place) -> Vec<Draft> {
    let Value::Object(whole) = block else {
        return vec![unknown("block", [("block".to_owned(), block.clone())].into_iter().collect())];
    };
    let mut block = whole.clone();
    let kind = take_text(&mut block, "type").unwrap_or_default();
    known_block(state, &kind, &mut block, said, place).unwrap_or_else(|| vec![unknown(&kind, whole.clone())])
}

fn known_block(
    state: &mut ParserState,
    kind: &str,
    block: &mut Map<String, Value>,
    said: &impl Fn(&str) -> Draft,
    place: Place,
) -> Option<Vec<Draft>> {
    let text = |text: String| Some(text).filter(|text| !text.is_empty());
    Some(match kind {
        "text" => vec![said(&text(take_text(block, "text")?)?)],
        "thinking" => vec![Draft::new(Kind::REASONING, text(take_text(block, "thinking")?)?)],
        "tool_use" => {
            let (id, name) = (take_text(block, "id")?, take_text(block, "name")?);
            let input = take(block, "input").unwrap_or_else(|| Map::new().into());
            let todos = input.get("todos").and_then(Value::as_array).filter(|_| name == "TodoWrite").map(|todos| plan(todos));
            let call = call(state, &id, &name, input, place.read_at, place);
            std::iter::once(call).chain(todos).collect()
        }
        "tool_result" => {
            let id = take_text(block, "tool_use_id")?;
            let failed = block.shift_remove("is_error").is_some_and(|is_error| is_error == true);
            let output = match take_list(block, "content") {
                Some(blocks) => Some(text_of_blocks(blocks)),
                None => take(block, "content"),
            };
            let status = if failed { "error" } else { "success" };
            let draft = with_output(result(state, &id, None, status, place.read_at, place), output);
            vec![keep_rest(draft, std::mem::take(block))]
        }
        _ => return None,
    })
}

fn run_ended(mut event: Map<String, Value>) -> Draft {
    let failed = event.get("is_error").is_some_and(|is_error| *is_error == true)
        || event.get("subtype").and_then(Value::as_str).is_some_and(|subtype| subtype.starts_with("error"));
    let draft = if failed {
        let reason = take_text(&mut event, "result").filter(|text| !text.is_empty());
        let reason = reason.or_else(|| event.get("subtype").and_then(Value::as_str).map(ToOwned::to_owned));
        Draft::new(Kind::ERROR, reason.unwrap_or_else(|| "run failed without a reason".to_owned()))
    } else {
        Draft::new(Kind::STATUS, "run completed")
    };
    let counts = take_object(&mut event, "usage");
    event.shift_remove("type");
    let draft = keep_rest(draft, event);
    match counts {
        Some(counts) => draft.with_attr("usage", usage(counts)),
        None => draft,
    }
}

#[cfg(test)]
mod tests;
