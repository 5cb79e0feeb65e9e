//! Messages as rows: one array for each column, so that a batch is one statement.

use std::collections::HashSet;
use std::sync::LazyLock;

use deadpool_postgres::Transaction;
use message::wire::WireSource;
use time::OffsetDateTime;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::bulk;
use crate::cursor::Cursor;
use crate::store::StoreError;
use crate::stored::StoredMessage;

/// Where a row is: the whole primary key, so that the partition is known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) stream_ts: OffsetDateTime,
    pub(super) cursor: Cursor,
}

/// The columns, as both statements name them. The key, which no copy changes, comes first.
const NAMES: &str = "workflow_namespace, id, stream_ts, epoch, stream_seq, subject, verified, workflow_name, workflow_uid, run_id, \
    step_id, pod, container, attempt, source, agent_id, role, stage, kind, \"timestamp\", seq, channel, content, tool, attrs, \
    runtime";
const VALUES: &str = "given.ns, given.id, given.ts, given.epoch, given.seq, given.subject, given.verified, given.name, given.uid, \
    given.run_id, given.step_id, given.pod, given.container, given.attempt, given.source::json, given.agent, given.role, \
    given.stage, given.kind, given.said, given.number, given.channel, given.content, given.tool::json, given.attrs::json, \
    given.runtime";
const ARRAYS: &str = "$1::text[], $2::uuid[], $3::timestamptz[], $4::bigint[], $5::bigint[], $6::text[], $7::boolean[], \
    $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::integer[], $15::text[], $16::text[], \
    $17::text[], $18::text[], $19::text[], $20::timestamptz[], $21::bigint[], $22::text[], $23::text[], $24::text[], \
    $25::text[], $26::text[]";
const COLUMNS: &str = "ns, id, ts, epoch, seq, subject, verified, name, uid, run_id, step_id, pod, container, attempt, source, \
    agent, role, stage, kind, said, number, channel, content, tool, attrs, runtime";

static INSERT: LazyLock<String> = LazyLock::new(|| {
    format!(
        "INSERT INTO workflow_comms.agent_messages ({NAMES}) SELECT {VALUES} FROM unnest({ARRAYS}) AS given ({COLUMNS}) \
         ON CONFLICT DO NOTHING RETURNING epoch, stream_seq, id"
    )
});

static REPLACE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "UPDATE workflow_comms.agent_messages AS m SET ({NAMES}) = ROW({VALUES}) \
         FROM unnest({ARRAYS}, $27::timestamptz[], $28::bigint[], $29::bigint[]) AS given ({COLUMNS}, old_ts, old_epoch, old_seq) \
         WHERE m.stream_ts = given.old_ts AND m.epoch = given.old_epoch AND m.stream_seq = given.old_seq \
         AND NOT EXISTS (SELECT FROM workflow_comms.agent_messages AS other \
             WHERE other.epoch = given.epoch AND other.stream_seq = given.seq)"
    )
});

static COPY: LazyLock<String> =
    LazyLock::new(|| format!("COPY workflow_comms.agent_messages ({NAMES}) FROM STDIN (FORMAT binary)"));

/// The types of the columns, as they travel: JSON travels as its text.
pub(super) const TYPES: [Type; 26] = [
    Type::TEXT,
    Type::UUID,
    Type::TIMESTAMPTZ,
    Type::INT8,
    Type::INT8,
    Type::TEXT,
    Type::BOOL,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::INT4,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TIMESTAMPTZ,
    Type::INT8,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
];

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// All at once, for as long as nothing stands in the way of one of them.
    Together,
    /// Each that nothing stands in the way of.
    Each,
}

/// Inserts what does not stand in the way of a row; waits for transactions that write the same. Gives what was inserted.
pub(super) async fn insert(
    transaction: &Transaction<'_>,
    rows: &[&StoredMessage],
    way: Way,
) -> Result<HashSet<(Cursor, Uuid)>, StoreError> {
    let action = StoreError::of;
    let columns = Columns::of(rows.iter().copied());
    if way == Way::Together && bulk::copy(transaction, &COPY, &columns).await? {
        return Ok(rows.iter().map(|stored| (stored.cursor, stored.message.id)).collect());
    }
    let statement = transaction.prepare_cached(&INSERT).await.map_err(action("store messages"))?;
    let returned = transaction.query(&statement, &columns.parameters()).await.map_err(action("store messages"))?;
    let inserted = returned.iter().map(|row| {
        let cursor = Cursor { epoch: row.try_get(0)?, sequence: row.try_get(1)? };
        Ok((cursor, row.try_get(2)?))
    });
    inserted.collect::<Result<_, _>>().map_err(action("store messages"))
}

/// Puts messages in the places of their copies, which are locked. Gives how many rows changed: fewer where another message
/// has the position of one.
pub(super) async fn replace(
    transaction: &Transaction<'_>,
    replacements: &[(&StoredMessage, Place)],
) -> Result<usize, StoreError> {
    let action = StoreError::of;
    let columns = Columns::of(replacements.iter().map(|(stored, _)| *stored));
    let times: Vec<OffsetDateTime> = replacements.iter().map(|(_, place)| place.stream_ts).collect();
    let epochs: Vec<i64> = replacements.iter().map(|(_, place)| place.cursor.epoch).collect();
    let sequences: Vec<i64> = replacements.iter().map(|(_, place)| place.cursor.sequence).collect();
    let mut parameters = columns.parameters().to_vec();
    parameters.extend([&times as &(dyn ToSql + Sync), &epochs, &sequences]);
    let statement = transaction.prepare_cached(&REPLACE).await.map_err(action("put originals in place of copies"))?;
    let changed = transaction.execute(&statement, &parameters).await.map_err(action("put originals in place of copies"))?;
    Ok(usize::try_from(changed).unwrap_or(usize::MAX))
}

/// Every column, or one message's value of every column, in the order that the statements name them.
macro_rules! in_order {
    ($columns:ident $([$index:ident])?) => {
        [
            &$columns.workflow_namespace$([$index])?,
            &$columns.id$([$index])?,
            &$columns.stream_ts$([$index])?,
            &$columns.epoch$([$index])?,
            &$columns.stream_seq$([$index])?,
            &$columns.subject$([$index])?,
            &$columns.verified$([$index])?,
            &$columns.workflow_name$([$index])?,
            &$columns.workflow_uid$([$index])?,
            &$columns.run_id$([$index])?,
            &$columns.step_id$([$index])?,
            &$columns.pod$([$index])?,
            &$columns.container$([$index])?,
            &$columns.attempt$([$index])?,
            &$columns.source$([$index])?,
            &$columns.agent_id$([$index])?,
            &$columns.role$([$index])?,
            &$columns.stage$([$index])?,
            &$columns.kind$([$index])?,
            &$columns.timestamp$([$index])?,
            &$columns.seq$([$index])?,
            &$columns.channel$([$index])?,
            &$columns.content$([$index])?,
            &$columns.tool$([$index])?,
            &$columns.attrs$([$index])?,
            &$columns.runtime$([$index])?,
        ]
    };
}

/// The messages of a batch, one array for each column.
#[derive(Default)]
pub(super) struct Columns<'a> {
    stream_ts: Vec<OffsetDateTime>,
    epoch: Vec<i64>,
    stream_seq: Vec<i64>,
    subject: Vec<&'a str>,
    verified: Vec<bool>,
    id: Vec<Uuid>,
    workflow_namespace: Vec<&'a str>,
    workflow_name: Vec<&'a str>,
    workflow_uid: Vec<&'a str>,
    run_id: Vec<Option<&'a str>>,
    step_id: Vec<Option<&'a str>>,
    pod: Vec<Option<&'a str>>,
    container: Vec<Option<&'a str>>,
    attempt: Vec<Option<i32>>,
    source: Vec<Option<String>>,
    agent_id: Vec<&'a str>,
    role: Vec<&'a str>,
    stage: Vec<Option<&'a str>>,
    kind: Vec<&'a str>,
    timestamp: Vec<OffsetDateTime>,
    seq: Vec<Option<i64>>,
    channel: Vec<Option<&'a str>>,
    content: Vec<Option<&'a str>>,
    tool: Vec<Option<String>>,
    attrs: Vec<String>,
    runtime: Vec<Option<&'a str>>,
}

impl<'a> Columns<'a> {
    fn of(rows: impl Iterator<Item = &'a StoredMessage>) -> Self {
        let mut columns = Self::default();
        for stored in rows {
            columns.push(stored);
        }
        columns
    }

    fn push(&mut self, stored: &'a StoredMessage) {
        let message = &stored.message;
        self.stream_ts.push(stored.created_at.moment());
        self.epoch.push(stored.cursor.epoch);
        self.stream_seq.push(stored.cursor.sequence);
        self.subject.push(&stored.subject);
        self.verified.push(stored.verified);
        self.id.push(message.id);
        self.workflow_namespace.push(&message.run.namespace);
        self.workflow_name.push(&message.run.name);
        self.workflow_uid.push(&message.run.uid);
        self.run_id.push(message.run_id.as_deref());
        self.step_id.push(message.step_id.as_deref());
        self.pod.push(message.pod.as_deref());
        self.container.push(message.container.as_deref());
        self.attempt.push(message.attempt.and_then(|attempt| i32::try_from(attempt).ok()));
        let source = message.source.as_ref().and_then(|source| serde_json::to_string(&WireSource::from(source)).ok());
        self.source.push(source);
        self.agent_id.push(&message.agent_id);
        self.role.push(message.role.as_str());
        self.stage.push(message.stage.as_deref());
        self.kind.push(message.kind.as_str());
        self.timestamp.push(message.timestamp.moment());
        self.seq.push(message.seq.and_then(|seq| i64::try_from(seq).ok()));
        self.channel.push(message.channel.as_deref());
        self.content.push(message.content.as_deref());
        self.tool.push(message.tool.as_ref().map(|tool| json(&tool.0)));
        self.attrs.push(json(&message.attrs));
        self.runtime.push(message.runtime.as_deref());
    }

    fn parameters(&self) -> [&(dyn ToSql + Sync); 26] {
        in_order!(self)
    }

    /// How many messages there are.
    pub(super) fn len(&self) -> usize {
        self.id.len()
    }

    /// One message, its columns in the same order.
    pub(super) fn row(&self, index: usize) -> [&(dyn ToSql + Sync); 26] {
        in_order!(self[index])
    }
}

fn json(object: &serde_json::Map<String, serde_json::Value>) -> String {
    // A map of texts to values always serialises.
    serde_json::to_string(object).unwrap_or_else(|_| "{}".to_owned())
}
