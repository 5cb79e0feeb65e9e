//! The watermarks of the stream's lives: every message of a life at or below its watermark is committed, or is known to be
//! lost. And the lives themselves as one moment sees them.
//!
//! What is changed here is changed only while it stands as it was read, so that of several replicas that decide at once,
//! each from what the server told it, one is heard and the others decide anew. How long something has stood is measured by
//! the database's clock alone.

use std::time::Duration;

use deadpool_postgres::{Pool, Transaction};
use message::Timestamp;

use crate::cursor::Cursor;
use crate::epochs::{Epochs, QUERY};
use crate::store::StoreError;
use crate::store::epochs::lock;

/// Sequences compared with the table at once.
const STEP: i64 = 100_000;

const RAISE: &str = "UPDATE workflow_comms.stream_epochs SET watermark = $3 \
    WHERE epoch = $1 AND watermark = $2 AND hold_to IS NULL AND NOT settled";

const HOLD: &str = "UPDATE workflow_comms.stream_epochs SET hold_to = $3, hold_since = clock_timestamp() \
    WHERE epoch = $1 AND watermark = $2 AND hold_to IS NULL AND NOT settled";

const SEEN: &str = "UPDATE workflow_comms.stream_epochs SET seen_seq = greatest(seen_seq, $2), seen_at = greatest(seen_at, $3) \
    WHERE epoch = $1 AND (seen_seq < $2 OR seen_at IS NULL OR seen_at < $3)";

/// Lives that are not settled and wait for something, with how long.
const WAITING: &str = "SELECT epoch, hold_to, \
    extract(epoch FROM clock_timestamp() - hold_since)::float8 AS held, \
    extract(epoch FROM clock_timestamp() - settle_since)::float8 AS ending \
    FROM workflow_comms.stream_epochs WHERE NOT settled AND (hold_to IS NOT NULL OR settle_since IS NOT NULL) ORDER BY epoch";

/// What of a range has neither row nor dead letter and was not passed over: the first and the last of each such part.
const MISSING: &str = "SELECT b + 1, s - 1 FROM ( \
    SELECT s, lag(s, 1, $2::bigint) OVER (ORDER BY s) AS b FROM ( \
        SELECT stream_seq AS s FROM workflow_comms.agent_messages WHERE epoch = $1 AND stream_seq > $2 AND stream_seq <= $3 \
        UNION SELECT stream_seq FROM workflow_comms.dead_letters WHERE epoch = $1 AND stream_seq > $2 AND stream_seq <= $3 \
        UNION SELECT stream_seq FROM workflow_comms.passed WHERE epoch = $1 AND stream_seq > $2 AND stream_seq <= $3 \
        UNION SELECT $3::bigint + 1) AS known) AS edge \
    WHERE s > b + 1";

const DISCARDED: &str = "INSERT INTO workflow_comms.dead_letters (epoch, stream_seq, stream_ts, subject, payload, class, error) \
    SELECT $1, first, now(), '', '', 'discarded', last::text FROM unnest($2::bigint[], $3::bigint[]) AS range (first, last)";

const READ_ONE: &str = "SELECT watermark, hold_to, settled FROM workflow_comms.stream_epochs WHERE epoch = $1 FOR UPDATE";

/// What a life waits for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Waiting {
    /// The life.
    pub epoch: i64,
    /// The end of what the stream discarded and replicas may still hold.
    pub hold_to: Option<i64>,
    /// How long they have had time to store it.
    pub held: Duration,
    /// How long a later life has been known, where one is.
    pub ending: Option<Duration>,
}

/// The lives at one moment.
#[derive(Debug, Clone)]
pub struct Lives {
    /// All of them.
    pub epochs: Epochs,
    /// Those that wait for something.
    pub waiting: Vec<Waiting>,
}

/// What the stream discarded, as it was told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Discarded {
    /// Ranges.
    pub ranges: usize,
    /// Messages in them.
    pub messages: i64,
}

/// Notes what this replica was handed of the newest life, then reads every life: what other replicas noted before is seen
/// here, and the other way round.
///
/// # Errors
/// When `PostgreSQL` is away.
pub async fn note_and_read(pool: &Pool, epoch: i64, sequence: i64, at: Option<Timestamp>) -> Result<Lives, StoreError> {
    let client = pool.get().await?;
    let action = StoreError::of;
    if sequence > 0 || at.is_some() {
        let seen = client.prepare_cached(SEEN).await.map_err(action("note what was delivered"))?;
        let at = at.map(Timestamp::moment);
        client.execute(&seen, &[&epoch, &sequence, &at]).await.map_err(action("note what was delivered"))?;
    }
    let reading = || action("read the lives of the stream");
    let lives = client.prepare_cached(QUERY).await.map_err(reading())?;
    let waiting = client.prepare_cached(WAITING).await.map_err(reading())?;
    let (lives, waiting) = tokio::try_join!(client.query(&lives, &[]), client.query(&waiting, &[])).map_err(reading())?;
    let seconds = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let waiting = waiting.iter().map(|row| {
        Ok(Waiting {
            epoch: row.try_get("epoch")?,
            hold_to: row.try_get("hold_to")?,
            held: seconds(row.try_get::<_, Option<f64>>("held")?.unwrap_or_default()),
            ending: row.try_get::<_, Option<f64>>("ending")?.map(seconds),
        })
    });
    let waiting = waiting.collect::<Result<_, tokio_postgres::Error>>().map_err(reading())?;
    Ok(Lives { epochs: Epochs::of_rows(&lives).map_err(reading())?, waiting })
}

/// Raises the watermark of a life from where it stands; whether it was still there.
///
/// # Errors
/// When `PostgreSQL` is away.
pub async fn raise(pool: &Pool, from: Cursor, to: i64) -> Result<bool, StoreError> {
    change(pool, RAISE, from, to, "raise the watermark").await
}

/// Notes that something up to a sequence was discarded and may not be committed: the watermark stands from now on.
///
/// # Errors
/// When `PostgreSQL` is away.
pub async fn hold(pool: &Pool, from: Cursor, to: i64) -> Result<bool, StoreError> {
    change(pool, HOLD, from, to, "hold the watermark").await
}

async fn change(pool: &Pool, sql: &str, from: Cursor, to: i64, what: &'static str) -> Result<bool, StoreError> {
    let client = pool.get().await?;
    let statement = client.prepare_cached(sql).await.map_err(StoreError::of(what))?;
    let changed = client.execute(&statement, &[&from.epoch, &from.sequence, &to]).await.map_err(StoreError::of(what))?;
    Ok(changed == 1)
}

/// Compares what was discarded with the table, and moves the watermark over it, or over as much of it as is compared at
/// once. Where something is missing nothing is changed before replicas have had the time to store what they hold (`due`);
/// then the missing is told as discarded.
///
/// # Errors
/// When `PostgreSQL` is away.
pub async fn compare(pool: &Pool, epoch: i64, due: bool) -> Result<Discarded, StoreError> {
    let mut client = pool.get().await?;
    let transaction = client.transaction().await.map_err(StoreError::of("begin"))?;
    if due {
        // Waits for the batches that are being written, and holds off those that come.
        lock(&transaction).await?;
    }
    let Some((watermark, Some(hold_to), false)) = read_one(&transaction, epoch).await? else {
        return Ok(Discarded::default());
    };
    let to = hold_to.min(watermark.saturating_add(STEP));
    let missing = missing(&transaction, Cursor { epoch, sequence: watermark }, to).await?;
    if !missing.is_empty() && !due {
        return Ok(Discarded::default());
    }
    let discarded = tell(&transaction, epoch, &missing).await?;
    let done = to == hold_to;
    let mv = "UPDATE workflow_comms.stream_epochs SET watermark = greatest(watermark, $2), \
              hold_to = CASE WHEN $3 THEN NULL ELSE hold_to END, hold_since = CASE WHEN $3 THEN NULL ELSE hold_since END, \
              lost_to = CASE WHEN $4 THEN $2 ELSE lost_to END WHERE epoch = $1";
    let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 4] = [&epoch, &to, &done, &(discarded.ranges > 0)];
    transaction.execute(mv, &parameters).await.map_err(StoreError::of("move the watermark"))?;
    transaction.commit().await.map_err(StoreError::of("commit"))?;
    Ok(discarded)
}

/// Ends a life that has a successor: what of it is neither committed nor passed over is told as discarded, and from then on
/// nothing of it becomes a row.
///
/// # Errors
/// When `PostgreSQL` is away.
pub async fn settle(pool: &Pool, epoch: i64) -> Result<Discarded, StoreError> {
    let mut client = pool.get().await?;
    let transaction = client.transaction().await.map_err(StoreError::of("begin"))?;
    lock(&transaction).await?;
    let Some((watermark, _, false)) = read_one(&transaction, epoch).await? else {
        return Ok(Discarded::default());
    };
    let top = "SELECT greatest(seen_seq, watermark, \
               (SELECT max(stream_seq) FROM workflow_comms.agent_messages WHERE epoch = $1)) \
               FROM workflow_comms.stream_epochs WHERE epoch = $1";
    let ending = || StoreError::of("end a life of the stream");
    let top: i64 = transaction.query_one(top, &[&epoch]).await.and_then(|row| row.try_get(0)).map_err(ending())?;
    let missing = missing(&transaction, Cursor { epoch, sequence: watermark }, top).await?;
    let discarded = tell(&transaction, epoch, &missing).await?;
    let end = "UPDATE workflow_comms.stream_epochs SET watermark = $2, hold_to = NULL, hold_since = NULL, settled = true, \
               lost_to = CASE WHEN $3 THEN $2 ELSE lost_to END WHERE epoch = $1";
    transaction.execute(end, &[&epoch, &top, &(discarded.ranges > 0)]).await.map_err(ending())?;
    transaction.commit().await.map_err(StoreError::of("commit"))?;
    Ok(discarded)
}

/// Forgets the sequences that were passed over and that the watermark has passed since.
///
/// # Errors
/// When `PostgreSQL` is away.
pub async fn clean_passed(pool: &Pool) -> Result<(), StoreError> {
    let client = pool.get().await?;
    let sql = "DELETE FROM workflow_comms.passed AS passed USING workflow_comms.stream_epochs AS life \
               WHERE passed.epoch = life.epoch AND passed.stream_seq <= life.watermark";
    client.execute(sql, &[]).await.map(drop).map_err(StoreError::of("clean what was passed over"))
}

async fn read_one(transaction: &Transaction<'_>, epoch: i64) -> Result<Option<(i64, Option<i64>, bool)>, StoreError> {
    let reading = || StoreError::of("read the watermark");
    let Some(row) = transaction.query_opt(READ_ONE, &[&epoch]).await.map_err(reading())? else { return Ok(None) };
    let columns = (row.try_get(0), row.try_get(1), row.try_get(2));
    let (watermark, hold_to, settled) = (columns.0.map_err(reading())?, columns.1.map_err(reading())?, columns.2);
    Ok(Some((watermark, hold_to, settled.map_err(reading())?)))
}

async fn missing(transaction: &Transaction<'_>, after: Cursor, to: i64) -> Result<Vec<(i64, i64)>, StoreError> {
    let comparing = || StoreError::of("compare what was discarded with the tables");
    let rows = transaction.query(MISSING, &[&after.epoch, &after.sequence, &to]).await.map_err(comparing())?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<_, _>>().map_err(comparing())
}

async fn tell(transaction: &Transaction<'_>, epoch: i64, missing: &[(i64, i64)]) -> Result<Discarded, StoreError> {
    if missing.is_empty() {
        return Ok(Discarded::default());
    }
    let (firsts, lasts): (Vec<i64>, Vec<i64>) = missing.iter().copied().unzip();
    let telling = StoreError::of("tell what was discarded");
    transaction.execute(DISCARDED, &[&epoch, &firsts, &lasts]).await.map_err(telling)?;
    let messages = missing.iter().map(|(first, last)| last - first + 1).sum();
    Ok(Discarded { ranges: missing.len(), messages })
}
