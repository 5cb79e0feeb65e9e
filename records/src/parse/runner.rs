//! Lines of the agent runner's log: `{"ts": ..., "event": {"type": ...}}`.
//!
//! What the agent says and thinks comes in pieces; they are joined until another event comes. A tool's own pieces of
//! output are kept as lines of its log, because its completion may not repeat them.

use message::{Kind, Timestamp};
use serde_json::{Map, Value};

use super::event::{Place, call, keep_rest, plan, result, take, take_list, take_object, take_text, unknown, usage, with_output};
use super::state::{ParserState, Program};
use crate::draft::Draft;

/// Reads a line.
pub(super) fn read(state: &mut ParserState, line: Map<String, Value>, place: Place) -> Vec<Draft> {
    let said_at = line.get("ts").and_then(timestamp);
    let at = said_at.unwrap_or(place.read_at);
    let Some(Value::Object(mut event)) = line.get("event").cloned() else {
        return vec![unknown("event", line)];
    };
    let kind = event.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let piece_of = match kind.as_str() {
        "message" => Some(Kind::MESSAGE),
        "reasoning" => Some(Kind::REASONING),
        _ => None,
    };
    if let Some(piece_of) = piece_of
        && let Some(piece) = text_of(&mut event)
    {
        return state.join(Program::Runner, piece_of, &piece, at).into_iter().collect();
    }
    let mut drafts: Vec<Draft> = state.flush().into_iter().collect();
    let whole = event.clone();
    event.shift_remove("type");
    drafts.push(match known(state, &kind, &mut event, at, place) {
        Some(draft) => keep_rest(draft, event).at(said_at),
        None => unknown(&kind, whole).at(said_at),
    });
    drafts
}

fn known(state: &mut ParserState, kind: &str, event: &mut Map<String, Value>, at: Timestamp, place: Place) -> Option<Draft> {
    Some(match kind {
        "plan" => plan(&["plan", "items", "steps", "todos"].into_iter().find_map(|key| take_list(event, key))?),
        "tool" => tool(state, event, at, place)?,
        "usage" => {
            let counts = take_object(event, "usage").unwrap_or_else(|| std::mem::take(event));
            Draft::new(Kind::STATUS, "token usage").with_attr("usage", usage(counts))
        }
        "rate_limits" => Draft::new(Kind::STATUS, "rate limits").with_attr("rate_limits", std::mem::take(event)),
        "error" => Draft::new(Kind::ERROR, text_of(event).or_else(|| take_text(event, "error"))?),
        _ => return None,
    })
}

fn tool(state: &mut ParserState, event: &mut Map<String, Value>, at: Timestamp, place: Place) -> Option<Draft> {
    let id = take_text(event, "id")?;
    let status = take_text(event, "status")?;
    let name = take_text(event, "toolKind").unwrap_or_else(|| "tool".to_owned());
    let detail = take(event, "detail");
    Some(match status.as_str() {
        "started" => {
            let mut arguments = Map::new();
            for (key, value) in [("title", take(event, "title")), ("detail", detail), ("data", take(event, "data"))] {
                arguments.extend(value.map(|value| (key.to_owned(), value)));
            }
            call(state, &id, &name, arguments.into(), at, place)
        }
        "delta" => {
            let text = detail.as_ref().and_then(Value::as_str).filter(|text| !text.is_empty())?.to_owned();
            Draft::new(Kind::LOG, text).with_attr("call_id", state.call_id(&id).unwrap_or(id))
        }
        _ => {
            let output = detail.or_else(|| take(event, "output"));
            let failed = event.get("data").and_then(|data| data.get("error")).is_some_and(|error| !error.is_null());
            let status = if failed { "failed" } else { status.as_str() };
            with_output(result(state, &id, Some(&name), status, at, place), output)
        }
    })
}

/// The text of an event, under any of the names it has there.
fn text_of(event: &mut Map<String, Value>) -> Option<String> {
    ["delta", "text", "content", "message"].into_iter().find_map(|key| take_text(event, key)).filter(|text| !text.is_empty())
}

fn timestamp(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => Timestamp::parse(text),
        Value::Number(number) => number.as_f64().and_then(Timestamp::from_number),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
