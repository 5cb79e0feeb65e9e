//! One partition of `agent_messages` for each UTC day of store time. There is no default partition: a row that found its
//! way there would stand in the way of the partition it belongs to.
//!
//! Neither making nor dropping one takes a lock that stops readers or inserts of other days. A partition is a table of its
//! own that is attached when it is ready, and it is detached before it is dropped; both are locks that go with reading and
//! writing. What must wait for somebody waits two seconds and is tried again later.

pub mod leave;
pub mod list;

use std::collections::BTreeSet;

use deadpool_postgres::Pool;
use time::{Date, Duration, OffsetDateTime};

use crate::store::{Lock, StoreError};

/// How many days ahead partitions are made, so that midnight finds its own.
pub const DAYS_AHEAD: u16 = 7;

/// Nobody queues for long behind a lock that is waited for.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '2s'";

/// Which days have a partition, as far as this process knows, and how many days are kept.
#[derive(Debug)]
pub struct Partitions {
    retention_days: u16,
    known: BTreeSet<Date>,
}

impl Partitions {
    /// Knows of none yet.
    #[must_use]
    pub fn new(retention_days: u16) -> Self {
        Self { retention_days, known: BTreeSet::new() }
    }

    /// The oldest day that is kept.
    #[must_use]
    pub fn oldest_day(&self, now: OffsetDateTime) -> Date {
        oldest_day(self.retention_days, now)
    }

    /// Makes the partitions of these days and of the week ahead, those that are missing.
    ///
    /// # Errors
    /// When `PostgreSQL` is away or refuses.
    pub async fn ensure(&mut self, pool: &Pool, days: &BTreeSet<Date>, now: OffsetDateTime) -> Result<(), StoreError> {
        let missing: BTreeSet<Date> = ahead(now).chain(days.iter().copied()).filter(|day| !self.known.contains(day)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        make(pool, &missing).await?;
        self.known.extend(missing);
        Ok(())
    }

    /// Forgets what is known, after a day turned out to have no partition.
    pub fn forget(&mut self) {
        self.known.clear();
    }
}

/// The oldest day that is kept when so many days are.
#[must_use]
pub fn oldest_day(retention_days: u16, now: OffsetDateTime) -> Date {
    now.checked_sub(Duration::days(i64::from(retention_days))).map_or(Date::MIN, OffsetDateTime::date)
}

/// Today and the days ahead.
pub fn ahead(now: OffsetDateTime) -> impl Iterator<Item = Date> {
    (0..=DAYS_AHEAD).filter_map(move |days| now.date().checked_add(Duration::days(i64::from(days))))
}

/// Makes the partitions of these days, those that are missing.
///
/// Under a lock: a partition is attached for all replicas at once, and `IF NOT EXISTS` alone lets two makers collide.
///
/// # Errors
/// When `PostgreSQL` is away or refuses.
pub async fn make(pool: &Pool, days: &BTreeSet<Date>) -> Result<(), StoreError> {
    let mut client = pool.get().await?;
    let action = StoreError::of;
    let transaction = client.transaction().await.map_err(action("begin"))?;
    transaction.batch_execute(LOCK_TIMEOUT).await.map_err(action("make a partition"))?;
    let lock = "SELECT pg_advisory_xact_lock($1)";
    transaction.execute(lock, &[&Lock::Partitions.key()]).await.map_err(action("lock the partitions"))?;
    for day in days {
        let Some(next) = day.next_day() else { continue };
        let name = name(*day);
        let qualified = format!("workflow_comms.{name}");
        // One that is being detached is still there, and nothing can be stored in it.
        let exists = "SELECT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass($1) AND NOT inhdetachpending)";
        let row = transaction.query_one(exists, &[&qualified]).await.map_err(action("look for a partition"))?;
        if row.try_get::<_, bool>(0).map_err(action("look for a partition"))? {
            continue;
        }
        // The name and both days are made of digits here; DDL takes no parameters. `PARTITION OF` would lock the parent
        // against every reader; attaching does not, and reads nothing where a constraint says that all rows belong.
        let bounds = format!("'{day} 00:00:00+00'::timestamptz");
        let end = format!("'{next} 00:00:00+00'::timestamptz");
        let sql = format!(
            "CREATE TABLE {qualified} (LIKE workflow_comms.agent_messages INCLUDING DEFAULTS INCLUDING CONSTRAINTS \
                 INCLUDING STORAGE INCLUDING COMPRESSION, \
                 CONSTRAINT {name}_day CHECK (stream_ts >= {bounds} AND stream_ts < {end})); \
             CREATE UNIQUE INDEX {name}_id ON {qualified} (workflow_namespace, id); \
             CREATE UNIQUE INDEX {name}_cursor ON {qualified} (epoch, stream_seq); \
             ALTER TABLE workflow_comms.agent_messages ATTACH PARTITION {qualified} \
                 FOR VALUES FROM ('{day} 00:00:00+00') TO ('{next} 00:00:00+00'); \
             ALTER TABLE {qualified} DROP CONSTRAINT {name}_day"
        );
        transaction.batch_execute(&sql).await.map_err(action("make a partition"))?;
        tracing::info!(partition.name = name, "partition made");
    }
    transaction.commit().await.map_err(action("commit"))
}

fn name(day: Date) -> String {
    format!("agent_messages_{:04}{:02}{:02}", day.year(), u8::from(day.month()), day.day())
}
