//! The lives of the stream. Every replica maps a message to the same life, because only its store time decides.

use deadpool_postgres::Pool;
use time::OffsetDateTime;
use tokio_postgres::GenericClient;

use crate::store::{Lock, StoreError};

const READ: &str = "SELECT epoch, CASE WHEN isfinite(starts_at) THEN starts_at END \
    FROM workflow_comms.stream_epochs ORDER BY epoch";

/// Every life of the stream, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Epochs(Vec<(i64, Option<OffsetDateTime>)>);

impl Epochs {
    /// The life that a message stored at this moment belongs to: the last that starts not after it.
    #[must_use]
    pub fn of_moment(&self, moment: OffsetDateTime) -> i64 {
        let moment = message::Timestamp::new(moment).moment();
        let found = self.0.iter().rev().find(|(_, start)| start.is_none_or(|start| start <= moment));
        found.or(self.0.first()).map_or(1, |(epoch, _)| *epoch)
    }

    /// Only the first life, as before any break of the stream.
    #[must_use]
    pub fn first() -> Self {
        Self(vec![(1, None)])
    }

    /// The newest life.
    #[must_use]
    pub fn newest(&self) -> i64 {
        self.0.last().map_or(1, |(epoch, _)| *epoch)
    }
}

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
    let rows = client.query(READ, &[]).await.map_err(action("read the lives of the stream"))?;
    let pairs = rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
    Ok(Epochs(pairs.collect::<Result<_, _>>().map_err(action("read the lives of the stream"))?))
}

/// What is known of the stream that is served now.
#[derive(Debug, Clone, Copy)]
pub struct StreamLife {
    /// When the stream was created.
    pub created: OffsetDateTime,
    /// Its first sequence.
    pub first_sequence: i64,
}

/// Notes when the stream was created, and adds a life when it was created anew since. Returns them all.
///
/// # Errors
/// When `PostgreSQL` is away or refuses.
pub async fn observe(pool: &Pool, life: StreamLife) -> Result<Epochs, StoreError> {
    let created = message::Timestamp::new(life.created).moment();
    let mut client = pool.get().await?;
    let action = StoreError::of;
    let transaction = client.transaction().await.map_err(action("begin"))?;
    let lock = "SELECT pg_advisory_xact_lock($1)";
    transaction.execute(lock, &[&Lock::Epochs.key()]).await.map_err(action("lock the lives of the stream"))?;
    let newest = "SELECT epoch, stream_created FROM workflow_comms.stream_epochs ORDER BY epoch DESC LIMIT 1";
    let row = transaction.query_one(newest, &[]).await.map_err(action("read the lives of the stream"))?;
    let epoch: i64 = row.try_get(0).map_err(action("read the lives of the stream"))?;
    match row.try_get::<_, Option<OffsetDateTime>>(1).map_err(action("read the lives of the stream"))? {
        None => {
            let note = "UPDATE workflow_comms.stream_epochs SET stream_created = $2, first_seq = $3 WHERE epoch = $1";
            transaction.execute(note, &[&epoch, &created, &life.first_sequence]).await.map_err(action("note the stream"))?;
        }
        // Nothing of the new stream is stored before it was created, and nothing of the old one after.
        Some(known) if known < created => {
            let add = "INSERT INTO workflow_comms.stream_epochs (epoch, starts_at, stream_created, first_seq, reason) \
                       VALUES ($1, $2, $2, $3, 'stream created anew')";
            let next = epoch + 1;
            transaction.execute(add, &[&next, &created, &life.first_sequence]).await.map_err(action("add a life"))?;
            tracing::warn!(epoch = next, "the stream was created anew, a new epoch begins");
        }
        Some(_) => {}
    }
    let epochs = all(&*transaction).await?;
    transaction.commit().await.map_err(action("commit"))?;
    Ok(epochs)
}

#[cfg(test)]
mod tests;
