//! Where a viewer begins: after its cursor, or with the newest messages, which are looked for in steps where few match.

use super::{Subscription, Wait};
use crate::cursor::Cursor;
use crate::live::{Event, Start};
use crate::read;
use crate::read::messages::just_below;

/// How many messages follow a reset.
const AFTER_RESET: usize = 500;

/// Looking for the newest messages, backwards from the watermark.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seek {
    /// How its beginning is counted.
    resume: &'static str,
    /// Why what was asked for cannot be honoured.
    reset: Option<&'static str>,
    watermark: Cursor,
    /// What is above it was looked at.
    up_to: Cursor,
    /// How many are still looked for.
    limit: usize,
    /// The oldest that was found.
    oldest: Option<Cursor>,
}

impl Seek {
    pub(super) fn new(resume: &'static str, limit: usize, watermark: Cursor) -> Self {
        Self { resume, reset: None, watermark, up_to: watermark, limit, oldest: None }
    }

    pub(super) fn after_reset(reason: &'static str, watermark: Cursor) -> Self {
        Self { reset: Some(reason), ..Self::new("reset", AFTER_RESET, watermark) }
    }
}

impl Subscription {
    /// Finds the position to start from.
    pub(super) async fn begin(&mut self, start: Start, watermark: Cursor) -> Wait {
        match start {
            Start::Newest(_) if watermark.epoch == 0 => return self.degrade(Wait::Watermark),
            Start::Newest(limit) => self.seek = Some(Seek::new("newest", limit, watermark)),
            Start::After(cursor) if self.in_reach(cursor) => {
                self.go_on_from(cursor);
                self.shared.metrics.connected("ring");
            }
            Start::After(_) if watermark.epoch == 0 => return self.degrade(Wait::Either),
            Start::After(cursor) => return self.begin_after(cursor, watermark).await,
        }
        Wait::Nothing
    }

    /// Where it goes on from, unless its life of the stream is not known here yet.
    async fn begin_after(&mut self, cursor: Cursor, watermark: Cursor) -> Wait {
        let refusal = self.settled.borrow().epochs.refusal(cursor);
        match refusal {
            None => {
                self.go_on_from(cursor);
                self.shared.metrics.connected("history");
            }
            // Another replica, which told it, noticed the break before this one: it will be known here in a moment.
            Some("unknown_epoch") => match read::lives::now(&self.shared.pools.reading).await {
                Ok(lives) if lives.get(cursor.epoch).is_some() => return self.degrade(Wait::Either),
                Ok(_) => self.seek = Some(Seek::after_reset("unknown_epoch", watermark)),
                Err(error) => return self.retry(&error),
            },
            Some(reason) => self.seek = Some(Seek::after_reset(reason, watermark)),
        }
        Wait::Nothing
    }

    /// Looks further for the newest messages. Only their place is looked up: what lies between is read in pages, as for
    /// everybody who comes with a cursor.
    pub(super) async fn seek(&mut self, mut seek: Seek) -> Wait {
        let pool = &self.shared.pools.reading;
        let asked = read::messages::oldest_of_newest(pool, &self.filter, &self.hidden, seek.up_to, seek.limit);
        let newest = match asked.await {
            Ok(newest) => newest,
            Err(error) => return self.retry(&error),
        };
        seek.oldest = newest.oldest.or(seek.oldest);
        if let Some(reached) = newest.reached {
            seek.limit = seek.limit.saturating_sub(newest.count);
            seek.up_to = just_below(reached);
            self.seek = Some(seek);
            return Wait::Nothing;
        }
        let before = seek.oldest.map_or(seek.watermark, just_below);
        if let Some(reason) = seek.reset {
            self.shared.metrics.resets.inc();
            self.in_hand.push_back(Event::Reset { reason, cursor: before });
        }
        if self.start.is_some() {
            self.shared.metrics.connected(seek.resume);
        }
        self.seek = None;
        self.go_on_from(before);
        self.chosen_to = seek.watermark;
        Wait::Nothing
    }

    /// Whether the ring itself can serve this position, now or when it gets there.
    fn in_reach(&self, cursor: Cursor) -> bool {
        let ring = self.shared.ring();
        ring.is_open() && cursor >= ring.base() && cursor.epoch == ring.head().epoch
    }
}
