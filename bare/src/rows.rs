//! Rows in memory, one array for each column and batch.

use time::OffsetDateTime;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row};
use uuid::Uuid;

/// As many as ingest stores at once.
pub const BATCH: usize = 500;

/// One statement a batch.
pub const INSERT: &str = "INSERT INTO workflow_comms.agent_messages \
    (workflow_namespace, id, stream_ts, epoch, stream_seq, subject, verified, workflow_name, workflow_uid, run_id, step_id, pod, \
     container, attempt, source, agent_id, role, stage, kind, \"timestamp\", seq, channel, content, tool, attrs, runtime) \
    SELECT ns, id, ts, epoch, number, subject, verified, name, uid, run_id, step_id, pod, container, attempt, source::json, agent, \
     role, stage, kind, said, seq, channel, content, tool::json, attrs::json, runtime \
    FROM unnest($1::text[], $2::uuid[], $3::timestamptz[], $4::bigint[], $5::bigint[], $6::text[], $7::boolean[], $8::text[], \
     $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::integer[], $15::text[], $16::text[], $17::text[], \
     $18::text[], $19::text[], $20::timestamptz[], $21::bigint[], $22::text[], $23::text[], $24::text[], $25::text[], $26::text[]) \
     AS given (ns, id, ts, epoch, number, subject, verified, name, uid, run_id, step_id, pod, container, attempt, source, agent, \
     role, stage, kind, said, seq, channel, content, tool, attrs, runtime) \
    ON CONFLICT DO NOTHING";

const READ: &str = "SELECT workflow_namespace, id, stream_ts, epoch, stream_seq, subject, verified, workflow_name, workflow_uid, \
     run_id, step_id, pod, container, attempt, source::text, agent_id, role, stage, kind, \"timestamp\", seq, channel, content, \
     tool::text, attrs::text, runtime \
    FROM workflow_comms.agent_messages ORDER BY epoch, stream_seq";

/// Rows that are one statement.
#[derive(Default)]
pub struct Batch {
    /// By their place among the parameters.
    texts: [Vec<Option<String>>; 18],
    ids: Vec<Uuid>,
    times: [Vec<OffsetDateTime>; 2],
    numbers: [Vec<Option<i64>>; 3],
    verified: Vec<bool>,
    attempts: Vec<Option<i32>>,
}

/// Which columns are texts, numbers and times, in the order of the statement.
const TEXTS: [usize; 18] = [0, 5, 7, 8, 9, 10, 11, 12, 14, 15, 16, 17, 18, 21, 22, 23, 24, 25];
const NUMBERS: [usize; 3] = [3, 4, 20];
const TIMES: [usize; 2] = [2, 19];

/// All rows of the table, in the order of the stream.
pub async fn load(client: &Client) -> anyhow::Result<Vec<Batch>> {
    let rows = client.query(READ, &[]).await?;
    rows.chunks(BATCH).map(batch).collect()
}

fn batch(rows: &[Row]) -> anyhow::Result<Batch> {
    let mut batch = Batch::default();
    for row in rows {
        for (column, texts) in TEXTS.iter().zip(&mut batch.texts) {
            texts.push(row.try_get(column)?);
        }
        for (column, numbers) in NUMBERS.iter().zip(&mut batch.numbers) {
            numbers.push(row.try_get(column)?);
        }
        for (column, times) in TIMES.iter().zip(&mut batch.times) {
            times.push(row.try_get(column)?);
        }
        batch.ids.push(row.try_get(1)?);
        batch.verified.push(row.try_get(6)?);
        batch.attempts.push(row.try_get(13)?);
    }
    Ok(batch)
}

impl Batch {
    /// How many rows it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// In the order of the statement.
    #[must_use]
    pub fn parameters(&self) -> [&(dyn ToSql + Sync); 26] {
        let [
            ns,
            subject,
            name,
            uid,
            run_id,
            step_id,
            pod,
            container,
            source,
            agent,
            role,
            stage,
            kind,
            channel,
            content,
            tool,
            attrs,
            runtime,
        ] = &self.texts;
        let [epoch, number, seq] = &self.numbers;
        let [stored, said] = &self.times;
        [
            ns,
            &self.ids,
            stored,
            epoch,
            number,
            subject,
            &self.verified,
            name,
            uid,
            run_id,
            step_id,
            pod,
            container,
            &self.attempts,
            source,
            agent,
            role,
            stage,
            kind,
            said,
            seq,
            channel,
            content,
            tool,
            attrs,
            runtime,
        ]
    }
}
