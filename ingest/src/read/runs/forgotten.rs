//! Runs that went with the days of their messages.

use deadpool_postgres::Pool;
use message::Timestamp;

use crate::read::{ReadError, row};

/// A run that was known once.
#[derive(Debug, Clone, PartialEq)]
pub struct ForgottenRun {
    /// Its namespace.
    pub namespace: String,
    /// When the stream stored what it said last.
    pub last_at: Timestamp,
}

/// The runs that were known by an id and are forgotten, those that spoke last first. Not all that ever were: the newest of them are
/// remembered.
///
/// # Errors
/// When PostgreSQL cannot answer.
pub async fn forgotten(pool: &Pool, id: &str, namespace: Option<&str>) -> Result<Vec<ForgottenRun>, ReadError> {
    let sql = "SELECT workflow_namespace, last_at FROM workflow_comms.forgotten_runs \
               WHERE id = $1 AND ($2::text IS NULL OR workflow_namespace = $2) ORDER BY last_at DESC";
    let client = pool.get().await?;
    let statement = client.prepare_cached(sql).await?;
    let rows = client.query(&statement, &[&id, &namespace]).await?;
    let of = |row: &tokio_postgres::Row| {
        Ok(ForgottenRun { namespace: row.try_get("workflow_namespace")?, last_at: row::timestamp(row, "last_at")? })
    };
    rows.iter().map(of).collect()
}
