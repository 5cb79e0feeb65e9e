//! Which life of the stream is being read: what this replica was handed of it, and whether it may have ended.
//!
//! A stream can be created anew, or come back without its end. Its sequences then mean other messages, and what is stored
//! under the old life's number must not be mixed with them. Storing and live therefore show every message to this judge:
//! - each connection begins with a quarantine. Nothing is stored or shown until every replica that reaches the database has
//!   written down what it saw before and has read what the others wrote;
//! - a message that shows a break, or a stream that is another one, is a suspicion: nothing that may belong to another life
//!   is stored or shown until the table of lives has the new one, or shows that there is none.
//!
//! It decides nothing alone: lives are added under a lock in the database ([`super::floor`] asks for it), and every batch
//! checks there that it knows the newest one.

pub mod judge;
pub(super) mod probe;
mod suspicion;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use message::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::epochs::Epochs;
use judge::{High, Judgement, judge};
pub use suspicion::Suspicion;

/// How long replicas have to write down what they saw before a disturbance, from the first moment at which all is well.
const QUARANTINE: Duration = Duration::from_secs(1);
/// How long a batch waits here before it is tried again from the start.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a stream must be shorter than it was: a server that lags behind its leader may have answered.
const SHORT: Duration = Duration::from_secs(1);

/// Nothing is stored now: the stream may have begun another life.
#[derive(Debug, thiserror::Error)]
#[error("the stream may have begun another life, waiting until that is known")]
pub struct Quarantined;

/// What this replica knows of the newest life. Shared by storing and live.
#[derive(Debug)]
pub struct Life {
    state: Mutex<State>,
    /// Counts what may let somebody go on.
    changes: watch::Sender<u64>,
    /// Counts connections; nothing where whoever made this needs no connection.
    connection: Option<Arc<async_nats::Statistics>>,
}

#[derive(Debug)]
struct State {
    epochs: Arc<Epochs>,
    high: High,
    /// What was shown without knowing what others saw, because the database is away: the first of it, and the maxima.
    unconfirmed: Option<(High, High)>,
    suspicion: Option<Suspicion>,
    quarantine: Option<Quarantine>,
    /// Counts quarantines.
    turn: u64,
    connects: u64,
    short_since: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Quarantine {
    since: Instant,
    /// When everything was well for the first time.
    well_since: Option<Instant>,
    /// Whether the database is away: then nobody stores, and live need not wait for what others saw.
    without_database: bool,
}

impl Life {
    /// Of the stream behind a connection. It begins in quarantine.
    #[must_use]
    pub fn new(connection: Option<Arc<async_nats::Statistics>>) -> Self {
        let state = State {
            epochs: Arc::new(Epochs::first()),
            high: High::default(),
            unconfirmed: None,
            suspicion: None,
            quarantine: connection.is_some().then(Quarantine::begin),
            turn: 0,
            connects: 0,
            short_since: None,
        };
        Self { state: Mutex::new(state), changes: watch::Sender::new(0), connection }
    }

    /// Judges a message that was handed out, and notes it; also tells its life, as far as lives are known. What is handed
    /// out in quarantine is not noted yet: it is judged again before it is stored.
    pub fn handed(&self, sequence: u64, stored_at: Timestamp) -> (Judgement, i64) {
        self.look_at(sequence, stored_at, |quarantine| quarantine.without_database)
    }

    /// The same for a message that is shown next, which nobody judges again: it counts, also where a quarantine began after
    /// it was found that it may be shown.
    pub fn shown(&self, sequence: u64, stored_at: Timestamp) -> (Judgement, i64) {
        self.look_at(sequence, stored_at, |_| true)
    }

    fn look_at(&self, sequence: u64, stored_at: Timestamp, counts: fn(Quarantine) -> bool) -> (Judgement, i64) {
        let mut state = self.state();
        let (judgement, high) = state.judge(sequence, stored_at);
        if judgement == Judgement::Backwards {
            state.suspect(Suspicion::Backwards { at: stored_at });
        } else if state.suspicion.is_none() {
            match state.quarantine {
                None => state.high.raise(high),
                Some(quarantine) if counts(quarantine) && high.sequence > state.high.sequence => {
                    state.unconfirmed.get_or_insert((high, high)).1.raise(high);
                }
                Some(_) => {}
            }
        }
        (judgement, state.epochs.of_moment(stored_at))
    }

    /// Waits, for a while, until these messages may be stored: sequence and store time of each.
    ///
    /// # Errors
    /// When they may not: try again later.
    pub async fn admit(&self, handed: impl Iterator<Item = (u64, Timestamp)> + Clone) -> Result<(), Quarantined> {
        let mut changes = self.changes.subscribe();
        let until = Instant::now() + PATIENCE;
        loop {
            changes.mark_unchanged();
            if self.try_admit(handed.clone()) {
                return Ok(());
            }
            // It fails at the deadline, or when this judge is gone.
            if !matches!(tokio::time::timeout_at(until, changes.changed()).await, Ok(Ok(()))) {
                return Err(Quarantined);
            }
        }
    }

    fn try_admit(&self, handed: impl Iterator<Item = (u64, Timestamp)>) -> bool {
        let mut state = self.state();
        if state.quarantine.is_some() {
            return false;
        }
        if let Some(suspicion) = state.suspicion {
            return state.is_of_old_life(suspicion, handed);
        }
        let mut high = state.high;
        for (sequence, stored_at) in handed {
            let (judgement, of_message) = state.judge(sequence, stored_at);
            if judgement == Judgement::Backwards {
                state.suspect(Suspicion::Backwards { at: stored_at });
                return false;
            }
            high.raise(of_message);
        }
        state.high = high;
        true
    }

    /// Waits until what is handed out may be shown.
    pub async fn may_show(&self) {
        let mut changes = self.changes.subscribe();
        loop {
            changes.mark_unchanged();
            let wait = {
                let state = self.state();
                match (state.suspicion, state.quarantine) {
                    (None, None) => return,
                    (None, Some(quarantine)) if quarantine.without_database => {
                        let over = quarantine.since + QUARANTINE;
                        if over <= Instant::now() {
                            return;
                        }
                        over
                    }
                    _ => Instant::now() + PATIENCE,
                }
            };
            // Whether it was woken or not, it looks again.
            drop(tokio::time::timeout_at(wait, changes.changed()).await);
        }
    }

    /// Says why the stream may have begun another life.
    pub fn suspect(&self, suspicion: Suspicion) {
        self.state().suspect(suspicion);
    }

    /// What is suspected, if anything is.
    #[must_use]
    pub fn suspicion(&self) -> Option<Suspicion> {
        self.state().suspicion
    }

    /// There is no other life after all.
    pub fn acquit(&self) {
        self.state().suspicion = None;
        self.wake();
    }

    /// Something broke off: what comes next may be of another life.
    pub fn disturb(&self) {
        self.state().begin_quarantine();
    }

    /// Which turn this is: each quarantine begins another. What was handed out in one names a message of the stream as it
    /// was then.
    #[must_use]
    pub fn turn(&self) -> u64 {
        self.state().turn
    }

    /// Whether it is not known yet what others saw.
    #[must_use]
    pub fn is_undecided(&self) -> bool {
        self.state().quarantine.is_some()
    }

    /// Whether nothing newly handed out is stored.
    #[must_use]
    pub fn is_quarantined(&self) -> bool {
        let state = self.state();
        state.quarantine.is_some() || state.suspicion.is_some()
    }

    /// The newest life, and what was handed out of it.
    #[must_use]
    pub fn seen(&self) -> (i64, High) {
        let state = self.state();
        (state.epochs.newest(), state.high)
    }

    /// Takes over the lives as they were read, with what every replica saw of the newest. A new one explains a suspicion.
    pub fn learn(&self, epochs: &Arc<Epochs>) {
        let mut state = self.state();
        let is_new = epochs.newest() > state.epochs.newest();
        state.epochs = epochs.clone();
        if is_new {
            (state.high, state.suspicion, state.short_since) = (High::default(), None, None);
            state.unconfirmed = None;
        }
        if let Some(newest) = epochs.0.last() {
            state.high.raise(High { sequence: newest.seen_sequence, at: newest.seen_at });
        }
        drop(state);
        if is_new {
            self.wake();
        }
    }

    /// Takes over what was stored of a life before this replica began.
    pub fn recall(&self, epoch: i64, high: High) {
        let mut state = self.state();
        if state.epochs.newest() == epoch {
            state.high.raise(high);
        }
    }

    /// Compares the stream with what is known of it. `high` is what was handed out before the stream was asked.
    pub fn inspect(&self, created: Timestamp, last: i64, high: High) -> Option<Suspicion> {
        let mut state = self.state();
        let known = state.epochs.0.last().and_then(|newest| newest.stream_created);
        if known.is_some_and(|known| known != created) {
            state.suspect(Suspicion::Recreated { created });
        } else if last < high.sequence {
            let since = *state.short_since.get_or_insert_with(Instant::now);
            if since.elapsed() >= SHORT {
                state.suspect(Suspicion::Short);
            }
        } else {
            state.short_since = None;
        }
        state.suspicion
    }

    /// Stream and database were reached, by questions that began at this moment: the quarantine ends with the first ones
    /// that began long enough after the first that were answered.
    pub fn is_well(&self, began: Instant) {
        let mut state = self.state();
        let Some(quarantine) = &mut state.quarantine else { return };
        quarantine.without_database = false;
        let well_since = *quarantine.well_since.get_or_insert_with(Instant::now);
        if began >= well_since + QUARANTINE {
            state.quarantine = None;
            state.confirm();
            drop(state);
            self.wake();
        }
    }

    /// The database is away.
    pub fn is_without_database(&self) {
        let mut state = self.state();
        if let Some(quarantine) = &mut state.quarantine
            && !quarantine.without_database
        {
            quarantine.without_database = true;
            drop(state);
            self.wake();
        }
    }

    fn wake(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// The state, after a look at the connection: it is counted before anything is read from it, so nothing that came over
    /// a new one is judged as if it had come over the old one.
    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let connects = self.connection.as_ref().map_or(0, |connection| connection.connects.load(Ordering::Acquire));
        if connects != state.connects {
            state.connects = connects;
            state.begin_quarantine();
        }
        state
    }
}

impl Quarantine {
    fn begin() -> Self {
        Self { since: Instant::now(), well_since: None, without_database: false }
    }
}

impl State {
    fn begin_quarantine(&mut self) {
        self.quarantine = Some(Quarantine::begin());
        self.turn += 1;
    }

    /// Judges a message; also gives what it adds to what was handed out. One of an earlier life adds nothing.
    fn judge(&self, sequence: u64, stored_at: Timestamp) -> (Judgement, High) {
        if self.epochs.of_moment(stored_at) != self.epochs.newest() {
            return (Judgement::Old, High::default());
        }
        let sequence = i64::try_from(sequence).unwrap_or(i64::MAX);
        let mut high = self.high;
        if let Some((_, unconfirmed)) = self.unconfirmed {
            high.raise(unconfirmed);
        }
        (judge(high, sequence, stored_at), High { sequence, at: Some(stored_at) })
    }

    /// Now that it is known what others saw, judges what was shown without that. It came in order, so the first tells.
    fn confirm(&mut self) {
        let Some((first, high)) = self.unconfirmed.take() else { return };
        match first.at {
            Some(at) if judge(self.high, first.sequence, at) == Judgement::Backwards => {
                self.suspect(Suspicion::Backwards { at });
            }
            _ => self.high.raise(high),
        }
    }

    /// Another stream explains more than a message that stands out.
    fn suspect(&mut self, suspicion: Suspicion) {
        if self.suspicion.is_none() || matches!(suspicion, Suspicion::Recreated { .. }) {
            self.suspicion = Some(suspicion);
        }
    }

    /// Whether these messages are of the life that may have ended: they are not later than what was seen of it. That proves
    /// nothing where the other stream's clock is behind.
    fn is_of_old_life(&self, suspicion: Suspicion, mut handed: impl Iterator<Item = (u64, Timestamp)>) -> bool {
        let Some(latest) = self.high.at else { return false };
        let clock_is_behind = matches!(suspicion, Suspicion::Recreated { created } if created <= latest);
        !clock_is_behind && handed.all(|(_, stored_at)| stored_at <= latest)
    }
}

#[cfg(test)]
mod tests;
