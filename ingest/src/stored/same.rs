//! Whether two messages of one id say the same.

use message::{Kind, Message};
use serde_json::{Map, Value};

/// What makes two messages of one id one: what was said, apart from how long a tool took to.
#[derive(Debug, Clone, Copy)]
pub struct Words<'a> {
    /// What sort of message.
    pub kind: &'a str,
    /// Text or markdown.
    pub content: Option<&'a str>,
    /// The call or result.
    pub tool: Option<&'a Map<String, Value>>,
}

impl<'a> From<&'a Message> for Words<'a> {
    fn from(message: &'a Message) -> Self {
        Self { kind: message.kind.as_str(), content: message.content.as_deref(), tool: message.tool.as_ref().map(|tool| &tool.0) }
    }
}

/// Whether both say the same. Control records of one id always do: their counters may have grown between two tries. Numbers
/// are compared as they were written.
#[must_use]
pub fn same_words(one: Words<'_>, other: Words<'_>) -> bool {
    if one.kind != other.kind {
        return false;
    }
    let is_control = Kind::new(one.kind).is_some_and(|kind| kind.is_control());
    is_control || (one.content == other.content && same_tool(one.tool, other.tool))
}

fn same_tool(one: Option<&Map<String, Value>>, other: Option<&Map<String, Value>>) -> bool {
    let (one, other) = match (one, other) {
        (Some(one), Some(other)) => (one, other),
        (one, other) => return one.is_none() && other.is_none(),
    };
    let said = |tool: &Map<String, Value>| tool.keys().filter(|key| *key != DURATION).count();
    said(one) == said(other) && one.iter().filter(|(key, _)| *key != DURATION).all(|(key, value)| other.get(key) == Some(value))
}

/// How long a tool took: whoever measures it twice gets two answers.
const DURATION: &str = "duration_ms";
