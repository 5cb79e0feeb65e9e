//! Every question that is asked of PostgreSQL for people and viewers. Nothing here writes.
//!
//! Each query is bounded by cursors and a limit and walks an index in cursor order, so that its cost is that of the rows
//! it returns, whatever the table holds. What may match little of what is walked is looked for in steps that are bounded by
//! what they look at.

pub mod dead_letters;
pub mod lives;
pub mod messages;
pub(crate) mod row;
pub mod runs;
pub mod spread;

use deadpool_postgres::Object;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

/// A search for a text reads everything that it does not match: it may take this long, so that a few of them do not hold all
/// connections.
const SEARCH: &str = "SET LOCAL statement_timeout = '2s'";

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// No connection was to be had.
    #[error("no connection to postgresql")]
    Connection(#[source] deadpool_postgres::PoolError),
    /// PostgreSQL refused, or went away meanwhile.
    #[error("postgresql cannot answer")]
    Query(#[source] tokio_postgres::Error),
    /// It took longer than it may.
    #[error("postgresql took too long to answer")]
    TooLong(#[source] tokio_postgres::Error),
    /// What was looked for is no regular expression of PostgreSQL's, or one that is too complex for it.
    #[error("postgresql cannot read the regular expression")]
    Expression(#[source] tokio_postgres::Error),
    /// A row holds what this program never writes.
    #[error("column `{column}` holds `{value}`, which is no {wanted}")]
    Value {
        /// The column.
        column: &'static str,
        /// What it holds.
        value: String,
        /// What it should hold.
        wanted: &'static str,
    },
}

impl From<tokio_postgres::Error> for ReadError {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.code() {
            Some(&SqlState::QUERY_CANCELED) => Self::TooLong(error),
            Some(&SqlState::INVALID_REGULAR_EXPRESSION) => Self::Expression(error),
            _ => Self::Query(error),
        }
    }
}

impl From<deadpool_postgres::PoolError> for ReadError {
    fn from(error: deadpool_postgres::PoolError) -> Self {
        match error {
            deadpool_postgres::PoolError::Backend(error) => Self::from(error),
            other => Self::Connection(other),
        }
    }
}

/// Asks one question, a search within the time that it may take.
async fn ask(client: &mut Object, sql: &str, parameters: &[&(dyn ToSql + Sync)], is_search: bool) -> Result<Vec<Row>, ReadError> {
    if !is_search {
        let statement = client.prepare_cached(sql).await?;
        return Ok(client.query(&statement, parameters).await?);
    }
    let transaction = client.transaction().await?;
    transaction.batch_execute(SEARCH).await?;
    let statement = transaction.prepare_cached(sql).await?;
    let rows = transaction.query(&statement, parameters).await?;
    transaction.commit().await?;
    Ok(rows)
}
