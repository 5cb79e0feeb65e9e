//! The JSON that is published: schema version 1, absent fields left out.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{Message, SCHEMA_VERSION, Source};

/// The published form, separate from [`Message`] so that the model can change without the wire.
#[derive(Serialize)]
struct Wire<'a> {
    v: u64,
    id: String,
    workflow_namespace: &'a str,
    workflow_name: &'a str,
    workflow_uid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    step_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pod: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<WireSource<'a>>,
    agent_id: &'a str,
    role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<&'a str>,
    kind: &'a str,
    timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool: Option<&'a Map<String, Value>>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    attrs: &'a Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    runtime: Option<&'a str>,
}

/// The published form of a source range; also what the column `source` and the API hold.
#[derive(Serialize)]
pub struct WireSource<'a> {
    pod_uid: &'a str,
    label: &'a str,
    generation: u64,
    start: u64,
    end: u64,
    part: u32,
}

impl<'a> From<&'a Source> for WireSource<'a> {
    fn from(source: &'a Source) -> Self {
        let Source { pod_uid, label, generation, start, end, part } = source;
        Self { pod_uid, label, generation: *generation, start: *start, end: *end, part: *part }
    }
}

/// The body to publish.
///
/// # Panics
/// Never: texts, numbers and JSON values with text keys always serialise.
#[must_use]
pub fn to_json(message: &Message) -> Vec<u8> {
    let wire = Wire {
        v: SCHEMA_VERSION,
        id: message.id.to_string(),
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
    serde_json::to_vec(&wire).expect("a message serialises")
}

/// The subject to publish to: a message for the shared channel goes there and nowhere else.
#[must_use]
pub fn subject(message: &Message) -> String {
    if message.is_general() {
        crate::subject::of_general(&message.run, &message.agent_id, message.kind.as_str())
    } else {
        crate::subject::of_run(&message.run, &message.agent_id, message.kind.as_str())
    }
}

#[cfg(test)]
mod tests;
