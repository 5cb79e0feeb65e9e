//! Reads what of a pod's sources is there already: first the stream above the watermark, then the table, so that nothing that
//! is stored meanwhile falls between them.

use std::collections::{HashMap, HashSet};

use anyhow::Context as _;
use async_nats::jetstream;
use deadpool_postgres::Pool;
use message::identity::names_nothing;
use message::{Kind, PodIdentity, RunIdentity, Source, escape};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::held::Held;
use crate::consume::STREAM;
use crate::cursor::Cursor;
use crate::past::{Begin, Past};
use crate::store::epochs;

/// Rows read at once.
const PAGE: i64 = 10_000;
/// What is there of a pod.
#[derive(Debug, Default)]
pub struct There {
    /// Ids of all its messages.
    pub ids: HashSet<Uuid>,
    /// Ranges by label and generation.
    held: HashMap<(String, u64), Held>,
}

impl There {
    /// What is there of one life of a source.
    pub fn held(&mut self, label: &str, generation: u64) -> Held {
        self.held.remove(&(label.to_owned(), generation)).unwrap_or_default()
    }

    fn add(&mut self, id: Uuid, kind: &str, source: &Source) {
        self.ids.insert(id);
        if Kind::new(kind).is_none_or(|kind| !kind.is_control()) {
            self.held.entry((source.label.clone(), source.generation)).or_default().add(source);
        }
    }
}

/// Reads what is there.
///
/// # Errors
/// When stream or table cannot be read.
pub async fn read(pool: &Pool, jetstream: &jetstream::Context, pod: &PodIdentity) -> anyhow::Result<There> {
    let mut there = There::default();
    let known = epochs::read(pool).await.context("the lives of the stream cannot be read")?;
    // Of a stream whose earlier life is not settled everything is looked at.
    let from = match known.0.split_last() {
        Some((newest, earlier)) if earlier.iter().all(|epoch| epoch.settled) => newest.watermark + 1,
        _ => 1,
    };
    of_stream(&mut there, jetstream, pod, u64::try_from(from).unwrap_or(1)).await.context("the stream cannot be read")?;
    of_table(&mut there, pool, pod).await.context("the table cannot be read")?;
    Ok(there)
}

async fn of_table(there: &mut There, pool: &Pool, pod: &PodIdentity) -> anyhow::Result<()> {
    let client = pool.get().await?;
    let RunIdentity { namespace, name, uid } = &pod.run;
    let (which, value) = if names_nothing(uid) {
        ("workflow_name = $2 AND workflow_uid IN ('', 'unknown')", name)
    } else {
        ("workflow_uid = $2", uid)
    };
    let sql = format!(
        "SELECT id, kind, source->>'label' AS label, source->>'generation' AS generation, source->>'start' AS start, \
             source->>'end' AS \"end\", coalesce(source->>'part', '0') AS part, source->>'pod_uid' AS pod_uid, epoch, stream_seq \
         FROM workflow_comms.agent_messages \
         WHERE workflow_namespace = $1 AND {which} AND (epoch, stream_seq) > ($3, $4) \
         ORDER BY epoch, stream_seq LIMIT $5"
    );
    let statement = client.prepare(&sql).await?;
    let mut after = Cursor::default();
    loop {
        let parameters: [&(dyn ToSql + Sync); 5] = [namespace, value, &after.epoch, &after.sequence, &PAGE];
        let rows = client.query(&statement, &parameters).await?;
        for row in &rows {
            if let Some(source) = source_of(row)?
                && source.pod_uid == pod.pod_uid
            {
                there.add(row.try_get("id")?, row.try_get("kind")?, &source);
            }
        }
        let Some(last) = rows.last() else { return Ok(()) };
        after = Cursor { epoch: last.try_get("epoch")?, sequence: last.try_get("stream_seq")? };
    }
}

/// Where a row was read from. Others write there what they like: what holds no numbers says nothing of a file.
fn source_of(row: &Row) -> Result<Option<Source>, tokio_postgres::Error> {
    let text = |name| row.try_get::<_, Option<String>>(name);
    let number = |name| text(name).map(|text| text.and_then(|text| text.parse::<u64>().ok()));
    let (Some(pod_uid), Some(label)) = (text("pod_uid")?, text("label")?) else { return Ok(None) };
    let (Some(generation), Some(start), Some(end), Some(part)) =
        (number("generation")?, number("start")?, number("end")?, number("part")?)
    else {
        return Ok(None);
    };
    let Ok(part) = u32::try_from(part) else { return Ok(None) };
    Ok(Some(Source { pod_uid, label, generation, start, end, part }))
}

/// The subjects that the messages of a run have.
fn subjects(run: &RunIdentity) -> Vec<String> {
    let namespace = escape::escape_namespace(&run.namespace);
    let (name, uid) = (escape::escape(&run.name, escape::NAME_LIMIT), escape::escape(&run.uid, escape::NAME_LIMIT));
    vec![format!("workflow.{namespace}.{name}.{uid}.>"), format!("workflow.general.*.{namespace}.{name}.{uid}.>")]
}

async fn of_stream(there: &mut There, jetstream: &jetstream::Context, pod: &PodIdentity, from: u64) -> anyhow::Result<()> {
    let stream = jetstream.get_stream(STREAM).await?;
    let mut past = Past::begin(jetstream, stream, "backfill", Begin::Sequence(from), subjects(&pod.run)).await?;
    while let Some(deliveries) = past.next().await? {
        for delivery in &deliveries {
            // What cannot be read says nothing of the file.
            let Ok(decoded) = message::decode(&delivery.received()) else { continue };
            let message = decoded.message;
            if let Some(source) = message.source.filter(|source| source.pod_uid == pod.pod_uid) {
                there.add(message.id, message.kind.as_str(), &source);
            }
        }
    }
    past.end().await;
    Ok(())
}
