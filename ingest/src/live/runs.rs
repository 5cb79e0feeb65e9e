//! The runs as they change: for lists of runs that stay open.
//!
//! A change is told when the table holds it, at most once a tick for a run however much it says, and again when silence
//! alone may have changed how the run stands. There is no cursor: a listener that misses something is ended, and loads the
//! list again. So is one that was there before the stream was followed, or when a part of it was passed over: others may have
//! stored that part, and nothing of it is ever read here. The table tells which of its runs are silent since.

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
/// Runs that said something last in a part that was passed over, the newest of them: so many may become silent.
const PASSED: usize = 10_000;
/// Changes a listener may be behind.
const BACKLOG: usize = 1_024;

/// What a run's silence may change, and when it is over for sure.
const SILENCES: [Duration; 2] = [after_micros(state::SETTLED_AFTER_MICROS), after_micros(state::STALLED_AFTER_MICROS)];

/// After this nothing changes by silence any more.
const LONGEST_SILENCE: Duration = SILENCES[SILENCES.len() - 1];

const fn after_micros(micros: i64) -> Duration {
    // A second more, for what lies between two clocks.
    Duration::from_micros(micros.unsigned_abs() + 1_000_000)
}

/// The changes that are not told yet, and who listens.
#[derive(Debug)]
pub(super) struct Changes {
    pending: Mutex<Pending>,
    /// Replaced when its listeners are to load the list again.
    told: Mutex<broadcast::Sender<Arc<RunSummary>>>,
}

/// Runs that changed, until that is told. Pure: it is handed the time.
#[derive(Debug)]
pub(super) struct Pending {
    changed: HashMap<RunKey, Change>,
    /// When a run said something last, and how many silences were told since.
    silent: HashMap<RunKey, (Instant, usize)>,
    /// How far the stream was read.
    read_to: Cursor,
    /// Up to here something was passed over: lists are whole again once the table holds it.
    passed_to: Option<Cursor>,
}

/// What a run said since it was told.
#[derive(Debug, Clone, Copy)]
struct Change {
    first: Cursor,
    last: Cursor,
}

/// Below it there is nothing that could be passed over.
const BEGINNING: Cursor = Cursor { epoch: 1, sequence: 0 };

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
        Self { pending: Mutex::default(), told: Mutex::new(broadcast::Sender::new(BACKLOG)) }
    }
}

impl Default for Pending {
    fn default() -> Self {
        Self { changed: HashMap::new(), silent: HashMap::new(), read_to: BEGINNING, passed_to: None }
    }
}

impl Changes {
    pub(super) fn listen(&self, stop: CancellationToken) -> RunChanges {
        RunChanges { receiver: self.told().subscribe(), stop }
    }

    pub(super) fn note(&self, changed: Vec<(RunKey, Cursor)>) {
        let now = Instant::now();
        let mut pending = self.pending();
        for (key, cursor) in changed {
            pending.note(key, cursor, now);
        }
    }

    /// The stream was read up to here.
    pub(super) fn read_to(&self, position: Cursor) {
        self.pending().read_to(position);
    }

    /// The stream is read from here on.
    pub(super) fn begin_after(&self, position: Cursor) {
        self.pending().begin_after(position);
    }

    /// Ends every listener.
    fn end_listeners(&self) {
        let ended = std::mem::replace(&mut *self.told(), broadcast::Sender::new(BACKLOG));
        if ended.receiver_count() > 0 {
            tracing::info!(
                listeners = ended.receiver_count(),
                "a part of the stream was not read here: lists of runs are loaded again"
            );
        }
    }

    fn told(&self) -> MutexGuard<'_, broadcast::Sender<Arc<RunSummary>>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    pub(super) fn note(&mut self, key: RunKey, cursor: Cursor, now: Instant) {
        self.silent.insert(key.clone(), (now, 0));
        let change = self.changed.entry(key).or_insert(Change { first: cursor, last: cursor });
        *change = Change { first: cursor.min(change.first), last: cursor.max(change.last) };
    }

    pub(super) fn read_to(&mut self, position: Cursor) {
        self.read_to = self.read_to.max(position);
    }

    pub(super) fn begin_after(&mut self, position: Cursor) {
        if position > self.read_to {
            self.passed_to = self.passed_to.max(Some(position));
            self.read_to = position;
        }
    }

    /// Up to where something was passed over that the table holds by now: told once.
    pub(super) fn take_passed(&mut self, watermark: Cursor) -> Option<Cursor> {
        self.passed_to.take_if(|position| *position <= watermark)
    }

    /// What was taken is told again.
    fn give_back_passed(&mut self, position: Cursor) {
        self.passed_to = self.passed_to.max(Some(position));
    }

    /// A run that was passed over says nothing for so long, unless it was heard here since.
    pub(super) fn note_silent(&mut self, key: RunKey, silence: Duration, now: Instant) {
        let told = SILENCES.iter().filter(|changes| silence >= **changes).count();
        // A machine that began later is told of it later.
        let since = now.checked_sub(silence).unwrap_or(now);
        self.silent.entry(key).or_insert((since, told));
    }

    /// The runs to tell of now: those of whose changes the table holds some, however many more they say meanwhile. The ones
    /// that waited longest come first, so that none waits for ever where more change than can be told.
    pub(super) fn take(&mut self, watermark: Cursor, limit: usize, now: Instant) -> Vec<RunKey> {
        for (key, (since, told)) in &mut self.silent {
            if SILENCES.get(*told).is_some_and(|silence| now.duration_since(*since) >= *silence) {
                *told += 1;
                self.changed.entry(key.clone()).or_insert(Change { first: Cursor::default(), last: Cursor::default() });
            }
        }
        self.silent.retain(|_, (_, told)| *told < SILENCES.len());
        let mut ready: Vec<_> = self.changed.iter().filter(|(_, change)| change.first <= watermark).collect();
        ready.sort_unstable_by_key(|(_, change)| change.first);
        let keys: Vec<RunKey> = ready.into_iter().take(limit).map(|(key, _)| key.clone()).collect();
        for key in &keys {
            if let Some(change) = self.changed.remove(key)
                && change.last > watermark
            {
                // The table does not hold all of it yet.
                self.changed.insert(key.clone(), Change { first: change.last, ..change });
            }
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
        let passed = shared.runs.pending().take_passed(watermark);
        if let Some(position) = passed {
            load_silent(shared, position).await;
        }
        let keys = shared.runs.pending().take(watermark, BATCH, Instant::now());
        if keys.is_empty() || shared.runs.told().receiver_count() == 0 {
            continue;
        }
        match read::runs::by_keys(&shared.pools.storing, &keys).await {
            Ok(runs) => {
                let told = shared.runs.told().clone();
                for run in runs {
                    // An error only says that the last listener left meanwhile.
                    drop(told.send(Arc::new(run)));
                }
            }
            Err(error) => {
                tracing::info!(error = &error as &dyn std::error::Error, "cannot read changed runs, trying again");
                shared.runs.note(keys.into_iter().map(|key| (key, Cursor::default())).collect());
            }
        }
    }
}

/// Learns which runs of a part that was passed over are silent since, then has the lists loaded again, so that no list is
/// older than what is known of silence.
async fn load_silent(shared: &Shared, position: Cursor) {
    match read::runs::silent(&shared.pools.storing, position, LONGEST_SILENCE, PASSED).await {
        Ok(runs) => {
            let now = Instant::now();
            let mut pending = shared.runs.pending();
            for (key, silence) in runs {
                pending.note_silent(key, silence, now);
            }
            drop(pending);
            shared.runs.end_listeners();
        }
        Err(error) => {
            tracing::info!(error = &error as &dyn std::error::Error, "cannot read silent runs, trying again");
            shared.runs.pending().give_back_passed(position);
        }
    }
}

#[cfg(test)]
mod tests;
