//! Copies that were sent again are stored only when everything below them is committed: then whatever copy of the same
//! message has a lower position is in the tables, and the one that is stored first is the one that counts. Until then they
//! are held, by no batch: pulling goes on, so that what lies below them comes.
//!
//! Several replicas are handed a row of copies one by one in turn, and each could then decide only one at a time. So one of
//! them is the place where copies are gathered; others give theirs back. That is a matter of speed alone: whoever holds a
//! copy decides it by the same rule, and without the database everybody simply holds.

mod hold;
mod place;

use std::time::Duration;

use async_nats::jetstream::AckKind;
use message::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior};

use super::Storing;
use super::answer::Answers;
use super::extend::{Extender, Ours, Reply};
use super::gather::Held;
use super::keep::Keeper;
use crate::batch::Delivery;
use crate::cursor::Cursor;
use crate::epochs::Epochs;
use crate::settled::Settled;
use crate::store::open::{self, Committed};
use crate::store::{StoreError, watermark};
use hold::{Hold, Limits};
use place::Place;

/// How much is held: the lowest copies, which are decided next; the rest is given back. They are stored in runs of a
/// batch's size.
const LIMITS: Limits = Limits { bytes: 64 << 20, run: 500, run_bytes: 8 << 20 };
/// How far above the watermark is looked for what is committed: as much as the durable lets be unacknowledged.
const REACH: i64 = 5_000;
/// How often it is looked whether copies can be decided.
const LOOK: Duration = Duration::from_millis(50);
/// How often a replica tries to be the place.
const PLACE: Duration = Duration::from_secs(1);
/// When copies come again that were given back for want of room.
const NO_ROOM: Duration = Duration::from_secs(2);
/// When copies come again that were given back to be gathered elsewhere.
const ELSEWHERE: Duration = Duration::from_millis(50);
/// What a copy takes beside its bytes: its headers' table, its place.
const OVERHEAD: usize = 512;
/// How many copies may be on their way from gathering to here: they are taken as fast as they come.
pub(super) const ON_THE_WAY: usize = 64;

/// A copy, and where to answer for it.
#[derive(Debug)]
pub(super) struct Copy {
    pub(super) delivery: Delivery,
    pub(super) reply: Reply,
}

#[derive(Debug)]
struct Waiting {
    copy: Copy,
    /// Extended meanwhile.
    _ours: Ours,
}

/// What work brought.
enum Done {
    /// A look at the tables.
    Known(Committed),
    /// The tables cannot be looked at.
    Away(StoreError),
    /// What was handed over is stored, or given back.
    Stored(Box<Keeper>),
}

/// Holds copies and stores them when they can be decided.
pub(super) struct Copies {
    storing: Storing,
    extender: Extender,
    answers: mpsc::Sender<Answers>,
    hold: Hold<Waiting>,
    place: Place,
    /// Whether another replica gathered copies when that was looked at last.
    is_elsewhere: bool,
    /// Away while it stores.
    keeper: Option<Box<Keeper>>,
    work: Option<JoinHandle<Done>>,
}

/// Whether a marked copy can go into a batch like any other message: nothing uncommitted lies below it. Of a life that has
/// ended everything is at or below the watermark.
pub(super) fn is_decidable(delivery: &Delivery, settled: &Settled) -> bool {
    let next = Cursor { sequence: settled.watermark.sequence + 1, ..settled.watermark };
    settled.watermark.epoch != 0 && position(delivery, &settled.epochs) <= next
}

fn position(delivery: &Delivery, epochs: &Epochs) -> Cursor {
    let epoch = epochs.of_moment(Timestamp::new(delivery.stored_at));
    Cursor { epoch, sequence: i64::try_from(delivery.sequence).unwrap_or(i64::MAX) }
}

impl Copies {
    pub(super) fn new(storing: Storing, extender: Extender, answers: mpsc::Sender<Answers>, keeper: Keeper) -> Self {
        let place = Place::new(storing.pool.clone());
        let keeper = Some(Box::new(keeper));
        Self { storing, extender, answers, hold: Hold::new(LIMITS), place, is_elsewhere: false, keeper, work: None }
    }

    /// Until there are no more to come; what cannot be decided by then is given back.
    pub(super) async fn run(mut self, mut copies: mpsc::Receiver<Copy>) {
        let (mut looks, mut places) = (every(LOOK), every(PLACE));
        loop {
            tokio::select! {
                copy = copies.recv() => match copy {
                    Some(copy) => self.add(copy).await,
                    None => break,
                },
                done = finished(&mut self.work) => match done {
                    Some(done) => self.go_on(done),
                    None => return,
                },
                _ = looks.tick(), if self.work.is_none() && !self.hold.is_empty() => self.look(),
                _ = places.tick() => self.gather().await,
            }
            self.storing.metrics.held_copies(self.hold.len(), self.hold.bytes());
        }
        if self.work.is_some() {
            // It ends by itself: storing gives back what it cannot store.
            drop(finished(&mut self.work).await);
        }
        let rest = self.hold.drain();
        self.give_back(rest, ELSEWHERE).await;
    }

    async fn add(&mut self, copy: Copy) {
        if self.is_elsewhere {
            let answers = Answers { replies: vec![copy.reply], kind: AckKind::Nak(Some(ELSEWHERE)) };
            self.answer(answers).await;
            return;
        }
        let cursor = position(&copy.delivery, &self.storing.settled.borrow().epochs);
        let bytes = copy.delivery.payload.len() + copy.delivery.subject.len() + OVERHEAD;
        let ours = self.extender.open();
        ours.push(copy.reply.clone());
        let back = self.hold.add(cursor, bytes, Waiting { copy, _ours: ours });
        self.give_back(back, NO_ROOM).await;
    }

    /// Stores what the watermark has passed; else asks what is committed above it.
    fn look(&mut self) {
        let watermark = self.storing.settled.borrow().watermark;
        let passed = self.hold.passed(watermark);
        if !passed.is_empty() {
            // Known already, or too late: the tables tell.
            self.store(&passed, None);
            return;
        }
        let epoch = watermark.epoch;
        let Some(highest) = self.hold.highest(epoch) else { return };
        let pool = self.storing.pool.clone();
        self.work = Some(tokio::spawn(async move {
            match open::committed(&pool, epoch, highest, REACH).await {
                Ok(committed) => Done::Known(committed),
                Err(error) => Done::Away(error),
            }
        }));
    }

    fn go_on(&mut self, done: Done) {
        match done {
            Done::Known(Committed { watermark, above }) => {
                let run = self.hold.run(watermark, &above);
                if !run.copies.is_empty() {
                    self.store(&run.copies, Some((watermark, run.up_to)));
                }
            }
            Done::Away(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "copies wait for the database");
            }
            Done::Stored(keeper) => {
                self.keeper = Some(keeper);
                // What follows may be decided at once.
                self.look();
            }
        }
    }

    /// Stores copies, the lowest first, then raises the watermark over them: everything up to there is committed then, by
    /// these transactions or before them.
    fn store(&mut self, cursors: &[Cursor], raise: Option<(Cursor, i64)>) {
        let Some(mut keeper) = self.keeper.take() else { return };
        let taken = self.hold.take(cursors);
        let held = Held::of_copies(&self.extender, taken.into_iter().map(|(_, waiting)| waiting.copy));
        let pool = self.storing.pool.clone();
        self.work = Some(tokio::spawn(async move {
            let is_stored = keeper.keep(held).await;
            if let (true, Some((from, to))) = (is_stored, raise)
                && let Err(error) = watermark::raise(&pool, from, to).await
            {
                tracing::debug!(error = &error as &dyn std::error::Error, "the watermark will follow the acknowledgements");
            }
            Done::Stored(keeper)
        }));
    }

    /// Becomes the place while there is something to gather; gives back what another place gathers.
    async fn gather(&mut self) {
        if self.is_elsewhere || !self.hold.is_empty() {
            self.is_elsewhere = self.place.is_elsewhere().await;
        }
        if self.is_elsewhere {
            let back = self.hold.drain();
            self.give_back(back, ELSEWHERE).await;
        } else if self.hold.is_empty() {
            self.place.leave();
        }
    }

    async fn give_back(&self, copies: Vec<Waiting>, after: Duration) {
        if copies.is_empty() {
            return;
        }
        let replies = copies.into_iter().map(|waiting| waiting.copy.reply).collect();
        self.answer(Answers { replies, kind: AckKind::Nak(Some(after)) }).await;
    }

    async fn answer(&self, answers: Answers) {
        if self.answers.send(answers).await.is_err() {
            tracing::debug!("nobody sends answers any more; the copies come again");
        }
    }
}

/// The end of the work in hand; for ever while there is none. Nothing when it broke off.
async fn finished(work: &mut Option<JoinHandle<Done>>) -> Option<Done> {
    let Some(handle) = work else { return std::future::pending().await };
    let done = handle.await;
    *work = None;
    done.inspect_err(|error| tracing::error!(error = %error, "deciding copies broke off")).ok()
}

fn every(period: Duration) -> Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
