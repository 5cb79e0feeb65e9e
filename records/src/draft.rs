//! A message before it is redacted, split, numbered and given its identity: only what a step may choose.

use message::{Kind, Role, Timestamp, Tool};
use serde_json::{Map, Value};

/// What a parser makes of a line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Draft {
    pub(crate) kind: Kind,
    /// Else the kind's default.
    pub(crate) role: Option<Role>,
    /// Else the pod's, the recognised program's or the container's.
    pub(crate) agent_id: Option<String>,
    /// Else the pod's.
    pub(crate) stage: Option<String>,
    /// Else the pod's.
    pub(crate) channel: Option<String>,
    pub(crate) content: Option<String>,
    pub(crate) tool: Option<Tool>,
    pub(crate) attrs: Map<String, Value>,
    /// Else the time of reading.
    pub(crate) timestamp: Option<Timestamp>,
    /// The agent program whose event it is.
    pub(crate) program_agent: Option<&'static str>,
    /// Lines of the content that are the inside of a private key that began before it: they are replaced already.
    pub(crate) private_key_lines: u32,
    /// Where it stands, where that is not the line that was read last.
    pub(crate) span: Option<Box<Span>>,
    /// The step's own id.
    pub(crate) own_id: Option<String>,
}

/// The bytes that a draft of several lines was made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    /// Offset of the first byte.
    pub(crate) start: u64,
    /// Offset after the last line's end.
    pub(crate) end: u64,
    /// The bytes, without the last line's end.
    pub(crate) bytes: Vec<u8>,
    /// Container that wrote them, where the source has lines of several.
    pub(crate) container: Option<String>,
    /// Stream that they were written to.
    pub(crate) stream: Option<String>,
}

impl Draft {
    /// A message of one of the known kinds, with this content where it says something.
    pub(crate) fn new(kind: &'static str, content: impl Into<String>) -> Self {
        Self {
            kind: Kind::new(kind).unwrap_or_else(Kind::message),
            role: None,
            agent_id: None,
            stage: None,
            channel: None,
            content: Some(content.into()).filter(|content| !content.is_empty()),
            tool: None,
            attrs: Map::new(),
            timestamp: None,
            program_agent: None,
            private_key_lines: 0,
            span: None,
            own_id: None,
        }
    }

    pub(crate) fn with_attr(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.attrs.insert(key.to_owned(), value.into());
        self
    }

    /// A call or a result.
    pub(crate) fn of_tool(kind: &'static str, tool: Tool) -> Self {
        Self { tool: Some(tool), ..Self::new(kind, "") }
    }

    pub(crate) fn at(mut self, timestamp: Option<Timestamp>) -> Self {
        self.timestamp = timestamp.or(self.timestamp);
        self
    }
}
