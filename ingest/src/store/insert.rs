//! One transaction a batch: messages, what is known of their runs, dead letters.
//!
//! Written twice, a batch changes nothing: rows that are there stay, and only rows that were not count.

use std::collections::HashSet;

use deadpool_postgres::{Pool, Transaction};
use message::wire::WireSource;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::batch::{Batch, Row};
use crate::cursor::Cursor;
use crate::epochs::Epochs;
use crate::store::dead_letter::DeadLetter;
use crate::store::{Lock, StoreError, summary};
use crate::stored::StoredMessage;

/// What a transaction did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Inserted {
    /// Messages that are new.
    pub rows: usize,
    /// Messages that were there: redelivered, or copies.
    pub repeated: usize,
    /// Dead letters that are new.
    pub dead: usize,
}

const INSERT: &str = "INSERT INTO workflow_comms.agent_messages \
    (stream_ts, epoch, stream_seq, subject, verified, id, workflow_namespace, workflow_name, workflow_uid, run_id, step_id, \
     pod, container, attempt, source, agent_id, role, stage, kind, \"timestamp\", seq, channel, content, tool, attrs, runtime) \
    SELECT ts, epoch, seq, subject, verified, id, ns, name, uid, run_id, step_id, pod, container, attempt, source::json, agent, \
           role, stage, kind, said, number, channel, content, tool::json, attrs::json, runtime \
    FROM unnest($1::timestamptz[], $2::bigint[], $3::bigint[], $4::text[], $5::boolean[], $6::uuid[], $7::text[], $8::text[], \
        $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::integer[], $15::text[], $16::text[], $17::text[], \
        $18::text[], $19::text[], $20::timestamptz[], $21::bigint[], $22::text[], $23::text[], $24::text[], $25::text[], \
        $26::text[]) \
      AS row (ts, epoch, seq, subject, verified, id, ns, name, uid, run_id, step_id, pod, container, attempt, source, agent, \
        role, stage, kind, said, number, channel, content, tool, attrs, runtime) \
    ON CONFLICT DO NOTHING RETURNING epoch, stream_seq";

const INSERT_DEAD: &str = "INSERT INTO workflow_comms.dead_letters \
    (epoch, stream_seq, stream_ts, subject, headers, payload, class, error) \
    SELECT epoch, seq, ts, subject, headers::json, payload, class, error \
    FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[], $4::text[], $5::text[], $6::bytea[], $7::text[], $8::text[]) \
      AS row (epoch, seq, ts, subject, headers, payload, class, error) \
    ON CONFLICT DO NOTHING";

/// A partition's index knows its own day only; a copy that was sent again may have its original on an earlier one.
const FIND_EARLIER: &str = "SELECT key.ns, key.id \
    FROM unnest($1::text[], $2::uuid[], $3::bigint[], $4::bigint[]) AS key (ns, id, epoch, seq) \
    JOIN workflow_comms.agent_messages AS m ON m.workflow_namespace = key.ns AND m.id = key.id \
    WHERE (m.epoch, m.stream_seq) < (key.epoch, key.seq)";

/// Stores a batch that was read with these lives of the stream.
///
/// # Errors
/// When `PostgreSQL` is away or refuses, or a life of the stream was added since; nothing is stored then.
pub async fn insert(pool: &Pool, batch: &Batch, epochs: &Epochs) -> Result<Inserted, StoreError> {
    let mut client = pool.get().await?;
    let action = StoreError::of;
    let transaction = client.transaction().await.map_err(action("begin"))?;
    check_epochs(&transaction, epochs).await?;
    let rows = without_earlier_copies(&transaction, &batch.rows).await?;
    let new = insert_rows(&transaction, &rows).await?;
    summary::add(&transaction, &new).await?;
    let dead = insert_dead(&transaction, &batch.dead).await?;
    transaction.commit().await.map_err(action("commit"))?;
    Ok(Inserted { rows: new.len(), repeated: batch.rows.len() - new.len(), dead })
}

/// No life is added while a batch is being written, so its cursors are the same on every replica.
async fn check_epochs(transaction: &Transaction<'_>, epochs: &Epochs) -> Result<(), StoreError> {
    let action = StoreError::of;
    let lock = "SELECT pg_advisory_xact_lock_shared($1)";
    let lock = transaction.prepare_cached(lock).await.map_err(action("lock the lives of the stream"))?;
    transaction.execute(&lock, &[&Lock::Epochs.key()]).await.map_err(action("lock the lives of the stream"))?;
    let newest = "SELECT max(epoch) FROM workflow_comms.stream_epochs";
    let newest = transaction.prepare_cached(newest).await.map_err(action("read the lives of the stream"))?;
    let row = transaction.query_one(&newest, &[]).await.map_err(action("read the lives of the stream"))?;
    let newest: i64 = row.try_get(0).map_err(action("read the lives of the stream"))?;
    if newest == epochs.newest() { Ok(()) } else { Err(StoreError::EpochChanged) }
}

async fn without_earlier_copies<'a>(
    transaction: &Transaction<'_>,
    rows: &'a [Row],
) -> Result<Vec<&'a StoredMessage>, StoreError> {
    let resent: Vec<&StoredMessage> = rows.iter().filter(|row| row.resent).map(|row| &row.stored).collect();
    if resent.is_empty() {
        return Ok(rows.iter().map(|row| &row.stored).collect());
    }
    let action = StoreError::of;
    let namespaces: Vec<&str> = resent.iter().map(|stored| stored.message.run.namespace.as_str()).collect();
    let ids: Vec<Uuid> = resent.iter().map(|stored| stored.message.id).collect();
    let epochs: Vec<i64> = resent.iter().map(|stored| stored.cursor.epoch).collect();
    let sequences: Vec<i64> = resent.iter().map(|stored| stored.cursor.sequence).collect();
    let find = transaction.prepare_cached(FIND_EARLIER).await.map_err(action("look for earlier copies"))?;
    let found = transaction.query(&find, &[&namespaces, &ids, &epochs, &sequences]).await;
    let mut known: HashSet<(String, Uuid)> = HashSet::new();
    for row in found.map_err(action("look for earlier copies"))? {
        known.insert((
            row.try_get(0).map_err(action("look for earlier copies"))?,
            row.try_get(1).map_err(action("look for earlier copies"))?,
        ));
    }
    let is_known = |stored: &StoredMessage| known.contains(&(stored.message.run.namespace.clone(), stored.message.id));
    Ok(rows.iter().filter(|row| !row.resent || !is_known(&row.stored)).map(|row| &row.stored).collect())
}

/// Returns the messages that are new.
async fn insert_rows<'a>(
    transaction: &Transaction<'_>,
    rows: &[&'a StoredMessage],
) -> Result<Vec<&'a StoredMessage>, StoreError> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let action = StoreError::of;
    let columns = Columns::of(rows);
    let insert = transaction.prepare_cached(INSERT).await.map_err(action("store messages"))?;
    let returned = transaction.query(&insert, &columns.parameters()).await.map_err(action("store messages"))?;
    let mut new = HashSet::with_capacity(returned.len());
    for row in &returned {
        let epoch = row.try_get(0).map_err(action("store messages"))?;
        new.insert(Cursor { epoch, sequence: row.try_get(1).map_err(action("store messages"))? });
    }
    Ok(rows.iter().copied().filter(|stored| new.contains(&stored.cursor)).collect())
}

async fn insert_dead(transaction: &Transaction<'_>, dead: &[DeadLetter]) -> Result<usize, StoreError> {
    if dead.is_empty() {
        return Ok(0);
    }
    let action = StoreError::of;
    let insert = transaction.prepare_cached(INSERT_DEAD).await.map_err(action("store dead letters"))?;
    let epochs: Vec<i64> = dead.iter().map(|letter| letter.epoch).collect();
    let sequences: Vec<i64> = dead.iter().map(|letter| letter.sequence).collect();
    let times: Vec<OffsetDateTime> = dead.iter().map(|letter| letter.stored_at).collect();
    let subjects: Vec<&str> = dead.iter().map(|letter| letter.subject.as_str()).collect();
    let headers: Vec<Option<&str>> = dead.iter().map(|letter| letter.headers.as_deref()).collect();
    let payloads: Vec<&[u8]> = dead.iter().map(|letter| letter.payload.as_ref()).collect();
    let classes: Vec<&str> = dead.iter().map(|letter| letter.class).collect();
    let errors: Vec<&str> = dead.iter().map(|letter| letter.error.as_str()).collect();
    let stored = transaction
        .execute(&insert, &[&epochs, &sequences, &times, &subjects, &headers, &payloads, &classes, &errors])
        .await
        .map_err(action("store dead letters"))?;
    Ok(usize::try_from(stored).unwrap_or(usize::MAX))
}

/// The messages of a batch, one array for each column.
#[derive(Default)]
struct Columns<'a> {
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
    fn of(rows: &[&'a StoredMessage]) -> Self {
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

    fn parameters(&self) -> [&(dyn tokio_postgres::types::ToSql + Sync); 26] {
        [
            &self.stream_ts,
            &self.epoch,
            &self.stream_seq,
            &self.subject,
            &self.verified,
            &self.id,
            &self.workflow_namespace,
            &self.workflow_name,
            &self.workflow_uid,
            &self.run_id,
            &self.step_id,
            &self.pod,
            &self.container,
            &self.attempt,
            &self.source,
            &self.agent_id,
            &self.role,
            &self.stage,
            &self.kind,
            &self.timestamp,
            &self.seq,
            &self.channel,
            &self.content,
            &self.tool,
            &self.attrs,
            &self.runtime,
        ]
    }
}

fn json(object: &serde_json::Map<String, serde_json::Value>) -> String {
    // A map of texts to values always serialises.
    serde_json::to_string(object).unwrap_or_else(|_| "{}".to_owned())
}
