//! The lives of the stream, as storing reads them and adds to them.

use deadpool_postgres::{Pool, Transaction};
use message::Timestamp;
use time::OffsetDateTime;
use tokio_postgres::GenericClient;

use crate::epochs::{Epochs, QUERY};
use crate::store::{Lock, StoreError};

/// Reads them all.
///
/// # Errors
/// When `PostgreSQL` is away.
pub async fn read(pool: &Pool) -> Result<Epochs, StoreError> {
    let client = pool.get().await?;
    all(&**client).await
}

async fn all(client: &impl GenericClient) -> Result<Epochs, StoreError> {
    let action = StoreError::of;
    let rows = client.query(QUERY, &[]).await.map_err(action("read the lives of the stream"))?;
    Epochs::of_rows(&rows).map_err(action("read the lives of the stream"))
}

/// What is known of the stream that is served now.
#[derive(Debug, Clone, Copy)]
pub struct StreamLife {
    /// When the stream was created.
    pub created: Timestamp,
    /// Its first sequence.
    pub first_sequence: i64,
}

/// Notes which stream the first life is of, unless that is known. What the stream had let go of before is nobody's loss.
///
/// # Errors
/// When `PostgreSQL` is away.
pub async fn note_first(pool: &Pool, life: StreamLife) -> Result<(), StoreError> {
    let client = pool.get().await?;
    let note = "UPDATE workflow_comms.stream_epochs SET stream_created = $1, first_seq = $2::bigint, \
                watermark = greatest(watermark, $2::bigint - 1) \
                WHERE epoch = 1 AND stream_created IS NULL AND NOT EXISTS (SELECT FROM workflow_comms.stream_epochs WHERE epoch > 1)";
    let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 2] = [&life.created.moment(), &life.first_sequence];
    client.execute(note, &parameters).await.map(drop).map_err(StoreError::of("note the stream"))
}

/// The latest store time of a life that any replica was handed or has stored.
///
/// # Errors
/// When `PostgreSQL` is away.
pub async fn latest(pool: &Pool, epoch: i64) -> Result<(i64, Option<Timestamp>), StoreError> {
    let client = pool.get().await?;
    let action = || StoreError::of("read how far a life of the stream was seen");
    let sql = "SELECT greatest(e.seen_seq, (SELECT max(stream_seq) FROM workflow_comms.agent_messages WHERE epoch = $1)), \
               greatest(e.seen_at, (SELECT max(stream_ts) FROM workflow_comms.agent_messages WHERE epoch = $1)) \
               FROM workflow_comms.stream_epochs e WHERE e.epoch = $1";
    let row = client.query_one(sql, &[&epoch]).await.map_err(action())?;
    let at: Option<OffsetDateTime> = row.try_get(1).map_err(action())?;
    Ok((row.try_get(0).map_err(action())?, at.map(Timestamp::new)))
}

/// When the message was stored by the stream that has a position in the table; nothing when none has.
///
/// # Errors
/// When `PostgreSQL` is away.
pub async fn stored_at(pool: &Pool, epoch: i64, sequence: i64) -> Result<Option<Timestamp>, StoreError> {
    let client = pool.get().await?;
    let sql = "SELECT max(stream_ts) FROM workflow_comms.agent_messages WHERE epoch = $1 AND stream_seq = $2";
    let row = client.query_one(sql, &[&epoch, &sequence]).await;
    let at: Option<OffsetDateTime> = row.and_then(|row| row.try_get(0)).map_err(StoreError::of("read a position"))?;
    Ok(at.map(Timestamp::new))
}

/// A break that was found.
#[derive(Debug, Clone, Copy)]
pub struct Break {
    /// The life that ended.
    pub after: i64,
    /// When the first message after it was stored.
    pub starts_at: Timestamp,
    /// When the stream was created that the new life is of.
    pub created: Timestamp,
    /// The first sequence of the new life.
    pub first_sequence: i64,
    /// What was seen.
    pub reason: &'static str,
}

/// Adds a life, unless another replica has done so, or it would begin before the one that it follows; whether it was added
/// here.
///
/// # Errors
/// When `PostgreSQL` is away.
pub async fn add(pool: &Pool, found: Break) -> Result<bool, StoreError> {
    let mut client = pool.get().await?;
    let action = StoreError::of;
    let transaction = client.transaction().await.map_err(action("begin"))?;
    lock(&transaction).await?;
    let known = all(&*transaction).await?;
    let begins_before = known.0.last().is_some_and(|newest| newest.starts_at.is_some_and(|start| start >= found.starts_at));
    if known.newest() != found.after || begins_before {
        return Ok(false);
    }
    let add = "INSERT INTO workflow_comms.stream_epochs (epoch, starts_at, stream_created, first_seq, watermark, reason) \
               VALUES ($1, $2, $3, $4::bigint, $4::bigint - 1, $5) ON CONFLICT (starts_at) DO NOTHING";
    let (starts_at, created) = (found.starts_at.moment(), found.created.moment());
    let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
        [&(found.after + 1), &starts_at, &created, &found.first_sequence, &found.reason];
    let added = transaction.execute(add, &parameters).await.map_err(action("add a life"))? == 1;
    let end = "UPDATE workflow_comms.stream_epochs SET settle_since = clock_timestamp() WHERE epoch = $1";
    transaction.execute(end, &[&found.after]).await.map_err(action("add a life"))?;
    transaction.commit().await.map_err(action("commit"))?;
    Ok(added)
}

/// Waits for the batches that are being written, and holds off those that come: no life changes under a batch.
pub(super) async fn lock(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    let sql = "SELECT pg_advisory_xact_lock($1)";
    transaction.execute(sql, &[&Lock::Epochs.key()]).await.map(drop).map_err(StoreError::of("lock the lives of the stream"))
}
