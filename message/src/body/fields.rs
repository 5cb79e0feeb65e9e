//! Takes fields out of a body one by one; what is left at the end goes to its attributes.

use serde_json::{Map, Value};

use crate::{Role, Source, Timestamp, Tool};

/// The names that a tool has.
pub(super) const TOOL_KEYS: [&str; 3] = ["tool", "tool_call", "toolCall"];
/// Other names of keys inside a tool object.
const KEYS_OF_TOOLS: [(&str, &str); 5] = [
    ("callId", "call_id"),
    ("toolCallId", "call_id"),
    ("tool_call_id", "call_id"),
    ("durationMs", "duration_ms"),
    ("toolName", "name"),
];

/// A body being taken apart.
pub(super) struct Fields {
    /// The object that holds the content.
    payload: Map<String, Value>,
    /// What stands beside it when it is in an envelope.
    envelope: Map<String, Value>,
    /// Values of the wrong type, by key.
    rejected: Map<String, Value>,
    problems: Vec<String>,
}

impl Fields {
    pub(super) fn open(mut object: Map<String, Value>) -> Self {
        for key in ["message", "data"] {
            if object.get(key).is_some_and(Value::is_object)
                && let Some(Value::Object(payload)) = object.remove(key)
            {
                return Self { payload, envelope: object, rejected: Map::new(), problems: Vec::new() };
            }
        }
        Self { payload: object, envelope: Map::new(), rejected: Map::new(), problems: Vec::new() }
    }

    /// The first of these keys that says something, in the payload, then beside it; twins are taken out too.
    fn take(&mut self, keys: &[&str]) -> Option<(String, Value)> {
        let mut found = None;
        for object in [&mut self.payload, &mut self.envelope] {
            for key in keys {
                match object.shift_remove(*key) {
                    Some(value) if found.is_none() && says_something(&value) => found = Some(((*key).to_owned(), value)),
                    _ => {}
                }
            }
        }
        found
    }

    fn reject(&mut self, key: String, value: Value, wanted: &str) {
        self.problems.push(format!("`{key}` is {}, not {wanted}", type_name(&value)));
        self.rejected.insert(key, value);
    }

    /// A text; a number counts as its digits.
    pub(super) fn text(&mut self, keys: &[&str]) -> Option<String> {
        match self.take(keys)? {
            (_, Value::String(text)) => Some(text),
            (_, Value::Number(number)) => Some(number.to_string()),
            (key, value) => {
                self.reject(key, value, "text");
                None
            }
        }
    }

    /// A whole number, or a text of its digits.
    pub(super) fn number(&mut self, keys: &[&str]) -> Option<u64> {
        let (key, value) = self.take(keys)?;
        let number = match &value {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        if number.is_none() {
            self.reject(key, value, "a whole number");
        }
        number
    }

    pub(super) fn timestamp(&mut self, keys: &[&str]) -> Option<Timestamp> {
        let (key, value) = self.take(keys)?;
        let timestamp = match &value {
            Value::String(text) => Timestamp::parse(text),
            Value::Number(number) => number.as_f64().and_then(Timestamp::from_number),
            _ => None,
        };
        if timestamp.is_none() {
            self.reject(key, value, "a time");
        }
        timestamp
    }

    pub(super) fn role(&mut self) -> Option<Role> {
        let (key, value) = self.take(&["role"])?;
        let role = value.as_str().and_then(Role::new);
        if role.is_none() {
            self.reject(key, value, "one of system, user, assistant, tool");
        }
        role
    }

    pub(super) fn source(&mut self) -> Option<Source> {
        let (key, value) = self.take(&["source"])?;
        let source = read_source(&value);
        if source.is_none() {
            self.reject(key, value, "a source range");
        }
        source
    }

    /// The first of the names for content that says something, inside the payload only.
    pub(super) fn content(&mut self) -> Option<String> {
        let key = ["content", "text", "message", "status", "error"]
            .into_iter()
            .find(|key| self.payload.get(*key).is_some_and(says_something))?;
        Some(match self.payload.shift_remove(key)? {
            Value::String(text) => text,
            structured => structured.to_string(),
        })
    }

    pub(super) fn attrs(&mut self) -> Map<String, Value> {
        for key in ["attrs", "attributes", "meta"] {
            match self.payload.shift_remove(key) {
                None | Some(Value::Null) => {}
                Some(Value::Object(attrs)) => return attrs,
                Some(value) => self.reject(key.to_owned(), value, "an object"),
            }
        }
        Map::new()
    }

    /// The tool, which some publishers put inside the attributes.
    pub(super) fn tool(&mut self, attrs: &mut Map<String, Value>) -> Option<Tool> {
        let key = TOOL_KEYS.into_iter().find(|key| self.payload.get(*key).is_some_and(says_something));
        let (key, value) = if let Some(key) = key {
            (key, self.payload.shift_remove(key)?)
        } else {
            let key = TOOL_KEYS.into_iter().find(|key| attrs.get(*key).is_some_and(Value::is_object))?;
            (key, attrs.shift_remove(key)?)
        };
        match value {
            Value::Object(object) => Some(tool(object)),
            Value::String(name) => Some(Tool::default().with("name", name)),
            value => {
                self.reject(key.to_owned(), value, "an object");
                None
            }
        }
    }

    /// Copies a key to the attributes unless they have it: 0 and false are present, null is not.
    pub(super) fn copy(&self, key: &str, attrs: &mut Map<String, Value>) {
        let value = self.payload.get(key).or_else(|| self.envelope.get(key)).filter(|value| !value.is_null());
        if let Some(value) = value {
            attrs.entry(key).or_insert_with(|| value.clone());
        }
    }

    /// Puts everything that found no place among the attributes, and returns the problems.
    pub(super) fn close(self, attrs: &mut Map<String, Value>) -> Vec<String> {
        let left = self.rejected.into_iter().chain(self.payload).chain(self.envelope);
        for (key, value) in left.filter(|(_, value)| !value.is_null()) {
            attrs.entry(key).or_insert(value);
        }
        self.problems
    }
}

/// A tool, its keys under their one names.
pub(super) fn tool(object: Map<String, Value>) -> Tool {
    Tool(object.into_iter().map(|(key, value)| (tool_key(key), value)).collect())
}

fn tool_key(key: String) -> String {
    match KEYS_OF_TOOLS.iter().find(|(alias, _)| *alias == key) {
        Some((_, name)) => (*name).to_owned(),
        None => key,
    }
}

/// Null and empty text say nothing; 0 and false do.
fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        _ => true,
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

fn read_source(value: &Value) -> Option<Source> {
    let number = |key: &str| value.get(key).and_then(Value::as_u64);
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(ToOwned::to_owned);
    Some(Source {
        pod_uid: text("pod_uid")?,
        label: text("label")?,
        generation: number("generation")?,
        start: number("start")?,
        end: number("end")?,
        part: u32::try_from(number("part")?).ok()?,
    })
}
