//! The schema, brought to what this program was built with. A migration that was applied is never changed.

use deadpool_postgres::Pool;

use crate::store::{Lock, StoreError};

/// Every migration, oldest first; its number is its place, from 1.
const MIGRATIONS: [(&str, &str); 2] = [
    ("0001_workflow_comms", include_str!("../../migrations/0001_workflow_comms.sql")),
    ("0002_forgotten_runs", include_str!("../../migrations/0002_forgotten_runs.sql")),
];

const RECORD: &str = "CREATE SCHEMA IF NOT EXISTS workflow_comms; \
    CREATE TABLE IF NOT EXISTS workflow_comms.migrations ( \
        name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())";

/// Applies what is missing, in one transaction; of several replicas that start at once, one does.
///
/// # Errors
/// When `PostgreSQL` is away or refuses.
pub async fn migrate(pool: &Pool) -> Result<(), StoreError> {
    let mut client = pool.get().await?;
    let action = StoreError::of;
    let transaction = client.transaction().await.map_err(action("begin"))?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&Lock::Migrate.key()]).await.map_err(action("lock the schema"))?;
    transaction.batch_execute(RECORD).await.map_err(action("make the record of migrations"))?;
    let rows = transaction.query("SELECT name FROM workflow_comms.migrations", &[]).await.map_err(action("read migrations"))?;
    let applied: Vec<&str> =
        rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(action("read migrations"))?;
    for (name, sql) in MIGRATIONS {
        if applied.contains(&name) {
            continue;
        }
        transaction.batch_execute(sql).await.map_err(action("migrate"))?;
        let record = "INSERT INTO workflow_comms.migrations (name) VALUES ($1)";
        transaction.execute(record, &[&name]).await.map_err(action("record a migration"))?;
        tracing::info!(migration.name = name, "schema migrated");
    }
    transaction.commit().await.map_err(action("commit"))
}
