//! The lives of the stream, as viewers need them.

use deadpool_postgres::Pool;

use crate::epochs::{Epochs, QUERY};
use crate::read::ReadError;

/// Every life of the stream.
///
/// # Errors
/// When PostgreSQL cannot answer.
pub async fn all(pool: &Pool) -> Result<Epochs, ReadError> {
    let client = pool.get().await?;
    let statement = client.prepare_cached(QUERY).await?;
    Ok(Epochs::of_rows(&client.query(&statement, &[]).await?)?)
}
