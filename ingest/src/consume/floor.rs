//! The one task that knows how the stream stands: which life it is in, how far that is committed, and what of it is lost.
//! Everything it finds is decided in the database, so that it does not matter which replica finds it.
//!
//! In each tick: what this replica was handed is written down and what others were handed is read; a break is looked for;
//! watermarks go as far as the durable's acknowledgements prove (see [`decide`]); what the stream discarded before it was
//! stored is compared with the tables and told; lives that have a successor are ended. What holds then is told to every
//! part of the replica at once.

mod decide;

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::{consumer, stream};
use message::Timestamp;
use service::causes::in_one_line;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::extend::Extender;
use super::life::judge::High;
use super::life::{Suspicion, probe};
use super::{PATIENCE, READ_CONDITION, STREAM_CONDITION, Storing};
use crate::cursor::Cursor;
use crate::epochs::{Epoch, Epochs};
use crate::settled::Settled;
use crate::store::StoreError;
use crate::store::epochs::{self, Break};
use crate::store::watermark::{self as table, Discarded, Lives, Waiting};
use decide::{Decision, Standing, Told, decide};

/// How often the stream is looked at.
const EVERY: Duration = Duration::from_millis(300);
/// How long storing must have gone well before anything is told as lost: longer than its longest pause between two tries,
/// so that a replica that holds something has tried to store it.
const WELL: Duration = Duration::from_secs(10);
/// How often what was passed over is cleaned.
const CLEAN: Duration = Duration::from_secs(60);
/// How often it is told that the stream is about to discard what is not stored yet.
const WARN: Duration = Duration::from_secs(3_600);
/// From which share of what the stream may hold that is told.
const FULL: f64 = 0.5;
/// From which share the stream is taken to discard at any moment what is not stored: ages and sizes are taken for even.
const NEAR_END: f64 = 0.8;

/// Follows one binding of the durable.
pub(super) struct Floor {
    storing: Storing,
    extender: Extender,
    stream: stream::Stream,
    durable: PullConsumer,
    ack_wait: Duration,
    /// Since when the database has answered.
    well_since: Option<Instant>,
    cleaned_at: Instant,
    warned_at: Option<Instant>,
}

#[derive(Debug, thiserror::Error)]
enum TickError {
    #[error("the stream cannot be looked at")]
    Stream(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Floor {
    pub(super) fn new(storing: Storing, extender: Extender, stream: stream::Stream, durable: PullConsumer) -> Self {
        let ack_wait = durable.cached_info().config.ack_wait;
        Self { storing, extender, stream, durable, ack_wait, well_since: None, cleaned_at: Instant::now(), warned_at: None }
    }

    /// Follows it until the token is cancelled.
    pub(super) async fn follow(mut self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! { _ = ticks.tick() => {}, () = stop.cancelled() => return }
            match self.tick().await {
                Ok(()) => {
                    self.storing.readiness.hold(STREAM_CONDITION);
                    self.storing.readiness.hold(READ_CONDITION);
                }
                Err(TickError::Store(error)) => {
                    self.well_since = None;
                    self.storing.life.is_without_database();
                    self.storing.readiness.fail(READ_CONDITION, in_one_line(&error));
                }
                Err(error) => self.storing.readiness.fail(STREAM_CONDITION, in_one_line(&error)),
            }
        }
    }

    async fn tick(&mut self) -> Result<(), TickError> {
        let life = self.storing.life.clone();
        // What was handed out before the stream is asked: the stream cannot end below it.
        let (epoch, high) = life.seen();
        let durable = within(self.durable.get_info()).await?;
        let info = within(self.stream.get_info()).await?;
        self.storing.metrics.lag(durable.num_pending, durable.num_ack_pending, self.extender.oldest());
        self.storing.metrics.stream(info.state.first_sequence, info.state.last_sequence);
        let began = Instant::now();
        let mut lives = table::note_and_read(&self.storing.pool, epoch, high.sequence, high.at).await?;
        self.well_since.get_or_insert(began);
        life.learn(&Arc::new(lives.epochs.clone()));
        let high = if epoch == lives.epochs.newest() { high } else { High::default() };
        if let Some(suspicion) = life.inspect(Timestamp::new(info.created), signed(info.state.last_sequence), high) {
            // Where the old life ends is known when everybody has told what he saw of it.
            if !life.is_undecided() && self.find_break(lives.epochs.newest(), suspicion, &info).await? {
                lives = table::note_and_read(&self.storing.pool, epoch, 0, None).await?;
                life.learn(&Arc::new(lives.epochs.clone()));
            }
        } else if !life.is_quarantined() {
            lives = self.advance(lives, &durable, &info).await?;
        }
        self.tell(&lives.epochs);
        life.is_well(began);
        self.look_after(&lives.epochs, &info).await
    }

    /// Adds the life that a suspicion speaks of, once the stream has a message of it; whether the table is to be read anew.
    /// `suspected` is the newest life that was known when the suspicion was looked at.
    async fn find_break(&self, suspected: i64, suspicion: Suspicion, info: &stream::Info) -> Result<bool, TickError> {
        let known = epochs::read(&self.storing.pool).await?;
        let Some(newest) = known.0.last() else { return Ok(false) };
        if newest.epoch != suspected {
            // Another replica has added it meanwhile: what is suspected of the life before says nothing about the new one.
            return Ok(true);
        }
        let created = Timestamp::new(info.created);
        let is_recreated = newest.stream_created.is_some_and(|known| known != created);
        let (_, latest) = epochs::latest(&self.storing.pool, newest.epoch).await?;
        let is_among_known = |at: Timestamp| latest.is_some_and(|latest| at <= latest);
        let known_first = match suspicion {
            Suspicion::Backwards { at } if !is_recreated && is_among_known(at) => {
                // Another replica was handed something later of the same life: this message was only late.
                self.storing.life.acquit();
                return Ok(true);
            }
            Suspicion::Taken { sequence, at } if !is_recreated => {
                let there = epochs::stored_at(&self.storing.pool, newest.epoch, sequence).await?;
                if there.is_none_or(|there| at <= there) {
                    // It is of the life before, and came when its place was taken: it will be late.
                    self.storing.life.acquit();
                    return Ok(true);
                }
                // Messages of the new life were taken for ones of the old before anybody could know: this one cannot be.
                is_among_known(at).then_some((sequence.unsigned_abs(), at))
            }
            _ => None,
        };
        // Nothing of the old life is later than the latest of it; times are stored in microseconds.
        let from = if is_recreated { None } else { latest.map(next_microsecond) };
        let first = match known_first {
            Some(first) => Some(first),
            None => probe::first(&self.storing.jetstream, &self.stream, from)
                .await
                .map_err(|error| TickError::Stream(Box::new(error)))?,
        };
        let Some((sequence, starts_at)) = first else {
            return Ok(false);
        };
        // What a new stream has discarded already was of the new life too, and is lost.
        let first_sequence = if is_recreated { info.config.first_sequence.unwrap_or(1).max(1) } else { sequence };
        let reason = if is_recreated { Suspicion::Recreated { created }.reason() } else { suspicion.reason() };
        let found = Break { after: newest.epoch, starts_at, created, first_sequence: signed(first_sequence), reason };
        if epochs::add(&self.storing.pool, found).await? {
            self.storing.metrics.epoch_changed(reason);
            tracing::warn!(
                epoch = newest.epoch + 1,
                epoch.reason = reason,
                epoch.starts_at = %starts_at,
                epoch.first_sequence = first_sequence,
                "the stream began another life"
            );
        }
        Ok(true)
    }

    /// Moves the watermarks, and tells what is lost.
    async fn advance(&self, mut lives: Lives, durable: &consumer::Info, info: &stream::Info) -> Result<Lives, TickError> {
        let told = Told { floor: signed(durable.ack_floor.stream_sequence), first: signed(info.state.first_sequence) };
        let created = Timestamp::new(info.created);
        let pool = &self.storing.pool;
        let is_well = self.well_since.is_some_and(|since| since.elapsed() >= WELL);
        let mut is_changed = false;
        for index in 0..lives.epochs.0.len() {
            let epoch = lives.epochs.0[index].clone();
            if epoch.settled {
                continue;
            }
            let next = lives.epochs.0.get(index + 1).cloned();
            let waiting = lives.waiting.iter().find(|waiting| waiting.epoch == epoch.epoch).copied();
            // An earlier stream has no floor; what is left of it, replicas hold.
            let is_served = epoch.stream_created.is_none_or(|known| known == created);
            let follows = next.as_ref().filter(|next| next.stream_created == epoch.stream_created);
            let last = follows.map_or(i64::MAX, |next| next.first_sequence - 1);
            let position = Cursor { epoch: epoch.epoch, sequence: epoch.watermark };
            let hold_to = waiting.and_then(|waiting| waiting.hold_to);
            let is_near_end = next.is_none() && backlog(&epoch, info) > NEAR_END;
            let standing = Standing { watermark: epoch.watermark, hold_to, last, is_near_end };
            let decision = if is_served { decide(standing, told) } else { Decision::Nothing };
            match decision {
                Decision::Nothing => {}
                Decision::Raise(to) => {
                    if table::raise(pool, position, to).await? {
                        lives.epochs.0[index].watermark = to;
                    } else {
                        is_changed = true;
                    }
                }
                Decision::Hold(to) => {
                    table::hold(pool, position, to).await?;
                    tracing::info!(
                        epoch = position.epoch,
                        watermark = position.sequence,
                        discarded.to = to,
                        "the stream discarded what may not be stored yet, or is about to"
                    );
                }
                Decision::Compare(_) => {
                    let is_due = is_well && waiting.is_some_and(|waiting| waiting.held >= self.ack_wait);
                    let discarded = table::compare(pool, position.epoch, is_due).await?;
                    self.tell_lost(position.epoch, discarded);
                    is_changed = true;
                }
            }
            // Of the same stream its rest must have been delivered; of another one nothing comes any more.
            let is_passed = follows.is_none() || told.floor >= last;
            let is_oldest = lives.epochs.0[..index].iter().all(|earlier| earlier.settled);
            if next.is_some() && is_oldest && is_well && is_passed && is_over(waiting, self.ack_wait) {
                let discarded = table::settle(pool, position.epoch).await?;
                self.tell_lost(position.epoch, discarded);
                is_changed = true;
                tracing::info!(epoch = position.epoch, "a life of the stream has ended");
            }
        }
        if is_changed {
            lives = table::note_and_read(pool, 0, 0, None).await?;
        }
        Ok(lives)
    }

    fn tell_lost(&self, epoch: i64, lost: Discarded) {
        if lost.ranges > 0 {
            self.storing.metrics.discarded(lost.messages);
            tracing::error!(
                epoch,
                discarded.messages = lost.messages,
                discarded.ranges = lost.ranges,
                "the stream discarded messages that were not stored; they are lost, see the dead letters of class `discarded`"
            );
        }
    }

    /// Tells every part of this replica.
    fn tell(&self, epochs: &Epochs) {
        let open = epochs.0.iter().find(|epoch| !epoch.settled).or(epochs.0.last());
        let Some(open) = open else { return };
        let watermark = Cursor { epoch: open.epoch, sequence: open.watermark };
        self.storing.metrics.watermark(watermark.sequence);
        let quarantine = self.storing.life.is_quarantined();
        self.storing.settled.send_if_modified(|known| {
            let watermark = known.watermark.max(watermark);
            let settled = Settled { watermark, epochs: Arc::new(epochs.clone()), quarantine };
            let is_changed = *known != settled;
            *known = settled;
            is_changed
        });
    }

    /// What needs no tick of its own.
    async fn look_after(&mut self, epochs: &Epochs, info: &stream::Info) -> Result<(), TickError> {
        if self.cleaned_at.elapsed() >= CLEAN {
            self.cleaned_at = Instant::now();
            table::clean_passed(&self.storing.pool).await?;
        }
        let Some(newest) = epochs.0.last() else { return Ok(()) };
        let backlog = backlog(newest, info);
        self.storing.metrics.backlog(backlog);
        if backlog > FULL && self.warned_at.is_none_or(|at| at.elapsed() >= WARN) {
            self.warned_at = Some(Instant::now());
            tracing::warn!(
                backlog.ratio = backlog,
                "what is not stored yet fills much of the stream: what the stream discards before it is stored is lost"
            );
        }
        Ok(())
    }
}

/// What the server answers, in time.
async fn within<T, E: std::error::Error + Send + Sync + 'static>(
    answer: impl Future<Output = Result<T, E>>,
) -> Result<T, TickError> {
    let answer = tokio::time::timeout(PATIENCE, answer).await.map_err(|error| TickError::Stream(Box::new(error)))?;
    answer.map_err(|error| TickError::Stream(Box::new(error)))
}

/// Whether a life has a successor for so long that whatever was held of it is stored.
fn is_over(waiting: Option<Waiting>, ack_wait: Duration) -> bool {
    waiting.and_then(|waiting| waiting.ending).is_some_and(|ending| ending >= ack_wait)
}

/// How much of what the stream may hold is not stored yet: the larger share of bytes and age. 0 where neither is limited.
/// Bytes and ages of single messages are not known; they are taken to be spread evenly.
#[expect(clippy::cast_precision_loss, reason = "a share needs no more than a float has")]
fn backlog(newest: &Epoch, info: &stream::Info) -> f64 {
    let state = &info.state;
    let last = signed(state.last_sequence);
    let kept = last - signed(state.first_sequence) + 1;
    let open = (last - newest.watermark).clamp(0, kept.max(0));
    if open == 0 {
        return 0.0;
    }
    let share = open as f64 / kept as f64;
    let bytes = if info.config.max_bytes > 0 { state.bytes as f64 * share / info.config.max_bytes as f64 } else { 0.0 };
    let age = if info.config.max_age.is_zero() {
        0.0
    } else {
        let since_last = (time::OffsetDateTime::now_utc() - state.last_timestamp).as_seconds_f64().max(0.0);
        let span = (state.last_timestamp - state.first_timestamp).as_seconds_f64().max(0.0);
        (since_last + span * share) / info.config.max_age.as_secs_f64()
    };
    bytes.max(age)
}

fn next_microsecond(at: Timestamp) -> Timestamp {
    Timestamp::new(at.moment() + time::Duration::microseconds(1))
}

fn signed(sequence: u64) -> i64 {
    i64::try_from(sequence).unwrap_or(i64::MAX)
}
