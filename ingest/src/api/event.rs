//! A message as JSON: one form for live events, history and pages of the API, rendered by one function.

use bytes::Bytes;
use message::wire::WireSource;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::stored::StoredMessage;

/// Every field is always present, null when absent, so that a reader never guesses whether a server knows a field.
#[derive(Serialize)]
struct EventData<'a> {
    id: String,
    cursor: String,
    created_at: String,
    workflow_namespace: &'a str,
    workflow_name: &'a str,
    workflow_uid: &'a str,
    run_id: Option<&'a str>,
    step_id: Option<&'a str>,
    pod: Option<&'a str>,
    container: Option<&'a str>,
    attempt: Option<u32>,
    source: Option<WireSource<'a>>,
    agent_id: &'a str,
    role: &'static str,
    stage: Option<&'a str>,
    kind: &'a str,
    timestamp: String,
    seq: Option<u64>,
    channel: Option<&'a str>,
    content: Option<&'a str>,
    tool: Option<&'a Map<String, Value>>,
    attrs: &'a Map<String, Value>,
    runtime: Option<&'a str>,
}

/// The JSON of a message, without a line break.
///
/// # Panics
/// Never: texts, numbers and JSON values with text keys always serialise.
#[must_use]
pub fn data(stored: &StoredMessage) -> Bytes {
    let message = &stored.message;
    let data = EventData {
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
    };
    #[expect(clippy::expect_used, reason = "texts, numbers and JSON values with text keys always serialise")]
    Bytes::from(serde_json::to_vec(&data).expect("a message serialises"))
}
