//! Control records: what the sidecar says of the reading itself. They have content, so that any reader can show them, and
//! no number, since the numbers of a source count what the step said.

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{Kind, Message, PodIdentity, Role, Source, Timestamp, id};

/// A control record about a position of a source; `source.start` equals `source.end`.
#[derive(Debug, Clone)]
pub struct Control {
    /// The position it speaks of.
    pub source: Source,
    /// Container it speaks of, where it is about one.
    pub container: Option<String>,
    /// In words, for people.
    pub content: String,
    /// For programs.
    pub attrs: Map<String, Value>,
    /// When it was noticed.
    pub timestamp: Timestamp,
}

/// A source was read to its end. Attributes: `last_offset`, `complete`, the counters.
#[must_use]
pub fn source_end(pod: &PodIdentity, control: Control) -> Message {
    let id = id::of_control(&control.source, Kind::SOURCE_END);
    message(pod, Kind::SOURCE_END, id, control)
}

/// A container of the step ended. Attribute: `exit_code` where it is known.
#[must_use]
pub fn step_end(pod: &PodIdentity, control: Control) -> Message {
    let id = id::of_control(&control.source, Kind::STEP_END);
    message(pod, Kind::STEP_END, id, control)
}

/// Something could not be read or sent. `reason` is a stable word, `number` counts the gaps of this source.
/// Attributes: `reason`, `bytes`, `records`.
#[must_use]
pub fn gap(pod: &PodIdentity, reason: &str, number: u64, mut control: Control) -> Message {
    let id = id::of_gap(&control.source, reason, number);
    control.attrs.insert("reason".to_owned(), reason.into());
    message(pod, Kind::GAP, id, control)
}

fn message(pod: &PodIdentity, kind: &str, id: Uuid, control: Control) -> Message {
    let agent = pod.agent_id.as_ref().or(control.container.as_ref()).map_or("agent-comms", String::as_str);
    Message {
        id,
        run: pod.run.clone(),
        run_id: pod.run_id.clone(),
        step_id: pod.step_id.clone(),
        pod: pod.pod.clone(),
        agent_id: agent.to_owned(),
        container: control.container,
        attempt: pod.attempt,
        source: Some(control.source),
        role: Role::System,
        stage: pod.stage.clone(),
        kind: Kind::new(kind).unwrap_or_else(Kind::message),
        timestamp: control.timestamp,
        seq: None,
        // The shared channel is for what agents say, not for the reading of it.
        channel: None,
        content: Some(control.content),
        tool: None,
        attrs: control.attrs,
        runtime: pod.runtime.clone(),
    }
}
