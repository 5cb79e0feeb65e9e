//! Messages for the tests of the pages.

use message::{Kind, Message, Role, RunIdentity, Timestamp, Tool};
use serde_json::{Map, Value};

use crate::cursor::Cursor;
use crate::stored::StoredMessage;

/// A message at a position, said that many milliseconds after a fixed moment.
pub(crate) fn said(sequence: i64, kind: &str, agent: &str, content: &str) -> StoredMessage {
    let start = Timestamp::parse("2026-11-23T14:02:11.004Z").unwrap();
    let timestamp = Timestamp::from_unix_micros(start.unix_micros() + sequence * 731_000).unwrap();
    let kind = Kind::new(kind).unwrap();
    StoredMessage {
        cursor: Cursor { epoch: 1, sequence },
        created_at: timestamp,
        subject: String::new(),
        verified: true,
        message: Message {
            id: uuid::Uuid::from_u128(u128::try_from(sequence).unwrap()),
            run: RunIdentity { namespace: "agents".to_owned(), name: "fix-bug".to_owned(), uid: "uid-1".to_owned() },
            run_id: None,
            step_id: Some("implement".to_owned()),
            pod: Some("pod-1".to_owned()),
            container: Some("main".to_owned()),
            attempt: Some(1),
            source: None,
            agent_id: agent.to_owned(),
            role: if kind.as_str() == Kind::MESSAGE { Role::Assistant } else { kind.default_role() },
            stage: None,
            kind,
            timestamp,
            seq: None,
            channel: None,
            content: Some(content.to_owned()),
            tool: None,
            attrs: Map::new(),
            runtime: Some("argo".to_owned()),
        },
    }
}

/// The same with an attribute.
pub(crate) fn with(mut stored: StoredMessage, attribute: &str, value: impl Into<Value>) -> StoredMessage {
    stored.message.attrs.insert(attribute.to_owned(), value.into());
    stored
}

/// A call or its result.
pub(crate) fn tool(sequence: i64, kind: &str, tool: Tool) -> StoredMessage {
    let mut stored = said(sequence, kind, "coder", "");
    stored.message.content = None;
    stored.message.tool = Some(tool);
    stored
}
