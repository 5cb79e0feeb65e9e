//! The time of the database, which decides for all replicas alike which days are kept: a replica whose own clock is wrong
//! would else drop what the others keep.

use std::time::Duration;

use deadpool_postgres::{ClientWrapper, Pool};
use time::OffsetDateTime;
use tokio::time::Instant;

use crate::store::StoreError;

/// How long one reading is counted on from; clocks do not drift far in this time.
const TRUSTED: Duration = Duration::from_secs(600);

/// What the database said last, counted on by a clock that nobody sets.
#[derive(Debug, Default)]
pub struct DatabaseClock(Option<(OffsetDateTime, Instant)>);

impl DatabaseClock {
    /// The time of the database. It is asked every ten minutes only.
    ///
    /// # Errors
    /// When `PostgreSQL` is away.
    pub async fn now(&mut self, pool: &Pool) -> Result<OffsetDateTime, StoreError> {
        if let Some((then, read)) = self.0
            && read.elapsed() < TRUSTED
        {
            return Ok(then + read.elapsed());
        }
        let client = pool.get().await?;
        // Taken before the question: an answer that is late makes the time earlier, which keeps more.
        let (asked, then) = (Instant::now(), now(&client).await?);
        self.0 = Some((then, asked));
        Ok(then)
    }
}

/// What the database says.
///
/// # Errors
/// When `PostgreSQL` is away.
pub async fn now(session: &ClientWrapper) -> Result<OffsetDateTime, StoreError> {
    let row = session.query_one("SELECT clock_timestamp()", &[]).await;
    row.and_then(|row| row.try_get(0)).map_err(StoreError::of("read the time"))
}
