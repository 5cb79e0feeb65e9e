//! The lives of the stream, as storing knows them.

use deadpool_postgres::Pool;
use message::Timestamp;
use time::OffsetDateTime;

use crate::cursor::Cursor;
use crate::read::ReadError;

/// One life of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Epoch {
    /// Its number.
    pub epoch: i64,
    /// When it starts; nothing for the first, which starts before all time.
    pub starts_at: Option<Timestamp>,
    /// The first sequence that belongs to it; 0 where it is not known.
    pub first_sequence: i64,
}

/// Every life of the stream, oldest first.
///
/// # Errors
/// When PostgreSQL cannot answer.
pub async fn all(pool: &Pool) -> Result<Vec<Epoch>, ReadError> {
    let client = pool.get().await?;
    let sql = "SELECT epoch, CASE WHEN isfinite(starts_at) THEN starts_at END AS starts_at, first_seq \
               FROM workflow_comms.stream_epochs ORDER BY epoch";
    let statement = client.prepare_cached(sql).await?;
    let rows = client.query(&statement, &[]).await?;
    rows.iter()
        .map(|row| {
            Ok(Epoch {
                epoch: row.try_get("epoch")?,
                starts_at: row.try_get::<_, Option<OffsetDateTime>>("starts_at")?.map(Timestamp::new),
                first_sequence: row.try_get("first_seq")?,
            })
        })
        .collect()
}

/// The life that a message stored at this moment belongs to: the last that starts not after it.
#[must_use]
pub fn of_moment(epochs: &[Epoch], moment: Timestamp) -> Option<i64> {
    epochs.iter().rev().find(|epoch| epoch.starts_at.is_none_or(|start| start <= moment)).map(|epoch| epoch.epoch)
}

/// Whether everything after a position can still be told, and if not, why.
#[must_use]
pub fn refusal(epochs: &[Epoch], cursor: Cursor) -> Option<&'static str> {
    match epochs.iter().find(|epoch| epoch.epoch == cursor.epoch) {
        None => Some("unknown_epoch"),
        Some(epoch) if cursor.sequence < epoch.first_sequence - 1 => Some("expired"),
        Some(_) => None,
    }
}
