//! Every question that is asked of PostgreSQL for people and viewers. Nothing here writes.
//!
//! Each query is bounded by cursors and a limit and walks an index in cursor order, so that its cost is that of the rows
//! it returns, whatever the table holds.

pub mod messages;
pub(crate) mod row;
pub mod runs;

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// No connection was to be had.
    #[error("no connection to postgresql")]
    Connection(#[source] deadpool_postgres::PoolError),
    /// PostgreSQL refused, or went away meanwhile.
    #[error("postgresql cannot answer")]
    Query(#[from] tokio_postgres::Error),
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

impl From<deadpool_postgres::PoolError> for ReadError {
    fn from(error: deadpool_postgres::PoolError) -> Self {
        match error {
            deadpool_postgres::PoolError::Backend(error) => Self::Query(error),
            other => Self::Connection(other),
        }
    }
}
