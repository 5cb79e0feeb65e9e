//! A message as JSON: one form for live events, history and pages of the API, rendered by one function.

use bytes::Bytes;
use message::wire::WireSource;
use message::{Role, Tool};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::stored::StoredMessage;

/// A message. Every field but the last two is always present, null when absent.
// So that a reader never guesses whether a server knows a field.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Message", deny_unknown_fields)]
pub struct EventData<'a> {
    /// UUID; the same for every copy of a message.
    id: String,
    /// Its position in the stream: `<epoch>.<sequence>`. Every list is in this order.
    cursor: String,
    /// When the stream stored it.
    created_at: String,
    workflow_namespace: &'a str,
    workflow_name: &'a str,
    /// `unknown` where nobody knows it.
    workflow_uid: &'a str,
    /// The id that an outer system knows the run by.
    run_id: Option<&'a str>,
    step_id: Option<&'a str>,
    pod: Option<&'a str>,
    container: Option<&'a str>,
    attempt: Option<u32>,
    /// Where it was read: the bytes of a file, or of the spool behind the socket.
    #[schemars(schema_with = "source")]
    source: Option<WireSource<'a>>,
    agent_id: &'a str,
    #[schemars(schema_with = "role")]
    role: &'static str,
    stage: Option<&'a str>,
    /// `message`, `tool_call`, `tool_result`, `reasoning`, `status`, `error`, `log`, `source-end`, `step-end`, `gap`, or
    /// another word that its publisher chose.
    kind: &'a str,
    /// When it was said.
    timestamp: String,
    /// Counts the messages of one generation of a source from 1.
    seq: Option<u64>,
    /// `general`: also shown in the channel that all runs share.
    channel: Option<&'a str>,
    content: Option<&'a str>,
    /// Of calls and results: `call_id`, `name`, `arguments`, `status`, `duration_ms`, `output`.
    tool: Option<&'a Map<String, Value>>,
    attrs: &'a Map<String, Value>,
    /// `native`, `argo`, ...
    runtime: Option<&'a str>,
    /// `content` or the tool's `output` is longer than 256 KiB, and this is its first 64 KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool")]
    truncated: Option<bool>,
    /// How long it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "usize")]
    content_bytes: Option<usize>,
}

fn role(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": Role::ALL.map(Role::as_str) })
}

fn source(_: &mut SchemaGenerator) -> Schema {
    let number = json_schema!({ "type": "integer", "minimum": 0 });
    json_schema!({
        "type": ["object", "null"],
        "properties": {
            "pod_uid": { "type": "string" },
            "label": { "type": "string" },
            "generation": number,
            "start": number,
            "end": number,
            "part": number,
        },
        "required": ["pod_uid", "label", "generation", "start", "end", "part"],
        "additionalProperties": false,
    })
}

/// Longer text is shortened, so that a list of messages stays a list.
const LONGEST_TEXT: usize = 256 * 1024;
/// To this.
const SHORTENED_TEXT: usize = 64 * 1024;

/// The JSON of a message, without a line break. `content` or the tool's `output`, where it is longer than 256 KiB, is its
/// first 64 KiB, with `truncated` and the whole length in `content_bytes`.
#[must_use]
pub fn data(stored: &StoredMessage) -> Bytes {
    let message = &stored.message;
    let content = message.content.as_deref();
    let (cut, output) = long_parts(stored);
    let Some(content_bytes) = cut.or(output) else { return whole(stored) };
    let shortened = output.is_some().then(|| shortened_output(message.tool.as_ref())).flatten();
    let tool = shortened.as_ref().or(message.tool.as_ref());
    let content = if cut.is_some() { content.map(|content| start(content, SHORTENED_TEXT)) } else { content };
    serialize(&EventData {
        content,
        tool: tool.map(|tool| &tool.0),
        truncated: Some(true),
        content_bytes: Some(content_bytes),
        ..of(stored)
    })
}

/// Whether a message holds more than its JSON in lists shows.
#[must_use]
pub fn is_long(stored: &StoredMessage) -> bool {
    let (content, output) = long_parts(stored);
    content.or(output).is_some()
}

/// Leaves of a message what its JSON in lists shows.
pub fn shorten(stored: &mut StoredMessage) {
    let (cut, output) = long_parts(stored);
    if output.is_some() {
        stored.message.tool = shortened_output(stored.message.tool.as_ref());
    }
    if cut.is_some() {
        // A copy, so that the whole text leaves memory.
        stored.message.content = stored.message.content.as_deref().map(|content| start(content, SHORTENED_TEXT).to_owned());
    }
}

/// The lengths of content and output, each where it is too long for a list.
fn long_parts(stored: &StoredMessage) -> (Option<usize>, Option<usize>) {
    let too_long = |length: &usize| *length > LONGEST_TEXT;
    let content = stored.message.content.as_deref().map(str::len).filter(too_long);
    let output = stored.message.tool.as_ref().and_then(Tool::output).map(text_length).filter(too_long);
    (content, output)
}

/// The JSON of a message with everything that it says, without a line break.
#[must_use]
pub fn whole(stored: &StoredMessage) -> Bytes {
    serialize(&of(stored))
}

/// A value as people read it: text as it is, anything else as indented JSON.
#[must_use]
pub fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        // A value always serialises; its plain form stands in for the indented one all the same.
        structured => serde_json::to_string_pretty(structured).unwrap_or_else(|_| structured.to_string()),
    }
}

/// The start of a text that is at most so many bytes long.
#[must_use]
pub fn start(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn text_length(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        structured => structured.to_string().len(),
    }
}

fn shortened_output(tool: Option<&Tool>) -> Option<Tool> {
    let mut tool = tool?.clone();
    let output = tool.0.get_mut("output")?;
    let text = match &*output {
        Value::String(text) => start(text, SHORTENED_TEXT).to_owned(),
        structured => start(&structured.to_string(), SHORTENED_TEXT).to_owned(),
    };
    *output = Value::String(text);
    Some(tool)
}

fn serialize(data: &EventData<'_>) -> Bytes {
    #[expect(clippy::expect_used, reason = "texts, numbers and JSON values with text keys always serialise")]
    Bytes::from(serde_json::to_vec(data).expect("a message serialises"))
}

fn of(stored: &StoredMessage) -> EventData<'_> {
    let message = &stored.message;
    EventData {
        id: message.id.to_string(),
        cursor: stored.cursor.to_string(),
        created_at: stored.created_at.to_string(),
        workflow_namespace: &message.run.namespace,
        workflow_name: &message.run.name,
        workflow_uid: &message.run.uid,
        run_id: message.run_id.as_deref(),
        step_id: message.step_id.as_deref(),
        pod: message.pod.as_deref(),
        container: message.container.as_deref(),
        attempt: message.attempt,
        source: message.source.as_ref().map(WireSource::from),
        agent_id: &message.agent_id,
        role: message.role.as_str(),
        stage: message.stage.as_deref(),
        kind: message.kind.as_str(),
        timestamp: message.timestamp.to_string(),
        seq: message.seq,
        channel: message.channel.as_deref(),
        content: message.content.as_deref(),
        tool: message.tool.as_ref().map(|tool| &tool.0),
        attrs: &message.attrs,
        runtime: message.runtime.as_deref(),
        truncated: None,
        content_bytes: None,
    }
}

#[cfg(test)]
mod tests;
