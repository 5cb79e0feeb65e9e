//! What is committed just above the watermark of a life.

use std::collections::BTreeSet;

use deadpool_postgres::Pool;

use crate::cursor::Cursor;
use crate::store::StoreError;

const WATERMARK: &str = "SELECT watermark FROM workflow_comms.stream_epochs WHERE epoch = $1";

const COMMITTED: &str = "SELECT stream_seq FROM workflow_comms.agent_messages WHERE epoch = $1 AND stream_seq > $2 AND stream_seq <= $3 \
    UNION ALL SELECT stream_seq FROM workflow_comms.dead_letters WHERE epoch = $1 AND stream_seq > $2 AND stream_seq <= $3 \
    UNION ALL SELECT stream_seq FROM workflow_comms.passed WHERE epoch = $1 AND stream_seq > $2 AND stream_seq <= $3";

/// The watermark of a life, and what is committed above it.
#[derive(Debug)]
pub struct Committed {
    /// Everything at or below it is committed.
    pub watermark: Cursor,
    /// What else is, up to where was asked.
    pub above: BTreeSet<i64>,
}

/// Reads the watermark of a life, then what is committed above it: at most so many sequences, up to `highest`.
///
/// # Errors
/// When `PostgreSQL` is away.
pub async fn committed(pool: &Pool, epoch: i64, highest: i64, limit: i64) -> Result<Committed, StoreError> {
    let client = pool.get().await?;
    let reading = || StoreError::of("read what is committed above the watermark");
    let statement = client.prepare_cached(WATERMARK).await.map_err(reading())?;
    let watermark: i64 = client.query_one(&statement, &[&epoch]).await.and_then(|row| row.try_get(0)).map_err(reading())?;
    let highest = highest.min(watermark.saturating_add(limit));
    let statement = client.prepare_cached(COMMITTED).await.map_err(reading())?;
    let rows = client.query(&statement, &[&epoch, &watermark, &highest]).await.map_err(reading())?;
    let above = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(reading())?;
    Ok(Committed { watermark: Cursor { epoch, sequence: watermark }, above })
}
