//! Events of `codex exec --json`.
//!
//! They have no times: arrival is the only clock. Item ids count from 0 in each process, so a new thread closes what the
//! one before left open. A search's object has the key `id` twice; both its events agree on the last one, which is kept.
//! `turn.completed` counts tokens since the thread began.

use message::Kind;
use serde_json::{Map, Value};

use super::event::{
    Place, call, keep_rest, plan, result, take, take_list, take_object, take_text, text_of_blocks, unknown, usage, with_output,
};
use super::state::{ParserState, Program};
use crate::draft::Draft;

/// Whether an object of this type can be nobody else's.
pub(super) fn knows(kind: &str, object: &Map<String, Value>) -> bool {
    match kind {
        "thread.started" => object.contains_key("thread_id"),
        _ if kind.starts_with("item.") => object.get("item").is_some_and(Value::is_object),
        _ => kind.starts_with("turn.") || kind.starts_with("thread."),
    }
}

/// Reads an event.
pub(super) fn read(state: &mut ParserState, mut event: Map<String, Value>, place: Place) -> Vec<Draft> {
    let kind = event.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let draft = match kind.as_str() {
        "thread.started" => {
            state.start(Program::Codex);
            Draft::new(Kind::STATUS, "thread started")
        }
        "turn.started" => Draft::new(Kind::STATUS, "turn started"),
        "turn.completed" => {
            let counts = take_object(&mut event, "usage").unwrap_or_default();
            Draft::new(Kind::STATUS, "turn completed").with_attr("usage", usage(counts))
        }
        "turn.failed" => {
            let mut error = take_object(&mut event, "error").unwrap_or_default();
            let text = take_text(&mut error, "message").unwrap_or_else(|| "turn failed".to_owned());
            keep_rest(Draft::new(Kind::ERROR, text), error)
        }
        // Not the end: the same text comes with every attempt to connect again, and in `turn.failed` once more.
        "error" => match take_text(&mut event, "message") {
            Some(text) => Draft::new(Kind::STATUS, text).with_attr("level", "warning"),
            None => return vec![unknown(&kind, event)],
        },
        "item.started" | "item.updated" | "item.completed" => match item(state, &kind, &mut event, place) {
            Some(draft) => draft,
            None => return vec![unknown(&name_of(&kind, &event), event)],
        },
        _ => return vec![unknown(&kind, event)],
    };
    event.shift_remove("type");
    vec![keep_rest(draft, event)]
}

fn name_of(kind: &str, event: &Map<String, Value>) -> String {
    match event.get("item").and_then(|item| item["type"].as_str()) {
        Some(item) => format!("{kind} {item}"),
        None => kind.to_owned(),
    }
}

/// Reads an item; nothing, and the event as it was, for a type or phase that is not known.
fn item(state: &mut ParserState, kind: &str, event: &mut Map<String, Value>, place: Place) -> Option<Draft> {
    let (is_start, is_end) = (kind == "item.started", kind == "item.completed");
    let mut item = event.get("item")?.as_object()?.clone();
    let item_type = take_text(&mut item, "type")?;
    let id = take_text(&mut item, "id").unwrap_or_default();
    let draft = match item_type.as_str() {
        "agent_message" if is_end => Draft::new(Kind::MESSAGE, take_text(&mut item, "text")?),
        "reasoning" if is_end => Draft::new(Kind::REASONING, take_text(&mut item, "text")?),
        "error" if is_end => Draft::new(Kind::STATUS, take_text(&mut item, "message")?).with_attr("level", "warning"),
        "todo_list" => plan(&take_list(&mut item, "items")?),
        _ if is_start || is_end => {
            let (name, arguments) = call_of(&item_type, &mut item)?;
            if is_start {
                began(&mut item);
                call(state, &id, &name, arguments.into(), place.read_at, place)
            } else {
                ended(state, &id, &name, arguments, &mut item, place)
            }
        }
        _ => return None,
    };
    if draft.content.is_none() && draft.tool.is_none() {
        return None;
    }
    event.shift_remove("item");
    Some(keep_rest(draft, item))
}

/// Name and arguments of a call; nothing for an item that is none.
fn call_of(item_type: &str, item: &mut Map<String, Value>) -> Option<(String, Map<String, Value>)> {
    let mut arguments = Map::new();
    let mut keep = |item: &mut Map<String, Value>, keys: &[&str]| {
        for key in keys {
            if let Some(value) = take(item, key) {
                arguments.insert((*key).to_owned(), value);
            }
        }
    };
    let name = match item_type {
        "command_execution" => {
            keep(item, &["command"]);
            "shell".to_owned()
        }
        "file_change" => {
            keep(item, &["changes"]);
            item_type.to_owned()
        }
        "web_search" => {
            keep(item, &["query", "action"]);
            item_type.to_owned()
        }
        "mcp_tool_call" => {
            let name = format!("{}/{}", take_text(item, "server")?, take_text(item, "tool")?);
            return match take(item, "arguments") {
                Some(Value::Object(arguments)) => Some((name, arguments)),
                Some(other) => Some((name, [("arguments".to_owned(), other)].into_iter().collect())),
                None => Some((name, Map::new())),
            };
        }
        "collab_tool_call" => {
            keep(item, &["prompt", "receiver_thread_ids"]);
            take_text(item, "tool")?
        }
        _ => return None,
    };
    Some((name, arguments))
}

/// Takes away what an item says only after its end.
fn began(item: &mut Map<String, Value>) {
    if item.get("aggregated_output").is_some_and(|output| output == "") {
        item.shift_remove("aggregated_output");
    }
    if item.get("status").is_some_and(|status| status == "in_progress") {
        item.shift_remove("status");
    }
    for key in ["agents_states", "result", "error", "exit_code"] {
        if item.get(key).is_some_and(|value| value.is_null() || value.as_object().is_some_and(Map::is_empty)) {
            item.shift_remove(key);
        }
    }
}

fn ended(
    state: &mut ParserState,
    id: &str,
    name: &str,
    arguments: Map<String, Value>,
    item: &mut Map<String, Value>,
    place: Place,
) -> Draft {
    let call_is_known = state.call_id(id).is_some();
    let status = take_text(item, "status").unwrap_or_else(|| "completed".to_owned());
    let mut draft = result(state, id, Some(name), &status, place.read_at, place);
    // A search says what it looked for only at its end; a call that was not seen is told by its result.
    if (!call_is_known || name == "web_search")
        && let Some(tool) = &mut draft.tool
    {
        tool.0.insert("arguments".to_owned(), arguments.into());
    }
    let mut output = take(item, "aggregated_output").or_else(|| take(item, "agents_states"));
    if let Some(mut answer) = take_object(item, "result") {
        output = take_list(&mut answer, "content").map(text_of_blocks);
        draft = keep_rest(draft, answer);
    }
    if let Some(mut error) = take_object(item, "error") {
        output = take(&mut error, "message").or(output);
        draft = keep_rest(draft, error);
    }
    with_output(draft, output)
}

#[cfg(test)]
mod tests;
