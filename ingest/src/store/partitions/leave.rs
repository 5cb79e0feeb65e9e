//! A day's way out, in steps of which each can be the last before a replica is killed: what is decided is recorded first, so
//! that viewers know before anything is gone; then what is known of runs goes, then the partition.

use deadpool_postgres::ClientWrapper;
use time::Date;
use tokio_postgres::error::SqlState;

use super::list::{LEAVING, Leaf, LeafState};
use crate::store::{StoreError, epochs};

/// Runs and dead letters forgotten at once.
const AT_ONCE: i64 = 1_000;

/// Ids of forgotten runs that are remembered, with their indexes some 40 MB.
const REMEMBERED: i64 = 200_000;

/// Marks a partition and notes below which positions history is incomplete from now on. False, and nothing is changed, where
/// it holds what is not settled yet: viewers would not have seen it.
///
/// # Errors
/// When `PostgreSQL` is away.
pub async fn record(session: &mut ClientWrapper, leaf: &Leaf) -> Result<bool, StoreError> {
    let action = || StoreError::of("record that a day is dropped");
    let transaction = session.transaction().await.map_err(StoreError::of("begin"))?;
    // Waits for the batches that are being written, so that none puts a message below what is noted here.
    epochs::lock(&transaction).await?;
    let name = &leaf.name;
    let highest = format!("(SELECT max(stream_seq) FROM workflow_comms.{name} AS leaf WHERE leaf.epoch = life.epoch)");
    let open = format!("SELECT count(*) FROM workflow_comms.stream_epochs AS life WHERE NOT settled AND {highest} > watermark");
    let open: i64 = transaction.query_one(&open, &[]).await.and_then(|row| row.try_get(0)).map_err(action())?;
    if open > 0 {
        return Ok(false);
    }
    let record = format!(
        "UPDATE workflow_comms.stream_epochs AS life SET kept_from = greatest(kept_from, {highest} + 1); \
         COMMENT ON TABLE workflow_comms.{name} IS '{LEAVING}'"
    );
    transaction.batch_execute(&record).await.map_err(action())?;
    transaction.commit().await.map_err(StoreError::of("commit"))?;
    Ok(true)
}

/// Forgets the runs that said nothing since a day, with their steps and sources, and the dead letters from before it. That there
/// were such runs is remembered.
///
/// # Errors
/// When `PostgreSQL` is away.
pub async fn forget(session: &ClientWrapper, before: Date) -> Result<(), StoreError> {
    let action = || StoreError::of("forget runs of dropped days");
    let before = before.midnight().assume_utc();
    // In the order in which batches write them, and past those that a batch is writing: what still speaks is no matter.
    let runs = "WITH old AS MATERIALIZED ( \
            SELECT workflow_namespace, run_key FROM workflow_comms.runs WHERE last_at < $1 \
            ORDER BY workflow_namespace, run_key LIMIT $2 FOR UPDATE SKIP LOCKED), \
        steps AS (DELETE FROM workflow_comms.run_steps USING old \
            WHERE run_steps.workflow_namespace = old.workflow_namespace AND run_steps.run_key = old.run_key), \
        sources AS (DELETE FROM workflow_comms.run_sources USING old \
            WHERE run_sources.workflow_namespace = old.workflow_namespace AND run_sources.run_key = old.run_key), \
        gone AS (DELETE FROM workflow_comms.runs USING old \
            WHERE runs.workflow_namespace = old.workflow_namespace AND runs.run_key = old.run_key \
            RETURNING runs.workflow_namespace, runs.run_key, runs.workflow_name, runs.run_id, runs.last_at) \
        INSERT INTO workflow_comms.forgotten_runs AS known (id, workflow_namespace, last_at) \
            SELECT DISTINCT ON (name.id, workflow_namespace) name.id, workflow_namespace, last_at FROM gone, LATERAL (VALUES \
                (CASE WHEN run_key = 'name:' || workflow_name THEN workflow_name ELSE run_key END), (run_id)) AS name (id) \
            WHERE name.id IS NOT NULL ORDER BY name.id, workflow_namespace, last_at DESC \
            ON CONFLICT (id, workflow_namespace) DO UPDATE SET last_at = greatest(known.last_at, excluded.last_at)";
    let letters = "DELETE FROM workflow_comms.dead_letters WHERE (epoch, stream_seq, stream_ts) IN ( \
        SELECT epoch, stream_seq, stream_ts FROM workflow_comms.dead_letters WHERE stream_ts < $1 LIMIT $2)";
    for sql in [runs, letters] {
        while session.execute(sql, &[&before, &AT_ONCE]).await.map_err(action())? > 0 {}
    }
    let oldest = "DELETE FROM workflow_comms.forgotten_runs WHERE last_at < ( \
        SELECT last_at FROM workflow_comms.forgotten_runs ORDER BY last_at DESC OFFSET $1 LIMIT 1)";
    session.execute(oldest, &[&(REMEMBERED - 1)]).await.map_err(action())?;
    Ok(())
}

/// Forgets the oldest dead letters, as many as it takes until the bodies of the others have no more than so many bytes together;
/// how many that were. What tells of a loss stays, and so does what is not settled yet, which has no other place.
///
/// # Errors
/// When `PostgreSQL` is away.
pub async fn forget_letters(session: &ClientWrapper, most: i64) -> Result<u64, StoreError> {
    let action = || StoreError::of("forget dead letters");
    let oldest = "DELETE FROM workflow_comms.dead_letters AS letter USING ( \
            SELECT epoch, stream_seq, stream_ts, sum(octet_length(payload)) OVER (ORDER BY epoch DESC, stream_seq DESC) AS bytes \
            FROM workflow_comms.dead_letters WHERE class <> 'discarded') AS sized, workflow_comms.stream_epochs AS life \
        WHERE sized.bytes > $1::bigint AND life.epoch = sized.epoch AND (life.settled OR sized.stream_seq <= life.watermark) \
            AND (letter.epoch, letter.stream_seq, letter.stream_ts) = (sized.epoch, sized.stream_seq, sized.stream_ts)";
    session.execute(oldest, &[&most]).await.map_err(action())
}

/// Detaches a partition, or goes on with that, and drops the table. False where somebody still reads it: it is tried again
/// later, and who reads from now on does not see it.
///
/// # Errors
/// When `PostgreSQL` is away.
pub async fn remove(session: &ClientWrapper, leaf: &Leaf) -> Result<bool, StoreError> {
    let name = &leaf.name;
    let detach = match leaf.state {
        LeafState::Attached => Some("CONCURRENTLY"),
        LeafState::Detaching => Some("FINALIZE"),
        LeafState::Detached => None,
    };
    if let Some(how) = detach {
        // In no transaction: PostgreSQL waits in the middle for those who read.
        let sql = format!("ALTER TABLE workflow_comms.agent_messages DETACH PARTITION workflow_comms.{name} {how}");
        if !done(session.batch_execute(&sql).await, "detach a partition")? {
            return Ok(false);
        }
    }
    done(session.batch_execute(&format!("DROP TABLE workflow_comms.{name}")).await, "drop a partition")
}

/// Whether something was done, or somebody was in the way.
fn done(result: Result<(), tokio_postgres::Error>, what: &'static str) -> Result<bool, StoreError> {
    match result {
        Ok(()) => Ok(true),
        Err(error) => match error.code() {
            // The last says that another partition is on its way out, by a person's hand.
            Some(&(SqlState::LOCK_NOT_AVAILABLE | SqlState::QUERY_CANCELED | SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE)) => {
                Ok(false)
            }
            _ => Err(StoreError::of(what)(error)),
        },
    }
}
