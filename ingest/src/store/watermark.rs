//! The watermark: every message of a life of the stream at or below it is committed.

use deadpool_postgres::Pool;

use crate::cursor::Cursor;
use crate::epochs::{Epochs, QUERY};
use crate::store::StoreError;

/// Raises the watermark of a life; it never falls. Returns where it stands, as the highest of all replicas' words, and every
/// life as it is then.
///
/// # Errors
/// When `PostgreSQL` is away.
pub async fn raise_watermark(pool: &Pool, to: Cursor) -> Result<(Cursor, Epochs), StoreError> {
    let client = pool.get().await?;
    let action = StoreError::of;
    let raise = "UPDATE workflow_comms.stream_epochs SET watermark = $2 WHERE epoch = $1 AND watermark < $2";
    let raise = client.prepare_cached(raise).await.map_err(action("raise the watermark"))?;
    client.execute(&raise, &[&to.epoch, &to.sequence]).await.map_err(action("raise the watermark"))?;
    let read = client.prepare_cached(QUERY).await.map_err(action("read the watermark"))?;
    let rows = client.query(&read, &[]).await.map_err(action("read the watermark"))?;
    let epochs = Epochs::of_rows(&rows).map_err(action("read the watermark"))?;
    let watermark = epochs.get(to.epoch).map_or(Cursor::default(), |epoch| Cursor { sequence: epoch.watermark, ..to });
    Ok((watermark, epochs))
}
