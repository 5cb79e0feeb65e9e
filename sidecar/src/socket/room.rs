//! The memory that the connections may hold together: a few may have the longest record in hand, all of them may not.

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::RECORD_LIMIT;

/// Bytes that a connection may hold without asking: 256 of them then hold 4 MiB, when all are busy at once.
pub const FREE: usize = 16 * 1024;
/// Bytes for all that is longer: two of the longest records.
const TOTAL: usize = 2 * RECORD_LIMIT;
/// Permits are counted in these.
const UNIT: usize = 1024;
/// A writer that stopped in the middle of a long record must not stop the others: after this one goes on without.
const PATIENCE: Duration = Duration::from_secs(5);

/// The memory that is there.
#[derive(Debug)]
pub struct Room(Semaphore);

impl Default for Room {
    fn default() -> Self {
        Self(Semaphore::new(TOTAL / UNIT))
    }
}

impl Room {
    /// Waits until this much is there, and keeps it until the answer is dropped. First come, first served.
    pub async fn take(&self, bytes: usize) -> Option<SemaphorePermit<'_>> {
        if bytes <= FREE {
            return None;
        }
        let units = u32::try_from(bytes.min(TOTAL) / UNIT).unwrap_or(u32::MAX);
        tokio::time::timeout(PATIENCE, self.0.acquire_many(units)).await.ok()?.ok()
    }
}
