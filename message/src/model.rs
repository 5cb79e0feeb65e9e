//! One message, as every part of the system holds it in memory.

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{Kind, Role, RunIdentity, RunKey, Timestamp, Tool};

/// One thing that was said. The field names are the public contract: JSON keys and table columns are the same words.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// UUID version 8 made from the bytes, or the publisher's own (see [`crate::id`]).
    pub id: Uuid,
    /// Namespace, name and uid of the run; [`crate::UNKNOWN`] where nobody knows.
    pub run: RunIdentity,
    /// Run id of an outer system: an alias inside the namespace.
    pub run_id: Option<String>,
    /// Step of the workflow.
    pub step_id: Option<String>,
    /// Name of the pod.
    pub pod: Option<String>,
    /// Name of the container that spoke.
    pub container: Option<String>,
    /// Attempt of the step, from 1 or 0 as the runtime counts.
    pub attempt: Option<u32>,
    /// The bytes that this message was made from.
    pub source: Option<Source>,
    /// Who speaks.
    pub agent_id: String,
    /// In which role.
    pub role: Role,
    /// Stage of the workflow, a free word.
    pub stage: Option<String>,
    /// What sort of message.
    pub kind: Kind,
    /// When it was said.
    pub timestamp: Timestamp,
    /// Counts the messages of one source generation from 1; control records have none.
    pub seq: Option<u64>,
    /// [`crate::GENERAL_CHANNEL`] when it is also shown in the channel shared by all runs.
    pub channel: Option<String>,
    /// Text or markdown. Absent only where [`Message::tool`] says it all.
    pub content: Option<String>,
    /// The call or result, for those kinds.
    pub tool: Option<Tool>,
    /// Any other JSON that came with it.
    pub attrs: Map<String, Value>,
    /// `native`, `argo`, ...
    pub runtime: Option<String>,
}

impl Message {
    /// The key of the run this message belongs to.
    #[must_use]
    pub fn run_key(&self) -> RunKey {
        self.run.key()
    }

    /// Whether it is shown in the channel shared by all runs.
    #[must_use]
    pub fn is_general(&self) -> bool {
        self.channel.as_deref() == Some(crate::GENERAL_CHANNEL)
    }
}

/// The range of bytes that a message was made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Uid of the pod that read it.
    pub pod_uid: String,
    /// Container and path as first seen; `spool` for the socket.
    pub label: String,
    /// Which life of the source: a file that was truncated or replaced starts a new one.
    pub generation: u64,
    /// Offset of the first byte.
    pub start: u64,
    /// Offset after the last byte, its line end included.
    pub end: u64,
    /// Counts the messages made from one range of bytes, from 0.
    pub part: u32,
}
