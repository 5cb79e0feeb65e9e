//! What is said, to everybody who watches, as it is stored: one consumer and one ring a replica, viewers as positions.
//!
//! Invariants kept here:
//! - a viewer sees the messages that match its filter in strictly rising cursor order, each once, none left out: it is a
//!   position and nothing else, and every way it is served (ring, table) moves that position over what it has seen;
//! - a viewer is served from the ring only while its position is inside, else from the table, and there only up to the
//!   watermark, below which nothing appears later;
//! - of several copies of one message the one with the lowest cursor is shown. Where the ring cannot know (a resent copy)
//!   the viewers that the copy matches wait until the table holds the answer;
//! - a slow viewer costs nobody anything: no queue belongs to it, and what left the ring it reads from the table.

mod copies;
mod feed;
mod fill;
mod frame;
mod ids;
mod metrics;
mod page;
mod ring;
mod runs;
mod step;
mod subscription;
mod tabs;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use async_nats::jetstream;
use bytes::Bytes;
use prometheus_client::registry::Registry;
use time::OffsetDateTime;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::consume::life::Life;
use crate::cursor::Cursor;
use crate::filter::Filter;
use crate::settled::Settled;
use crate::store::pool::Pools;
use metrics::LiveMetrics;
use ring::{Limits, Ring};

pub use frame::Frame;
pub use page::{Page, View};
pub use runs::RunChanges;
pub use subscription::Subscription;

/// What a viewer is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A message.
    Message(Arc<Frame>),
    /// Everything up to here was told; what follows is live. Told once, and again after [`Event::Degraded`].
    CaughtUp(Cursor),
    /// Nothing was told for a while; the viewer may go on from here.
    Heartbeat(Cursor),
    /// The cursor asked for cannot be honoured; the newest messages after this position follow instead.
    Reset {
        /// `unknown_epoch`, `expired` or `discarded`.
        reason: &'static str,
        /// The position that the stream goes on from.
        cursor: Cursor,
    },
    /// The stream waits for the history or for the stream; nothing is lost, it goes on by itself.
    Degraded,
}

/// Where a viewer starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With the newest so many messages, oldest first.
    Newest(usize),
    /// With everything after this position.
    After(Cursor),
}

/// How long a stream is told nothing before a heartbeat, unless a setting says less. Readers count on it: see `api.md`.
pub const HEARTBEAT: Duration = Duration::from_secs(15);

/// The live side of a replica. Clones share it.
#[derive(Debug, Clone)]
pub struct Hub(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    pools: Pools,
    /// How far the stream is stored.
    settled: watch::Receiver<Settled>,
    /// Judges what is handed out.
    life: Arc<Life>,
    ring: RwLock<Ring>,
    /// Which ids were seen, across the lives of the ring.
    ids: Mutex<ids::Ids>,
    /// The stream, once it is followed.
    jetstream: OnceLock<jetstream::Context>,
    /// Room for what viewers have in hand that they are not told yet, in KiB.
    hands: Arc<Semaphore>,
    /// Turns of viewers that are read for from the stream.
    fills: Semaphore,
    /// Counts the changes of the ring: viewers wait on it.
    changes: watch::Sender<u64>,
    rows: frame::Rows,
    pages: page::Pages,
    runs: runs::Changes,
    metrics: LiveMetrics,
    heartbeat: Duration,
    stop: CancellationToken,
}

impl Hub {
    /// A hub whose streams end with the token. Nothing is live before [`Hub::run`].
    #[must_use]
    pub fn new(pools: Pools, settled: watch::Receiver<Settled>, life: Arc<Life>, stop: CancellationToken) -> Self {
        Self::with_heartbeat(pools, settled, life, stop, HEARTBEAT)
    }

    /// The same; its streams are told nothing for so long at most.
    #[must_use]
    pub fn with_heartbeat(
        pools: Pools,
        settled: watch::Receiver<Settled>,
        life: Arc<Life>,
        stop: CancellationToken,
        heartbeat: Duration,
    ) -> Self {
        Self(Arc::new(Shared {
            pools,
            settled,
            life,
            ring: RwLock::new(Ring::closed(Limits::DEFAULT)),
            ids: Mutex::default(),
            jetstream: OnceLock::new(),
            hands: Arc::new(Semaphore::new(subscription::HANDS)),
            fills: Semaphore::new(1),
            changes: watch::Sender::new(0),
            rows: frame::Rows::default(),
            pages: page::Pages::default(),
            runs: runs::Changes::default(),
            metrics: LiveMetrics::default(),
            heartbeat,
            stop,
        }))
    }

    /// Adds its metrics.
    pub fn register(&self, registry: &mut Registry) {
        self.0.metrics.register(registry);
    }

    /// Follows the stream until the token is cancelled; what goes wrong is logged and tried again.
    pub async fn run(&self, jetstream: jetstream::Context) {
        let jetstream = self.0.jetstream.get_or_init(|| jetstream);
        let work = async {
            let following = Box::pin(feed::follow(&self.0, jetstream));
            tokio::join!(following, copies::decide(&self.0), runs::publish(&self.0));
        };
        tokio::select! { () = self.0.stop.cancelled() => {}, () = work => {} }
    }

    /// Whether the stream is being followed.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.0.ring().is_open()
    }

    /// Whether the stream may hold a message at this position: it does not reach so far, or that is not known.
    #[must_use]
    pub fn may_hold(&self, position: Cursor) -> bool {
        let ring = self.0.ring();
        !ring.is_open() || position <= ring.head()
    }

    /// How far what is stored is behind what is said, in seconds: the age of the oldest message that is not stored, of those that
    /// this replica keeps. Whichever replica stores it, the watermark tells.
    #[must_use]
    pub fn behind_seconds(&self) -> i64 {
        let Some(watermark) = self.0.settled.borrow().known() else { return 0 };
        let oldest = self.0.ring().oldest_after(watermark);
        // The clock of the stream may be ahead of ours.
        oldest.map_or(0, |oldest| (OffsetDateTime::now_utc() - oldest.moment()).whole_seconds().max(0))
    }

    /// How long a stream is told nothing before it is told that it is there.
    #[must_use]
    pub fn heartbeat(&self) -> Duration {
        self.0.heartbeat
    }

    /// A viewer.
    #[must_use]
    pub fn subscribe(&self, filter: Filter, start: Start) -> Subscription {
        Subscription::new(self.0.clone(), filter, start)
    }

    /// The event that carries a message.
    #[must_use]
    pub fn event(&self, frame: &Arc<Frame>, view: View) -> Bytes {
        frame.event_in(view, &self.0.rows)
    }

    /// The events that carry the messages of a page.
    #[must_use]
    pub fn events(&self, page: &Page, view: View) -> Bytes {
        page.together(view, &self.0.rows)
    }

    /// The runs as they change.
    #[must_use]
    pub fn runs(&self) -> RunChanges {
        self.0.runs.listen(self.0.stop.clone())
    }
}

impl Shared {
    fn ring(&self) -> RwLockReadGuard<'_, Ring> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn ids(&self) -> MutexGuard<'_, ids::Ids> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the ring, then wakes the viewers once.
    fn change<T>(&self, change: impl FnOnce(&mut Ring) -> T) -> T {
        let result = {
            let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
            let result = change(&mut ring);
            self.metrics.observe(&ring);
            result
        };
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
        result
    }
}

#[cfg(test)]
mod tests;
