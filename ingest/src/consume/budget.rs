//! How many bytes of messages a replica holds, whatever `PostgreSQL` does: 16 MiB as they came, which decoded are about three
//! times as many, and more while they are written to it.
//!
//! A request to the stream takes the room of all that it may bring; each message takes its own along into its batch, and
//! gives it back when it is acknowledged. So what is being gathered, asked for, waiting and being stored is bounded together.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::batch::Delivery;

/// A request brings at most so many bytes, and a batch is handed on when it has as many: four of them are the whole budget,
/// so that one can be asked for and one wait while two are being stored.
pub(super) const REQUEST_BYTES: usize = 4 << 20;
/// Room is counted in units of so many bytes.
const UNIT: usize = 1 << 10;
const REQUEST_UNITS: u32 = 4 << 10;
const ALL_UNITS: u32 = 4 * REQUEST_UNITS;
/// What a message takes beside its bytes: its headers' table, its place, its decoded fields.
const OVERHEAD: usize = 512;

/// The bytes that a replica may hold. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Budget(Arc<Semaphore>);

/// A part of it, which is given back when dropped.
#[derive(Debug)]
pub(super) struct Room(OwnedSemaphorePermit);

impl Budget {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(ALL_UNITS as usize)))
    }

    /// Waits for the room of a request.
    pub(super) async fn of_request(&self) -> Room {
        self.take(REQUEST_UNITS).await
    }

    /// Waits until nothing is held any more: for a message that is larger than a request.
    pub(super) async fn all(&self) -> Room {
        self.take(ALL_UNITS).await
    }

    async fn take(&self, units: u32) -> Room {
        #[expect(clippy::expect_used, reason = "nobody closes it")]
        Room(self.0.clone().acquire_many_owned(units).await.expect("an open semaphore"))
    }
}

impl Room {
    /// Takes out what this message needs. A message that is larger than what is left takes all of it: requests are bounded by
    /// bytes, and rounding up makes the difference.
    pub(super) fn split(&mut self, delivery: &Delivery) -> Option<Self> {
        let bytes = delivery.payload.len() + delivery.subject.len() + OVERHEAD;
        self.0.split(bytes.div_ceil(UNIT).min(self.0.num_permits())).map(Self)
    }

    /// Puts two parts together.
    pub(super) fn merge(&mut self, other: Self) {
        self.0.merge(other.0);
    }

    /// How many bytes it stands for.
    pub(super) fn bytes(&self) -> usize {
        self.0.num_permits() * UNIT
    }
}
