//! A row of the table into the message it was made from, equal in every field.

use message::{Kind, Message, Role, RunIdentity, Source, Timestamp, Tool};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use tokio_postgres::Row;
use tokio_postgres::types::Json;

use crate::cursor::Cursor;
use crate::read::ReadError;
use crate::stored::StoredMessage;

/// The columns that [`stored`] reads, of the table under the name `m`.
pub(crate) const COLUMNS: &str = "m.stream_ts, m.epoch, m.stream_seq, m.subject, m.verified, m.id, m.workflow_namespace, \
    m.workflow_name, m.workflow_uid, m.run_id, m.step_id, m.pod, m.container, m.attempt, m.source, m.agent_id, m.role, \
    m.stage, m.kind, m.\"timestamp\", m.seq, m.channel, m.content, m.tool, m.attrs, m.runtime";

/// How many bytes a message of this row holds in texts of any length. Of `content` this is known without reading it.
pub(super) const WEIGHT: &str = "coalesce(octet_length(m.content), 0) + coalesce(octet_length(m.tool::text), 0) \
    + octet_length(m.attrs::text)";

/// Reads a row of [`COLUMNS`].
pub(crate) fn stored(row: &Row) -> Result<StoredMessage, ReadError> {
    let role: &str = row.try_get("role")?;
    let kind: &str = row.try_get("kind")?;
    let source: Option<Json<Value>> = row.try_get("source")?;
    let tool: Option<Json<Map<String, Value>>> = row.try_get("tool")?;
    let Json(attrs) = row.try_get("attrs")?;
    let message = Message {
        id: row.try_get("id")?,
        run: RunIdentity {
            namespace: row.try_get("workflow_namespace")?,
            name: row.try_get("workflow_name")?,
            uid: row.try_get("workflow_uid")?,
        },
        run_id: row.try_get("run_id")?,
        step_id: row.try_get("step_id")?,
        pod: row.try_get("pod")?,
        container: row.try_get("container")?,
        attempt: row.try_get::<_, Option<i32>>("attempt")?.and_then(|attempt| u32::try_from(attempt).ok()),
        source: source.map(|Json(value)| source_of(&value)).transpose()?,
        agent_id: row.try_get("agent_id")?,
        role: Role::new(role).ok_or_else(|| wrong("role", role, "role"))?,
        stage: row.try_get("stage")?,
        kind: Kind::new(kind).ok_or_else(|| wrong("kind", kind, "kind"))?,
        timestamp: timestamp(row, "timestamp")?,
        seq: row.try_get::<_, Option<i64>>("seq")?.and_then(|seq| u64::try_from(seq).ok()),
        channel: row.try_get("channel")?,
        content: row.try_get("content")?,
        tool: tool.map(|Json(object)| Tool(object)),
        attrs,
        runtime: row.try_get("runtime")?,
    };
    Ok(StoredMessage {
        cursor: cursor(row, "epoch", "stream_seq")?,
        created_at: timestamp(row, "stream_ts")?,
        subject: row.try_get("subject")?,
        verified: row.try_get("verified")?,
        message,
    })
}

/// A time, as every column holds it.
pub(super) fn timestamp(row: &Row, column: &str) -> Result<Timestamp, ReadError> {
    Ok(Timestamp::new(row.try_get::<_, OffsetDateTime>(column)?))
}

/// A position, from its two columns.
pub(super) fn cursor(row: &Row, epoch: &str, sequence: &str) -> Result<Cursor, ReadError> {
    Ok(Cursor { epoch: row.try_get(epoch)?, sequence: row.try_get(sequence)? })
}

fn wrong(column: &'static str, value: &str, wanted: &'static str) -> ReadError {
    ReadError::Value { column, value: value.to_owned(), wanted }
}

fn source_of(value: &Value) -> Result<Source, ReadError> {
    let number = |key: &str| value.get(key).and_then(Value::as_u64);
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(ToOwned::to_owned);
    let source = || {
        Some(Source {
            pod_uid: text("pod_uid")?,
            label: text("label")?,
            generation: number("generation")?,
            start: number("start")?,
            end: number("end")?,
            part: u32::try_from(number("part")?).ok()?,
        })
    };
    source().ok_or_else(|| wrong("source", &value.to_string(), "source range"))
}
