//! The lives of the stream, as storing reads them and adds to them.

use deadpool_postgres::Pool;
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
