//! Reads a JSON object as publishers in the field write it: snake and camel case side by side, several names for one
//! thing, an envelope around it. What has the wrong type is kept in `attrs` and named among the problems; nothing that a
//! body says is dropped.

mod fields;
mod plain;

use serde_json::{Map, Value};

use crate::{Kind, Role, Source, Timestamp, Tool};
use fields::Fields;

/// The content of a status that has none.
pub const STATUS_UPDATE: &str = "status update";

/// Everything a body said, each field under its one name.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Body {
    /// Schema version, `v`.
    pub version: Option<u64>,
    /// The id it came with, of any form.
    pub id: Option<String>,
    /// When it was said.
    pub timestamp: Option<Timestamp>,
    /// What sort of message.
    pub kind: Option<Kind>,
    /// In which role.
    pub role: Option<Role>,
    /// Text; numbers and structured values as their JSON text.
    pub content: Option<String>,
    /// Run id of an outer system.
    pub run_id: Option<String>,
    /// Namespace of the run it claims.
    pub workflow_namespace: Option<String>,
    /// Name of the run it claims.
    pub workflow_name: Option<String>,
    /// Uid of the run it claims.
    pub workflow_uid: Option<String>,
    /// Step.
    pub step_id: Option<String>,
    /// Pod.
    pub pod: Option<String>,
    /// Container.
    pub container: Option<String>,
    /// Attempt of the step.
    pub attempt: Option<u32>,
    /// Where its bytes came from.
    pub source: Option<Source>,
    /// Number within its source generation.
    pub seq: Option<u64>,
    /// Who speaks; absent when it says `unknown`.
    pub agent_id: Option<String>,
    /// Channel; absent when it says `run`.
    pub channel: Option<String>,
    /// Stage.
    pub stage: Option<String>,
    /// Call or result.
    pub tool: Option<Tool>,
    /// Runtime.
    pub runtime: Option<String>,
    /// Its attributes, and every key that has no place of its own.
    pub attrs: Map<String, Value>,
    /// What had the wrong type, in words.
    pub problems: Vec<String>,
}

impl Body {
    /// Reads JSON in the one form that this project's own publishers write; nothing when it is in any other, or no JSON:
    /// [`Body::read`] reads that form too, and finds the same.
    #[must_use]
    pub fn read_plain(json: &[u8]) -> Option<Self> {
        plain::read(json)
    }

    /// Reads an object. The payload is `message` where that is an object, else `data` where that is one, else the object
    /// itself; identity and times are looked up in the payload first, then beside it.
    #[must_use]
    pub fn read(object: Map<String, Value>) -> Self {
        let mut fields = Fields::open(object);
        let mut attrs = fields.attrs();
        let tool = fields.tool(&mut attrs);
        let kind = fields.text(&["kind"]).and_then(|text| Kind::new(&text));
        for key in ["status", "exit_code", "repository", "issueNumber", "branch"] {
            fields.copy(key, &mut attrs);
        }
        let is_status = kind.as_ref().is_some_and(|kind| kind.as_str() == Kind::STATUS);
        let content = fields.content().or_else(|| is_status.then(|| STATUS_UPDATE.to_owned()));
        let body = Self {
            version: fields.number(&["v"]),
            id: fields.text(&["message_id", "messageId", "id"]),
            timestamp: fields.timestamp(&["timestamp", "sent_at", "sentAt", "created_at", "createdAt"]),
            kind,
            role: fields.role(),
            content,
            run_id: fields.text(&["run_id", "runId", "runID", "agent_run_id", "agentRunId"]),
            workflow_namespace: fields.text(&[
                "workflow_namespace",
                "workflowNamespace",
                "agent_run_namespace",
                "agentRunNamespace",
            ]),
            workflow_name: fields.text(&["workflow_name", "workflowName", "agent_run_name", "agentRunName"]),
            workflow_uid: fields.text(&["workflow_uid", "workflowUid", "agent_run_uid", "agentRunUid"]),
            step_id: fields.text(&["step_id", "stepId", "workflow_step", "workflowStep", "agent_run_step", "agentRunStep"]),
            pod: fields.text(&["pod"]),
            container: fields.text(&["container"]),
            attempt: fields.number(&["attempt"]).and_then(|number| u32::try_from(number).ok()),
            source: fields.source(),
            seq: fields.number(&["seq"]),
            agent_id: fields.text(&["agent_id", "agentId"]).filter(|agent| agent != crate::UNKNOWN),
            channel: fields.text(&["channel"]).filter(|channel| channel != "run"),
            stage: fields.text(&["stage", "workflow_stage", "workflowStage", "agent_run_stage", "agentRunStage"]),
            tool,
            runtime: fields.text(&["runtime", "runtime_type", "runtimeType"]),
            attrs: Map::new(),
            problems: Vec::new(),
        };
        let problems = fields.close(&mut attrs);
        Self { attrs, problems, ..body }
    }
}

#[cfg(test)]
mod tests;
