//! What is known of a run, counted anew from its messages.

use deadpool_postgres::Pool;
use tokio_postgres::types::ToSql;

use super::{runs, sources, steps};
use crate::cursor::Cursor;
use crate::read::row;
use crate::store::StoreError;
use crate::store::summary::Change;
use crate::stored::StoredMessage;

/// Messages read at once.
const PAGE: i64 = 500;

/// Counts a run anew, where what is known of it does not agree with its messages; whether it was. One of whose messages some
/// were dropped with their days is left as it is: they count.
///
/// # Errors
/// When `PostgreSQL` is away.
pub async fn recount(pool: &Pool, namespace: &str, key: &str) -> Result<bool, StoreError> {
    let action = || StoreError::of("count a run anew");
    let mut client = pool.get().await?;
    let transaction = client.transaction().await.map_err(StoreError::of("begin"))?;
    let (which, value) = match key.strip_prefix("name:") {
        Some(name) => ("workflow_name = $2 AND workflow_uid IN ('', 'unknown')", name),
        None => ("workflow_uid = $2", key),
    };
    let of_run = format!("FROM workflow_comms.agent_messages AS m WHERE workflow_namespace = $1 AND {which} AND verified");
    // Whoever stores messages of this run waits; what is committed of it is counted in the run.
    let known = "SELECT run.messages, run.first_seq < life.kept_from FROM workflow_comms.runs AS run \
                 JOIN workflow_comms.stream_epochs AS life ON life.epoch = run.first_epoch \
                 WHERE workflow_namespace = $1 AND run_key = $2 FOR UPDATE OF run";
    let Some(known) = transaction.query_opt(known, &[&namespace, &key]).await.map_err(action())? else { return Ok(false) };
    let count = format!("SELECT count(*) {of_run}");
    let count = transaction.query_one(&count, &[&namespace, &value]).await.and_then(|row| row.try_get::<_, i64>(0));
    let messages: i64 = known.try_get(0).map_err(action())?;
    let is_cut: bool = known.try_get(1).map_err(action())?;
    if is_cut || count.map_err(action())? == messages {
        return Ok(false);
    }
    for table in ["runs", "run_steps", "run_sources"] {
        let delete = format!("DELETE FROM workflow_comms.{table} WHERE workflow_namespace = $1 AND run_key = $2");
        transaction.execute(&delete, &[&namespace, &key]).await.map_err(action())?;
    }
    let sql = format!("SELECT {} {of_run} AND (epoch, stream_seq) > ($3, $4) ORDER BY epoch, stream_seq LIMIT $5", row::COLUMNS);
    let statement = transaction.prepare(&sql).await.map_err(action())?;
    let mut after = Cursor::default();
    loop {
        let parameters: [&(dyn ToSql + Sync); 5] = [&namespace, &value, &after.epoch, &after.sequence, &PAGE];
        let rows = transaction.query(&statement, &parameters).await.map_err(action())?;
        let page: Vec<StoredMessage> = rows.iter().map(row::stored).collect::<Result<_, _>>()?;
        let Some(last) = page.last() else { break };
        after = last.cursor;
        let changes: Vec<Change<'_>> = page.iter().map(|stored| Change { stored, is_row: true }).collect();
        runs::add(&transaction, &changes).await?;
        steps::add(&transaction, &changes).await?;
        sources::add(&transaction, &changes).await?;
    }
    transaction.commit().await.map_err(StoreError::of("commit"))?;
    Ok(true)
}
