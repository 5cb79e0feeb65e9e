//! How long messages are kept: partitions are made for the days ahead, also while nothing is said, and days that are too old,
//! or too much, are dropped. Of all replicas one drops at a time, by the database's clock; the turn of one that hangs is over
//! soon.
//!
//! A day goes in this order, and whoever comes after a replica that was killed goes on where it stood: it is recorded below
//! which position history is incomplete, so that viewers below are told; what is known of the day's runs and its dead letters
//! is forgotten; the partition is detached, while others read and write; the table is dropped.

mod choose;
mod metrics;

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{ClientWrapper, Object, Pool};
use service::causes::in_one_line;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use crate::consume::pause;
use crate::store::partitions::list::leaves;
use crate::store::partitions::{ahead, leave, make, oldest_day};
use crate::store::{Lock, NEVER_IDLE, StoreError, clock};
use choose::{Keep, choose};

pub use metrics::Metrics;

/// How often it is looked after.
const EVERY: Duration = Duration::from_secs(60);
/// And after a failure.
const SOON: Duration = Duration::from_secs(5);

/// Which part of what the days may take, dead letters may take beside them.
const LETTERS: u64 = 10;

/// What is kept.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// Days before today.
    pub days: u16,
    /// What all days together may take on disk; today is kept whatever it takes.
    pub bytes: Option<u64>,
}

/// Looks after the days until the token is cancelled.
pub async fn run(pool: Pool, retention: Retention, metrics: Arc<Metrics>, stop: CancellationToken) {
    let mut has_failed = false;
    while !stop.is_cancelled() {
        let done = tokio::select! {
            done = look_after(&pool, retention, &metrics, None) => done,
            () = stop.cancelled() => return,
        };
        match done {
            Ok(()) => has_failed = false,
            Err(error) => {
                // A database that is away is told by whoever stores.
                if has_failed {
                    tracing::info!(error = in_one_line(&error), "retention waits for postgresql");
                }
                has_failed = true;
            }
        }
        pause(&stop, if has_failed { SOON } else { EVERY }).await;
    }
}

/// Once: makes the days ahead, and drops those that are to go, unless another replica is at it. `now` is the database's time,
/// unless given.
///
/// # Errors
/// When `PostgreSQL` is away or refuses.
pub async fn look_after(
    pool: &Pool,
    retention: Retention,
    metrics: &Metrics,
    now: Option<OffsetDateTime>,
) -> Result<(), StoreError> {
    // A session of its own: the lock, and how long it waits for others, end with it, whatever happens.
    let mut session = Object::take(pool.get().await?);
    let now = match now {
        Some(now) => now,
        None => clock::now(&session).await?,
    };
    // In another session, so before this one has the lock: nothing keeps it from speaking then.
    make(pool, &ahead(now).collect()).await?;
    let limits = format!("{NEVER_IDLE}; SET lock_timeout = '2s'");
    session.batch_execute(&limits).await.map_err(StoreError::of("set time limits"))?;
    let lock = "SELECT pg_try_advisory_lock($1)";
    let row = session.query_one(lock, &[&Lock::Retention.key()]).await;
    if row.and_then(|row| row.try_get(0)).map_err(StoreError::of("lock retention"))? {
        let done = drop_days(&mut session, retention, metrics, now).await;
        // At once, not when the server has noticed that the session is over.
        let unlock = "SELECT pg_advisory_unlock($1)";
        let unlocked = session.execute(unlock, &[&Lock::Retention.key()]).await;
        done?;
        unlocked.map_err(StoreError::of("unlock retention"))?;
    }
    metrics.observe(&leaves(&*session).await?, now);
    Ok(())
}

async fn drop_days(
    session: &mut ClientWrapper,
    retention: Retention,
    metrics: &Metrics,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    // Bodies that nobody can read are not days, and whoever writes nothing else would fill the disk with them.
    if let Some(bytes) = retention.bytes {
        let most = i64::try_from(bytes / LETTERS).unwrap_or(i64::MAX);
        let forgotten = leave::forget_letters(session, most).await?;
        metrics.forgotten(forgotten);
        if forgotten > 0 {
            tracing::warn!(dead_letters.count = forgotten, "the oldest dead letters took too much, they are forgotten");
        }
    }
    let keep = Keep { oldest: oldest_day(retention.days, now), today: now.date(), bytes: retention.bytes };
    let found = leaves(&**session).await?;
    for (leaf, reason) in choose(&found, keep) {
        if let Some(reason) = reason {
            if !leave::record(session, leaf).await? {
                tracing::warn!(partition.name = leaf.name, "a day that is to be dropped is not settled yet; it waits");
                return Ok(());
            }
            metrics.dropped(reason);
            tracing::info!(partition.name = leaf.name, partition.bytes = leaf.bytes, reason = reason.label(), "dropping a day");
        }
        if let Some(next) = leaf.day.next_day() {
            leave::forget(session, next).await?;
        }
        if !leave::remove(session, leaf).await? {
            tracing::info!(partition.name = leaf.name, "a dropped day is still read by somebody; it goes later");
            // Only one can be on its way at a time.
            return Ok(());
        }
    }
    Ok(())
}
