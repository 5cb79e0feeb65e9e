//! The lives of the stream as the table has them at this moment: what a replica was told of them last may be older.

use deadpool_postgres::Pool;

use super::ReadError;
use super::messages::{self, Slice};
use crate::cursor::Cursor;
use crate::epochs::{Epochs, QUERY};
use crate::filter::Filter;

/// All lives.
///
/// # Errors
/// When PostgreSQL cannot answer.
pub async fn now(pool: &Pool) -> Result<Epochs, ReadError> {
    let client = pool.get().await?;
    let statement = client.prepare_cached(QUERY).await?;
    let rows = client.query(&statement, &[]).await?;
    Ok(Epochs::of_rows(&rows)?)
}

/// What follows a position, and why that may not be all of it. The rows are read first: retention writes down what it is
/// going to drop before it drops it, so that whatever is missing among them is known by then.
///
/// # Errors
/// When PostgreSQL cannot answer.
pub async fn after(
    pool: &Pool,
    filter: &Filter,
    position: Cursor,
    up_to: Cursor,
    limit: usize,
) -> Result<(Slice, Option<&'static str>), ReadError> {
    let slice = messages::some_after(pool, filter, position, up_to, limit).await?;
    let lives = now(pool).await?;
    // A life that was forgotten had nothing left.
    let refusal = lives.get(position.epoch).and_then(|_| lives.refusal(position));
    Ok((slice, refusal))
}
