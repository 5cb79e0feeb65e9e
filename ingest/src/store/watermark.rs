//! The watermark: every message of a life of the stream at or below it is committed.

use deadpool_postgres::Pool;

use crate::cursor::Cursor;
use crate::store::StoreError;

/// Raises the watermark of a life; it never falls. Returns where it stands, as the highest of all replicas' words.
///
/// # Errors
/// When `PostgreSQL` is away.
pub async fn raise_watermark(pool: &Pool, to: Cursor) -> Result<Cursor, StoreError> {
    let client = pool.get().await?;
    let action = StoreError::of;
    let raise = "UPDATE workflow_comms.stream_epochs SET watermark = $2 WHERE epoch = $1 AND watermark < $2";
    let raise = client.prepare_cached(raise).await.map_err(action("raise the watermark"))?;
    client.execute(&raise, &[&to.epoch, &to.sequence]).await.map_err(action("raise the watermark"))?;
    let read = "SELECT watermark FROM workflow_comms.stream_epochs WHERE epoch = $1";
    let read = client.prepare_cached(read).await.map_err(action("read the watermark"))?;
    let row = client.query_one(&read, &[&to.epoch]).await.map_err(action("read the watermark"))?;
    Ok(Cursor { epoch: to.epoch, sequence: row.try_get(0).map_err(action("read the watermark"))? })
}
