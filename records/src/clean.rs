//! What no reader can hold is replaced: the NUL character (a database column of text cannot have one), and names so long that they
//! would fill every message. The whole of such a name stays in the attributes.

use message::{Kind, Tool};
use serde_json::{Map, Value};

use crate::draft::Draft;

/// Longest name a step may choose for its agent, stage, channel or kind.
const NAME_LIMIT: usize = 1024;

/// Cleans every text of a draft.
pub(crate) fn draft(draft: &mut Draft) {
    let Draft { kind, agent_id, stage, channel, content, own_id, attrs, tool, .. } = draft;
    [&mut *agent_id, &mut *stage, &mut *channel, content, own_id].into_iter().flatten().for_each(text);
    object(attrs);
    if tool.is_none() {
        *tool = tool_in(attrs);
    }
    if let Some(tool) = tool {
        object(&mut tool.0);
    }
    if kind.as_str().len() > NAME_LIMIT || kind.as_str().contains('\0') {
        let mut word = kind.as_str().chars().take(NAME_LIMIT / 4).collect();
        text(&mut word);
        attrs.insert("kind".to_owned(), kind.as_str().replace('\0', "\u{fffd}").into());
        *kind = Kind::new(&word).unwrap_or_else(Kind::message);
    }
    for (key, name) in [("agent_id", agent_id), ("stage", stage), ("channel", channel)] {
        if let Some(name) = name.as_mut().filter(|name| name.len() > NAME_LIMIT) {
            attrs.insert(key.to_owned(), name.as_str().into());
            *name = name.chars().take(NAME_LIMIT / 4).collect();
        }
    }
}

/// A tool among the attributes, where a reader of the published message would look for it too: a second one beside a
/// first of the wrong type ends up there.
pub(crate) fn tool_in(attrs: &mut Map<String, Value>) -> Option<Tool> {
    let key = ["tool", "tool_call", "toolCall"].into_iter().find(|key| attrs.get(*key).is_some_and(Value::is_object))?;
    match attrs.shift_remove(key) {
        Some(Value::Object(object)) => Some(Tool(object)),
        _ => None,
    }
}

fn text(text: &mut String) {
    if memchr::memchr(0, text.as_bytes()).is_some() {
        *text = text.replace('\0', "\u{fffd}");
    }
}

fn value(value: &mut Value) {
    match value {
        Value::String(string) => text(string),
        Value::Array(values) => values.iter_mut().for_each(self::value),
        Value::Object(map) => object(map),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn object(object: &mut Map<String, Value>) {
    if object.keys().any(|key| key.contains('\0')) {
        *object = std::mem::take(object).into_iter().map(|(key, value)| (key.replace('\0', "\u{fffd}"), value)).collect();
    }
    object.values_mut().for_each(value);
}
