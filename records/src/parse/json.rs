//! A JSON object in our schema, as publishers in the field write it.

use message::Kind;
use message::body::{Body, STATUS_UPDATE};
use serde_json::{Map, Value};

use super::Origin;
use crate::clean;
use crate::draft::Draft;

/// Keys by which an object shows that it means to be a message and not a line of some program's structured log.
const SPEAKING_KEYS: [&str; 9] = ["content", "text", "kind", "role", "agent_id", "agentId", "tool", "tool_call", "toolCall"];

/// Reads an object. One without content and tool is a log line: its content is the line itself.
pub(super) fn read(object: Map<String, Value>, line: &str, origin: Origin<'_>) -> Draft {
    let speaks = speaks(&object) || !matches!(origin, Origin::File | Origin::Output { .. });
    let mut body = Body::read(object);
    let tool = body.tool.take().or_else(|| clean::tool_in(&mut body.attrs));
    let kind = body.kind.map(Kind::of_step);
    let says_nothing = body.content.is_none() && tool.is_none();
    let kind = kind.unwrap_or_else(|| match &tool {
        Some(tool) if tool.output().is_some() => known(Kind::TOOL_RESULT),
        Some(_) => known(Kind::TOOL_CALL),
        None if says_nothing || !speaks => known(Kind::LOG),
        None => Kind::message(),
    });
    let mut attrs = if says_nothing { Map::new() } else { body.attrs };
    if let Some(id) = &body.id {
        attrs.insert("message_id".to_owned(), id.as_str().into());
    }
    if !body.problems.is_empty() {
        attrs.insert("parse_error".to_owned(), body.problems.join("; ").into());
    }
    let content = match body.content {
        _ if says_nothing => Some(line.to_owned()),
        // Also of one that was a control kind, as whoever reads it back would have it.
        None if kind.as_str() == Kind::STATUS => Some(STATUS_UPDATE.to_owned()),
        content => content,
    };
    Draft {
        kind,
        role: body.role,
        agent_id: body.agent_id,
        stage: body.stage,
        channel: body.channel,
        content,
        tool,
        attrs,
        timestamp: body.timestamp,
        own_id: body.id,
        ..Draft::new(Kind::MESSAGE, "")
    }
}

/// Whether the object, or the payload in its envelope, has a key that only messages have.
fn speaks(object: &Map<String, Value>) -> bool {
    let has_key = |object: &Map<String, Value>| SPEAKING_KEYS.iter().any(|key| object.contains_key(*key));
    let payload = ["message", "data"].iter().find_map(|key| object.get(*key).and_then(Value::as_object));
    has_key(object) || payload.is_some_and(has_key)
}

fn known(kind: &'static str) -> Kind {
    Kind::new(kind).unwrap_or_else(Kind::message)
}
