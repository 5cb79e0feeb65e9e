//! Events of the Gemini CLI, `--output-format stream-json`.
//!
//! Every event has a time. What the model says comes in pieces without an id: they are joined until another event comes.
//! `success` of a result says that the tool ran, not that its command ended well; no exit code is given anywhere.

use message::{Kind, Role, Timestamp};
use serde_json::{Map, Value};

use super::event::{Place, call, keep_rest, plan, result, take, take_object, take_text, unknown, usage, with_output};
use super::state::{ParserState, Program};
use crate::draft::Draft;

/// Whether an object of this type can be nobody else's.
pub(super) fn knows(kind: &str, object: &Map<String, Value>) -> bool {
    let has = |key: &str| object.contains_key(key);
    has("timestamp")
        && match kind {
            "init" => has("session_id"),
            "tool_use" => has("tool_name") && has("tool_id"),
            "tool_result" => has("tool_id"),
            "result" => has("stats") && has("status"),
            _ => false,
        }
}

/// Reads an event.
pub(super) fn read(state: &mut ParserState, mut event: Map<String, Value>, place: Place) -> Vec<Draft> {
    let kind = event.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let said_at = event.get("timestamp").and_then(Value::as_str).and_then(Timestamp::parse);
    let at = said_at.unwrap_or(place.read_at);
    if kind == "message" && event.get("role").is_some_and(|role| role == "assistant") {
        return match event.get("content").and_then(Value::as_str) {
            Some(piece) => state.join(Program::Gemini, Kind::MESSAGE, piece, at).into_iter().collect(),
            None => vec![unknown(&kind, event).at(said_at)],
        };
    }
    let mut drafts: Vec<Draft> = state.flush().into_iter().collect();
    let whole = event.clone();
    for key in ["type", "timestamp"] {
        event.shift_remove(key);
    }
    match known(state, &kind, &mut event, at, place) {
        Some((draft, more)) => {
            drafts.push(keep_rest(draft, event).at(said_at));
            drafts.extend(more.map(|draft| draft.at(said_at)));
        }
        None => drafts.push(unknown(&kind, whole).at(said_at)),
    }
    drafts
}

/// Reads an event of a known type, and the plan that a call may hold.
fn known(
    state: &mut ParserState,
    kind: &str,
    event: &mut Map<String, Value>,
    at: Timestamp,
    place: Place,
) -> Option<(Draft, Option<Draft>)> {
    let draft = match kind {
        "init" => {
            state.start(Program::Gemini);
            Draft::new(Kind::STATUS, "session started")
        }
        "message" => {
            let role = Role::new(&take_text(event, "role")?)?;
            let content = take_text(event, "content").filter(|content| !content.is_empty())?;
            Draft { role: Some(role), ..Draft::new(Kind::MESSAGE, content) }
        }
        "tool_use" => {
            let (id, name) = (take_text(event, "tool_id")?, take_text(event, "tool_name")?);
            let parameters = take(event, "parameters").unwrap_or_else(|| Map::new().into());
            let todos = parameters.get("todos").and_then(Value::as_array).filter(|_| name == "write_todos");
            let todos = todos.map(|todos| plan(todos));
            return Some((call(state, &id, &name, parameters, at, place), todos));
        }
        "tool_result" => {
            let id = take_text(event, "tool_id")?;
            let status = take_text(event, "status").unwrap_or_else(|| "success".to_owned());
            let output = take(event, "output").or_else(|| event.get("error").map(|error| error["message"].clone()));
            with_output(result(state, &id, None, &status, at, place), output.filter(|output| !output.is_null()))
        }
        "error" => {
            let level = take_text(event, "severity").unwrap_or_else(|| "error".to_owned());
            Draft::new(Kind::STATUS, take_text(event, "message").filter(|text| !text.is_empty())?).with_attr("level", level)
        }
        "result" => run_ended(event)?,
        _ => return None,
    };
    Some((draft, None))
}

fn run_ended(event: &mut Map<String, Value>) -> Option<Draft> {
    let status = take_text(event, "status")?;
    let draft = if status == "success" {
        Draft::new(Kind::STATUS, "run completed")
    } else {
        let mut error = take_object(event, "error").unwrap_or_default();
        let text = take_text(&mut error, "message").unwrap_or_else(|| "run failed without a reason".to_owned());
        let draft = Draft::new(Kind::ERROR, text);
        if error.is_empty() { draft } else { draft.with_attr("error", error) }
    };
    Some(match take_object(event, "stats") {
        Some(counts) => draft.with_attr("usage", usage(counts)),
        None => draft,
    })
}

#[cfg(test)]
mod tests;
