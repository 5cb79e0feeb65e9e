//! The runs as they change: for lists of runs that stay open.
//!
//! A change is told when the table holds it, at most once a tick for a run however much it says, and again when silence
//! alone may have changed how the run stands. There is no cursor: a listener that misses something is ended, and loads the
//! list again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use message::RunKey;
use tokio::sync::broadcast;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Shared;
use crate::cursor::Cursor;
use crate::read;
use crate::read::runs::{RunSummary, state};

/// A run is told at most this often.
const TICK: Duration = Duration::from_millis(500);
/// Runs read from the table at once.
const BATCH: usize = 200;
/// Changes a listener may be behind.
const BACKLOG: usize = 1_024;

/// What a run's silence may change, and when it is over for sure.
const SILENCES: [Duration; 2] = [after_micros(state::SETTLED_AFTER_MICROS), after_micros(state::STALLED_AFTER_MICROS)];

const fn after_micros(micros: i64) -> Duration {
    // A second more, for what lies between two clocks.
    Duration::from_micros(micros.unsigned_abs() + 1_000_000)
}

/// The changes that are not told yet, and who listens.
#[derive(Debug)]
pub(super) struct Changes {
    pending: Mutex<Pending>,
    told: broadcast::Sender<Arc<RunSummary>>,
}

/// Runs that changed, until that is told. Pure: it is handed the time.
#[derive(Debug, Default)]
pub(super) struct Pending {
    changed: HashMap<RunKey, Cursor>,
    /// When a run said something last, and how many silences were told since.
    silent: HashMap<RunKey, (Instant, usize)>,
}

/// A listener.
#[derive(Debug)]
pub struct RunChanges {
    receiver: broadcast::Receiver<Arc<RunSummary>>,
    stop: CancellationToken,
}

impl RunChanges {
    /// The next run that changed. Nothing when the process stops, or when this listener fell behind: it loads the list again.
    pub async fn next(&mut self) -> Option<Arc<RunSummary>> {
        tokio::select! {
            () = self.stop.cancelled() => None,
            received = self.receiver.recv() => received.ok(),
        }
    }
}

impl Default for Changes {
    fn default() -> Self {
        Self { pending: Mutex::default(), told: broadcast::Sender::new(BACKLOG) }
    }
}

impl Changes {
    pub(super) fn listen(&self, stop: CancellationToken) -> RunChanges {
        RunChanges { receiver: self.told.subscribe(), stop }
    }

    pub(super) fn note(&self, changed: Vec<(RunKey, Cursor)>) {
        let now = Instant::now();
        let mut pending = self.pending();
        for (key, cursor) in changed {
            pending.note(key, cursor, now);
        }
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    pub(super) fn note(&mut self, key: RunKey, cursor: Cursor, now: Instant) {
        self.silent.insert(key.clone(), (now, 0));
        let last = self.changed.entry(key).or_insert(cursor);
        *last = cursor.max(*last);
    }

    /// The runs to tell of now: those whose last change the table holds.
    pub(super) fn take(&mut self, watermark: Cursor, limit: usize, now: Instant) -> Vec<RunKey> {
        for (key, (since, told)) in &mut self.silent {
            if SILENCES.get(*told).is_some_and(|silence| now.duration_since(*since) >= *silence) {
                *told += 1;
                self.changed.entry(key.clone()).or_default();
            }
        }
        self.silent.retain(|_, (_, told)| *told < SILENCES.len());
        let ready = |(_, cursor): &(&RunKey, &Cursor)| **cursor <= watermark;
        let keys: Vec<RunKey> = self.changed.iter().filter(ready).take(limit).map(|(key, _)| key.clone()).collect();
        for key in &keys {
            self.changed.remove(key);
        }
        keys
    }
}

/// Tells listeners of changed runs, for ever.
pub(super) async fn publish(shared: &Shared) {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let watermark = shared.settled.borrow().watermark;
        let keys = shared.runs.pending().take(watermark, BATCH, Instant::now());
        if keys.is_empty() || shared.runs.told.receiver_count() == 0 {
            continue;
        }
        match read::runs::by_keys(&shared.pool, &keys).await {
            Ok(runs) => {
                for run in runs {
                    // An error only says that the last listener left meanwhile.
                    drop(shared.runs.told.send(Arc::new(run)));
                }
            }
            Err(error) => {
                tracing::info!(error = &error as &dyn std::error::Error, "cannot read changed runs, trying again");
                shared.runs.note(keys.into_iter().map(|key| (key, Cursor::default())).collect());
            }
        }
    }
}

#[cfg(test)]
mod tests;
