//! A database with the schema, and rows put there one by one, so that a test decides what is committed when.

use std::collections::HashSet;
use std::sync::Arc;

use deadpool_postgres::{Manager, Pool};
use ingest::stored::StoredMessage;
use message::{Received, Timestamp};
use neighbours::Postgres;
use time::{Date, Duration, OffsetDateTime};
use tokio_postgres::NoTls;
use tokio_postgres::types::Json;

/// A database of one test. The server lives as long as it does.
pub(crate) struct Table {
    pub(crate) pool: Pool,
    _server: Arc<Postgres>,
    /// Days that have a partition.
    days: tokio::sync::Mutex<HashSet<Date>>,
}

/// When the messages of tests that need no stream are stored: the same day, a microsecond apart.
pub(crate) fn moment(sequence: u64) -> OffsetDateTime {
    let start = OffsetDateTime::from_unix_timestamp(1_790_000_000).unwrap();
    start + Duration::microseconds(i64::try_from(sequence).unwrap())
}

/// A message as the stream would hand it out.
pub(crate) fn stored(sequence: u64, subject: &str, payload: &str) -> StoredMessage {
    let received = Received { subject, payload: payload.as_bytes(), stored_at: moment(sequence), sequence };
    StoredMessage::decode(1, &received).unwrap()
}

impl Table {
    pub(crate) async fn new(name: &str) -> Self {
        let server = Postgres::shared().await.unwrap();
        let url = server.create_database(name).await.unwrap();
        let pool = Pool::builder(Manager::new(url.parse().unwrap(), NoTls)).max_size(4).build().unwrap();
        let schema = include_str!("../migrations/0001_workflow_comms.sql");
        pool.get().await.unwrap().batch_execute(schema).await.unwrap();
        Self { pool, _server: server, days: tokio::sync::Mutex::default() }
    }

    /// Puts a message there as its row, unless a copy of it is there, and counts it for its run.
    pub(crate) async fn insert(&self, stored: &StoredMessage) {
        self.make_partition(stored.created_at.moment().date()).await;
        let client = self.pool.get().await.unwrap();
        let message = &stored.message;
        let source =
            message.source.as_ref().map(|source| Json(serde_json::to_value(message::wire::WireSource::from(source)).unwrap()));
        let inserted = client
            .execute(
                "INSERT INTO workflow_comms.agent_messages (stream_ts, epoch, stream_seq, subject, verified, id, \
                 workflow_namespace, workflow_name, workflow_uid, run_id, step_id, pod, container, attempt, source, agent_id, \
                 role, stage, kind, \"timestamp\", seq, channel, content, tool, attrs, runtime) VALUES ($1, $2, $3, $4, $5, $6, \
                 $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26) \
                 ON CONFLICT DO NOTHING",
                &[
                    &stored.created_at.moment(),
                    &stored.cursor.epoch,
                    &stored.cursor.sequence,
                    &stored.subject,
                    &stored.verified,
                    &message.id,
                    &message.run.namespace,
                    &message.run.name,
                    &message.run.uid,
                    &message.run_id,
                    &message.step_id,
                    &message.pod,
                    &message.container,
                    &message.attempt.map(|attempt| i32::try_from(attempt).unwrap()),
                    &source,
                    &message.agent_id,
                    &message.role.as_str(),
                    &message.stage,
                    &message.kind.as_str(),
                    &message.timestamp.moment(),
                    &message.seq.map(|seq| i64::try_from(seq).unwrap()),
                    &message.channel,
                    &message.content,
                    &message.tool.as_ref().map(|tool| Json(&tool.0)),
                    &Json(&message.attrs),
                    &message.runtime,
                ],
            )
            .await
            .unwrap();
        if stored.verified && inserted == 1 {
            self.count(stored).await;
        }
    }

    async fn make_partition(&self, day: Date) {
        let mut days = self.days.lock().await;
        if !days.insert(day) {
            return;
        }
        let name = format!("agent_messages_{}", day.to_string().replace('-', "_"));
        let until = day.next_day().unwrap();
        let partition = format!(
            "CREATE TABLE workflow_comms.{name} PARTITION OF workflow_comms.agent_messages FOR VALUES FROM ('{day}') TO ('{until}'); \
             CREATE UNIQUE INDEX {name}_id ON workflow_comms.{name} (workflow_namespace, id); \
             CREATE UNIQUE INDEX {name}_cursor ON workflow_comms.{name} (epoch, stream_seq)"
        );
        self.pool.get().await.unwrap().batch_execute(&partition).await.unwrap();
    }

    async fn count(&self, stored: &StoredMessage) {
        let message = &stored.message;
        let key = ingest::read::runs::key_text(&message.run_key());
        let (at, epoch, sequence): (Timestamp, i64, i64) = (stored.created_at, stored.cursor.epoch, stored.cursor.sequence);
        let client = self.pool.get().await.unwrap();
        client
            .execute(
                "INSERT INTO workflow_comms.runs AS r (workflow_namespace, run_key, workflow_name, workflow_uid, run_id, runtime, \
                 first_epoch, first_seq, first_at, last_epoch, last_seq, last_at, messages, kinds, agents, preview) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $7, $8, $9, 1, jsonb_build_object($10::text, 1), \
                 jsonb_build_object($11::text, 1), $12) ON CONFLICT (workflow_namespace, run_key) DO UPDATE SET \
                 messages = r.messages + 1, last_epoch = $7, last_seq = $8, last_at = $9, preview = $12",
                &[
                    &message.run.namespace,
                    &key,
                    &message.run.name,
                    &message.run.uid,
                    &message.run_id,
                    &message.runtime,
                    &epoch,
                    &sequence,
                    &at.moment(),
                    &message.kind.as_str(),
                    &message.agent_id,
                    &message.content,
                ],
            )
            .await
            .unwrap();
    }
}
