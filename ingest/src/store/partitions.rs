//! One partition of `agent_messages` for each UTC day of store time. There is no default partition: a row that found its
//! way there would stand in the way of the partition it belongs to.

use std::collections::BTreeSet;

use deadpool_postgres::Pool;
use time::{Date, Duration, OffsetDateTime};

use crate::store::{Lock, StoreError};

/// How many days ahead partitions are made, so that midnight finds its own.
const DAYS_AHEAD: i64 = 7;

/// Which days have a partition, as far as this process knows, and how many days are kept.
#[derive(Debug)]
pub struct Partitions {
    retention: Duration,
    known: BTreeSet<Date>,
}

impl Partitions {
    /// Knows of none yet.
    #[must_use]
    pub fn new(retention_days: u16) -> Self {
        Self { retention: Duration::days(i64::from(retention_days)), known: BTreeSet::new() }
    }

    /// The oldest day that is kept.
    #[must_use]
    pub fn oldest_day(&self, now: OffsetDateTime) -> Date {
        now.checked_sub(self.retention).map_or(Date::MIN, OffsetDateTime::date)
    }

    /// Makes the partitions of these days and of the week ahead, those that are missing.
    ///
    /// # Errors
    /// When `PostgreSQL` is away or refuses.
    pub async fn ensure(&mut self, pool: &Pool, days: &BTreeSet<Date>, now: OffsetDateTime) -> Result<(), StoreError> {
        let ahead = (0..=DAYS_AHEAD).filter_map(|days| now.date().checked_add(Duration::days(days)));
        let missing: BTreeSet<Date> = ahead.chain(days.iter().copied()).filter(|day| !self.known.contains(day)).collect();
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

/// Under a lock: a partition is attached for all replicas at once, and `IF NOT EXISTS` alone lets two makers collide.
async fn make(pool: &Pool, days: &BTreeSet<Date>) -> Result<(), StoreError> {
    let mut client = pool.get().await?;
    let action = StoreError::of;
    let transaction = client.transaction().await.map_err(action("begin"))?;
    let lock = "SELECT pg_advisory_xact_lock($1)";
    transaction.execute(lock, &[&Lock::Partitions.key()]).await.map_err(action("lock the partitions"))?;
    for day in days {
        let Some(next) = day.next_day() else { continue };
        let name = name(*day);
        let exists = "SELECT to_regclass($1) IS NOT NULL";
        let qualified = format!("workflow_comms.{name}");
        let row = transaction.query_one(exists, &[&qualified]).await.map_err(action("look for a partition"))?;
        if row.try_get::<_, bool>(0).map_err(action("look for a partition"))? {
            continue;
        }
        // The name and both days are made of digits here; DDL takes no parameters.
        let sql = format!(
            "CREATE TABLE {qualified} PARTITION OF workflow_comms.agent_messages \
                 FOR VALUES FROM ('{day} 00:00:00+00') TO ('{next} 00:00:00+00'); \
             CREATE UNIQUE INDEX {name}_id ON {qualified} (workflow_namespace, id); \
             CREATE UNIQUE INDEX {name}_cursor ON {qualified} (epoch, stream_seq)"
        );
        transaction.batch_execute(&sql).await.map_err(action("make a partition"))?;
        tracing::info!(partition.name = name, "partition made");
    }
    transaction.commit().await.map_err(action("commit"))
}

fn name(day: Date) -> String {
    format!("agent_messages_{:04}{:02}{:02}", day.year(), u8::from(day.month()), day.day())
}
