//! A message as the API tells it, as far as a terminal shows it.

use message::Tool;
use serde::Deserialize;
use serde_json::{Map, Value};

/// A message. Whatever a server leaves out is absent, so that an older or a newer one is understood as far as it can be.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Said {
    /// Id, unique in its namespace.
    pub id: String,
    /// Position.
    pub cursor: String,
    /// When the stream stored it, RFC 3339.
    pub created_at: String,
    /// Namespace of the run.
    pub workflow_namespace: String,
    /// Name of the run.
    pub workflow_name: String,
    /// Uid of the run.
    pub workflow_uid: String,
    /// Pod that said it.
    pub pod: Option<String>,
    /// Who said it.
    pub agent_id: String,
    /// What sort of message.
    pub kind: String,
    /// When it was said, RFC 3339.
    pub timestamp: String,
    /// Channel that it was also said in.
    pub channel: Option<String>,
    /// What was said.
    pub content: Option<String>,
    /// The tool that was called.
    pub tool: Option<Map<String, Value>>,
    /// Anything else.
    pub attrs: Map<String, Value>,
    /// Whether this is only the start of it.
    pub truncated: Option<bool>,
    /// Bytes of the whole, where this is only the start.
    pub content_bytes: Option<u64>,
}

impl Said {
    /// The tool call or result.
    #[must_use]
    pub fn tool(&self) -> Tool {
        Tool(self.tool.clone().unwrap_or_default())
    }
}
