//! Where a message of the stream belongs: into the ring, beside it, or into another life of the stream.

use std::sync::Arc;

use async_nats::jetstream;
use message::{Received, Timestamp};
use time::OffsetDateTime;

use super::super::ids::Ids;
use super::super::ring::{Ring, Verdict};
use super::super::{Frame, Shared};
use super::FeedError;
use crate::consume::life::judge::Judgement;
use crate::cursor::Cursor;
use crate::stored::StoredMessage;

/// One life of the stream, as far as it was followed.
pub(super) struct Following {
    pub(super) epoch: i64,
    /// What was committed when it started: the table already knows which of these are shown.
    pub(super) settled: Cursor,
    /// The newest message seen, or the one below the first that was asked for.
    pub(super) newest: u64,
    /// Reading began anew with the newest message seen: it comes first, or this is not the stream that it was.
    pub(super) meets: Option<u64>,
    /// Whether a message came that nothing followed yet.
    pub(super) caught_up: bool,
}

/// What a message of the stream is to the ring.
pub(super) enum Place {
    Shown {
        /// The ring begins anew after this position.
        hole: Option<Cursor>,
        frame: Arc<Frame>,
        uncertain: bool,
    },
    Nothing {
        hole: Option<Cursor>,
        cursor: Cursor,
    },
    /// Of an earlier life, or seen already.
    Outside,
}

impl Following {
    pub(super) fn place(&mut self, shared: &Shared, message: &jetstream::Message) -> Result<Place, FeedError> {
        let info = message.info().map_err(FeedError::Place)?;
        let stored_at = Timestamp::new(info.published);
        let cursor = Cursor { epoch: self.epoch, sequence: i64::try_from(info.stream_sequence).unwrap_or(i64::MAX) };
        let (judgement, epoch) = shared.life.shown(info.stream_sequence, stored_at);
        if judgement == Judgement::Backwards {
            return Err(FeedError::Backwards(cursor));
        }
        if epoch > self.epoch {
            // Storing knows of the break already; the ring follows when everybody here is told.
            return Err(FeedError::Ended(cursor));
        }
        if self.meets.take().is_some_and(|newest| newest != info.stream_sequence) {
            return Err(FeedError::Apart(cursor));
        }
        if info.stream_sequence <= self.newest {
            return Ok(Place::Outside);
        }
        let is_next = info.stream_sequence == self.newest + 1;
        self.newest = info.stream_sequence;
        self.caught_up |= info.pending == 0;
        if epoch != self.epoch {
            return Ok(Place::Outside);
        }
        // The stream discarded what lies between before it came here: others may have stored it, so the ring begins anew.
        let hole = (!is_next).then_some(Cursor { sequence: cursor.sequence - 1, ..cursor });
        let resent = crate::batch::is_resent(message.headers.as_ref());
        let received = Received {
            subject: &message.subject,
            payload: &message.payload,
            stored_at: info.published,
            sequence: info.stream_sequence,
        };
        let Ok(stored) = StoredMessage::decode(self.epoch, &received) else {
            shared.metrics.unreadable.inc();
            return Ok(Place::Nothing { hole, cursor });
        };
        Ok(Place::Shown { hole, frame: Arc::new(Frame::of(stored)), uncertain: resent || cursor <= self.settled })
    }
}

pub(super) fn take(shared: &Shared, places: Vec<Place>, caught_up: bool) {
    let mut changed_runs = Vec::new();
    let now = OffsetDateTime::now_utc();
    let mut ids = shared.ids();
    let mut passed_over = None;
    let head = shared.change(|ring| {
        for place in places {
            if let Place::Shown { hole, .. } | Place::Nothing { hole, .. } = &place {
                begin_anew(ring, &mut ids, *hole);
                passed_over = hole.or(passed_over);
            }
            match place {
                Place::Shown { frame, uncertain, .. } => {
                    if frame.stored.verified {
                        changed_runs.push((frame.stored.message.run_key(), frame.cursor));
                    }
                    if caught_up {
                        // The clock of the stream may be ahead of ours.
                        let delay = (now - frame.stored.created_at.moment()).as_seconds_f64();
                        shared.metrics.delay.observe(delay.max(0.0));
                    }
                    let message = &frame.stored.message;
                    let is_known = ids.note(&message.run.namespace, message.id, frame.cursor);
                    match ring.push(frame, uncertain || is_known) {
                        Verdict::Dropped => shared.metrics.copies.inc(),
                        Verdict::Shown | Verdict::Waiting => shared.metrics.frames.inc(),
                    };
                }
                Place::Nothing { cursor, .. } => ring.skip(cursor),
                Place::Outside => {}
            }
        }
        if caught_up {
            ring.fill();
        }
        ring.head()
    });
    if let Some(position) = passed_over {
        shared.runs.begin_after(position);
    }
    shared.runs.note(changed_runs);
    shared.runs.read_to(head);
}

/// Begins the ring anew after a position, where there is one: of what lies below it nothing more comes.
pub(in crate::live) fn begin_anew(ring: &mut Ring, ids: &mut Ids, after: Option<Cursor>) {
    if let Some(base) = after {
        ids.miss(base);
        let is_filled = ring.is_filled();
        ring.open(base);
        if is_filled {
            ring.fill();
        }
    }
}
