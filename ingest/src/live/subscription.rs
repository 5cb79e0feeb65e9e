//! One viewer: a position over the ring and the table, and at most one page in hand.

mod begin;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;

use super::fill;
use super::page::Page;
use super::step::Step;
use super::{Event, Frame, Shared, Start};
use crate::cursor::Cursor;
use crate::filter::Filter;
use crate::read::{self, ReadError};
use crate::settled::Settled;
use begin::Seek;

/// Rows read from the table at once.
const PAGE: usize = 500;
/// Room for what one viewer reads at once, in KiB: half of it, one message more, and what is rendered of them.
const MOST_IN_HAND: u32 = 1_024;
/// For all viewers that read at once, or do not take what they have: an eighth of what a pod of the manifests has. Who takes
/// nothing for long is ended, so that others get their turn.
pub(super) const HANDS: usize = 64 * MOST_IN_HAND as usize;
/// How long to wait before asking again a table that did not answer.
const RETRY: Duration = Duration::from_secs(1);
/// How long a viewer may be read for from the stream at once, its turn included: in thirds of what is between two heartbeats,
/// less than that.
const LONGEST_FILL: u32 = 2;
/// How long a viewer waits for rows to decide what it is shown before it is told so.
const PATIENCE: Duration = Duration::from_secs(2);

/// The messages that match a filter, from a position on, without gap or repeat. Dropping it ends it.
#[derive(Debug)]
pub struct Subscription {
    shared: Arc<Shared>,
    filter: Filter,
    /// Namespaces whose messages are not counted where it begins with the newest.
    hidden: Vec<String>,
    /// Until the position is known.
    start: Option<Start>,
    /// While it looks for the newest messages to begin with.
    seek: Option<Seek>,
    /// Everything that matches up to here is delivered or in hand.
    position: Cursor,
    /// The last message or heartbeat that was told.
    told: Cursor,
    /// Up to here this replica chose what it is shown, of what is kept: nothing it could have expected is missing there.
    chosen_to: Cursor,
    /// What the ring held, and how many of its messages were told. While there is one, nothing else is in hand.
    page: Option<(Arc<Page>, usize)>,
    in_hand: VecDeque<Event>,
    /// Holds the room of messages that are in hand and in no ring.
    room: Option<OwnedSemaphorePermit>,
    caught_up: bool,
    degraded: bool,
    /// When it began to wait for a copy to be decided.
    undecided_since: Option<Instant>,
    heartbeat_at: Instant,
    changes: watch::Receiver<u64>,
    settled: watch::Receiver<Settled>,
}

/// What a viewer waits for, besides its heartbeat and the end.
#[derive(Debug, Clone, Copy)]
enum Wait {
    /// There is something to do at once.
    Nothing,
    Ring,
    Watermark,
    Either,
    Until(Instant),
}

impl Subscription {
    pub(super) fn new(shared: Arc<Shared>, filter: Filter, start: Start) -> Self {
        shared.metrics.viewers.inc();
        let heartbeat_at = Instant::now() + shared.heartbeat;
        Self {
            changes: shared.changes.subscribe(),
            settled: shared.settled.clone(),
            shared,
            filter,
            hidden: Vec::new(),
            start: Some(start),
            seek: None,
            position: Cursor::default(),
            told: Cursor::default(),
            chosen_to: Cursor::default(),
            page: None,
            in_hand: VecDeque::new(),
            room: None,
            caught_up: false,
            degraded: false,
            undecided_since: None,
            heartbeat_at,
        }
    }

    /// Does not count, where it begins with the newest messages, those of runs in these namespaces: its reader passes over them.
    #[must_use]
    pub fn without(mut self, hidden: Vec<String>) -> Self {
        self.hidden = hidden;
        self
    }

    /// The next event, where it was found together with the last one, and where it is wanted.
    pub fn in_hand_if(&mut self, is_wanted: impl FnOnce(&Event) -> bool) -> Option<Event> {
        let event = match self.page.take() {
            Some((page, told)) => {
                let event = Event::Message(page.frames()[told].clone());
                let is_wanted = is_wanted(&event);
                let told = told + usize::from(is_wanted);
                self.page = (told < page.frames().len()).then_some((page, told));
                if is_wanted { event } else { return None }
            }
            None if is_wanted(self.in_hand.front()?) => {
                let event = self.in_hand.pop_front()?;
                self.room.take_if(|_| self.in_hand.is_empty());
                event
            }
            None => return None,
        };
        if let Event::Message(frame) = &event {
            self.told = frame.cursor;
        }
        Some(event)
    }

    /// All that was found in the ring together, where none of it was told yet and all of it is wanted.
    pub fn page_if(&mut self, is_wanted: impl FnOnce(&[Arc<Frame>]) -> bool) -> Option<Arc<Page>> {
        let (page, _) = self.page.take_if(|(page, told)| *told == 0 && is_wanted(page.frames()))?;
        self.told = page.frames().last().map_or(self.told, |last| last.cursor);
        Some(page)
    }

    /// The next event; nothing when the process stops. Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Event> {
        self.ready().await?;
        self.in_hand_if(|_| true)
    }

    /// Waits until there is something to tell; nothing when the process stops.
    pub async fn ready(&mut self) -> Option<()> {
        loop {
            if self.shared.stop.is_cancelled() {
                return None;
            }
            if self.has_something() {
                self.heartbeat_at = Instant::now() + self.shared.heartbeat;
                return Some(());
            }
            // Seen before looking: what changes from here on wakes the wait below.
            self.changes.mark_unchanged();
            let watermark = self.settled.borrow_and_update().watermark;
            let wait = match (self.seek, self.start) {
                // Apart, as all that reads history: a stream that waits for what is said next keeps no room for it.
                (Some(seek), _) => Box::pin(self.seek(seek)).await,
                (None, Some(start)) => Box::pin(self.begin(start, watermark)).await,
                (None, None) => self.advance(watermark).await,
            };
            if self.has_something() {
                continue;
            }
            if matches!(wait, Wait::Nothing) && Instant::now() >= self.heartbeat_at {
                // It is looking through what does not match: whoever goes on from here passes over that.
                let heartbeat = self.heartbeat();
                self.in_hand.push_back(heartbeat);
            } else {
                self.wait(wait).await?;
            }
        }
    }

    fn has_something(&self) -> bool {
        self.page.is_some() || !self.in_hand.is_empty()
    }

    fn go_on_from(&mut self, cursor: Cursor) {
        self.start = None;
        self.position = cursor;
        self.told = cursor;
    }

    /// One step; tells what to wait for when there is nothing to do.
    async fn advance(&mut self, watermark: Cursor) -> Wait {
        let Some(step) = self.step(watermark) else { return Wait::Nothing };
        let may_wait_for_rows = matches!(step, Step::Undecided | Step::BelowRing);
        self.undecided_since = self.undecided_since.filter(|_| may_wait_for_rows);
        match step {
            Step::Ring(found) => {
                self.position = found.reached;
                // It goes on: what holds it up next is told anew.
                self.degraded = false;
                Wait::Nothing
            }
            Step::Table { up_to } => {
                // What follows may have been discarded, or dropped, since this viewer began.
                let refusal = self.settled.borrow().epochs.refusal(self.position);
                if let Some(reason) = refusal.filter(|_| self.position >= self.chosen_to) {
                    self.seek = Some(Seek::after_reset(reason, watermark));
                    return Wait::Nothing;
                }
                let Some(room) = self.room().await else { return self.degrade(Wait::Until(Instant::now() + RETRY)) };
                let pool = &self.shared.pools.reading;
                match Box::pin(read::lives::after(pool, &self.filter, self.position, up_to, PAGE)).await {
                    // A day of it was dropped since this replica was told of the lives last.
                    Ok((_, Some(reason))) if self.position >= self.chosen_to => {
                        self.seek = Some(Seek::after_reset(reason, watermark));
                        Wait::Nothing
                    }
                    Ok((slice, _)) => {
                        self.position = slice.reached;
                        self.shared.metrics.history_pages.inc();
                        self.degraded = false;
                        self.hand_over(slice.messages.into_iter().map(|stored| Arc::new(Frame::of(stored))).collect(), room);
                        Wait::Nothing
                    }
                    Err(error) => self.retry(&error),
                }
            }
            Step::Idle => {
                self.degraded = false;
                if !self.caught_up {
                    self.caught_up = true;
                    self.in_hand.push_back(Event::CaughtUp(self.resume_point()));
                }
                Wait::Ring
            }
            Step::Filling => Wait::Ring,
            Step::Undecided => self.wait_for_rows(),
            // Any of these may be a copy.
            Step::BelowRing if self.shared.ids().missing_to().is_some() => self.wait_for_rows(),
            Step::BelowRing => self.fill().await,
        }
    }

    fn wait_for_rows(&mut self) -> Wait {
        let since = *self.undecided_since.get_or_insert_with(Instant::now);
        let patient = !self.degraded && since.elapsed() < PATIENCE;
        if patient { Wait::Until(since + PATIENCE) } else { self.degrade(Wait::Either) }
    }

    /// Takes what the ring holds next, or tells what else to do.
    fn step(&mut self, watermark: Cursor) -> Option<Step> {
        let next = self.shared.pages.next(&self.shared.ring(), watermark, self.position, &self.filter);
        match next {
            Ok(page) => {
                self.position = page.reached();
                self.page = Some((page, 0));
                // It goes on: what holds it up next is told anew.
                self.degraded = false;
                self.undecided_since = None;
                None
            }
            Err(step) => Some(step),
        }
    }

    /// What it needs has left the ring and is not stored yet.
    async fn fill(&mut self) -> Wait {
        self.undecided_since = None;
        let up_to = {
            let ring = self.shared.ring();
            (ring.is_open() && ring.base().epoch == self.position.epoch).then(|| ring.base())
        };
        let Some(up_to) = up_to.filter(|base| *base > self.position) else {
            return self.degrade(Wait::Either);
        };
        let Some(room) = self.room().await else { return self.degrade(Wait::Until(Instant::now() + RETRY)) };
        let filling = Box::pin(fill::fill(&self.shared, &self.filter, self.position, up_to));
        match tokio::time::timeout(self.shared.heartbeat / 3 * LONGEST_FILL, filling).await {
            Ok(Ok(filled)) if filled.reached > self.position => {
                self.position = filled.reached;
                self.shared.metrics.stream_pages.inc();
                self.degraded = false;
                self.hand_over(filled.frames, room);
                return Wait::Nothing;
            }
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::debug!(error = &error as &dyn std::error::Error, "a viewer waits for the stream"),
            Err(_) => tracing::debug!("a viewer waits for its turn to be read for from the stream"),
        }
        self.degrade(Wait::Until(Instant::now() + RETRY))
    }

    /// Room for what is read next, unless others do not take what they have in hand.
    async fn room(&self) -> Option<OwnedSemaphorePermit> {
        let room = self.shared.hands.clone().acquire_many_owned(MOST_IN_HAND);
        tokio::time::timeout(PATIENCE, room).await.ok()?.ok()
    }

    /// Takes messages in hand, and of the room what they need.
    fn hand_over(&mut self, frames: Vec<Arc<Frame>>, mut room: OwnedSemaphorePermit) {
        let needed = frames.iter().map(|frame| frame.weight()).sum::<usize>().div_ceil(1024);
        drop(room.split(room.num_permits().saturating_sub(needed)));
        self.room = Some(room).filter(|_| !frames.is_empty());
        self.in_hand.extend(frames.into_iter().map(Event::Message));
    }

    fn retry(&mut self, error: &ReadError) -> Wait {
        tracing::debug!(error = error as &dyn std::error::Error, "a viewer waits for the history");
        self.degrade(Wait::Until(Instant::now() + RETRY))
    }

    fn degrade(&mut self, wait: Wait) -> Wait {
        if !self.degraded {
            self.degraded = true;
            self.caught_up = false;
            self.in_hand.push_back(Event::Degraded);
        }
        wait
    }

    /// Where a viewer may safely go on from: never beyond a copy that is not decided, never below what it was told.
    fn resume_point(&self) -> Cursor {
        self.shared.ring().settled(self.position).max(self.told)
    }

    /// Waits, at most until the heartbeat; nothing when the process stops.
    async fn wait(&mut self, wait: Wait) -> Option<()> {
        let (ring, watermark, until) = match wait {
            Wait::Nothing => return Some(()),
            Wait::Ring => (true, false, None),
            Wait::Watermark => (false, true, None),
            Wait::Either => (true, true, None),
            Wait::Until(moment) => (true, true, Some(moment)),
        };
        // A table that does not answer is asked again after a pause, not with every message of the ring.
        let pauses = self.degraded && until.is_some();
        let (ring, watermark) = (ring && !pauses, watermark && !pauses);
        let until = until.unwrap_or(self.heartbeat_at).min(self.heartbeat_at);
        tokio::select! {
            () = self.shared.stop.cancelled() => return None,
            () = changed(&mut self.changes), if ring => {}
            () = changed(&mut self.settled), if watermark => {}
            () = tokio::time::sleep_until(until) => {
                if Instant::now() >= self.heartbeat_at {
                    let heartbeat = self.heartbeat();
                    self.in_hand.push_back(heartbeat);
                }
            }
        }
        Some(())
    }

    fn heartbeat(&mut self) -> Event {
        match (self.seek, self.start) {
            (None, Some(Start::After(cursor))) => Event::Heartbeat(cursor),
            // What it will begin with is not known.
            (Some(_), _) | (None, Some(Start::Newest(_))) => {
                self.caught_up = false;
                Event::Degraded
            }
            (None, None) => Event::Heartbeat(self.resume_point()),
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.shared.metrics.viewers.dec();
    }
}

/// Waits for a change; for ever when none can come, since then the process is stopping and the token says so.
async fn changed<T>(receiver: &mut watch::Receiver<T>) {
    if receiver.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}
