//! Follows the stream into the ring, with one ordered consumer: a pull consumer that is made anew, from the last message
//! seen, whenever a message is missing.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::consumer::pull::OrderedConfig;
use futures_util::StreamExt as _;
use message::{Received, Timestamp};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

use super::ring::{Ring, Verdict};
use super::{Frame, Shared};
use crate::consume::life::judge::Judgement;
use crate::cursor::Cursor;
use crate::epochs::Epochs;
use crate::settled::Settled;
use crate::stored::StoredMessage;

/// The stream.
const STREAM: &str = "agent-comms";
/// How far back a ring starts: a viewer who was away while this replica restarted needs no table, and a publisher that sends
/// again at once without saying so is still known to repeat itself.
const OVERLAP: u64 = 1_000;
/// Messages taken into the ring under one lock, and with one call to the viewers.
const CHUNK: usize = 256;
/// How long to wait before starting again.
const PAUSE: Duration = Duration::from_secs(1);
/// How often the consumer is looked at although nothing woke us: this client's ordered consumer waits for nothing after the
/// first heartbeat it misses, and would only be seen to have ended when the next message comes.
const LOOK: Duration = Duration::from_secs(1);
/// A watermark above everything that was delivered, for this long, means that the consumer has stopped delivering: others
/// store what never came here.
const STALLED: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
enum FeedError {
    #[error("the stream `{STREAM}` cannot be looked at")]
    Stream(#[source] jetstream::context::GetStreamError),
    #[error("no consumer can be made on the stream `{STREAM}`")]
    Consumer(#[source] jetstream::stream::ConsumerError),
    #[error("the stream `{STREAM}` cannot be read")]
    Messages(#[source] jetstream::consumer::StreamError),
    #[error("reading the stream `{STREAM}` broke off")]
    Broken(#[source] jetstream::consumer::pull::OrderedError),
    #[error("a message of the stream has no place in it")]
    Place(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the stream ends at {last}, below the watermark {watermark}: waiting until storing has found the break")]
    Behind { last: u64, watermark: Cursor },
    #[error("the stream runs backwards at {0}: waiting until storing has found the break")]
    Backwards(Cursor),
    #[error("the life of the stream ended before {0}")]
    Ended(Cursor),
    #[error("the stream is another one: waiting until storing has found the break")]
    Recreated,
    #[error("nothing was delivered for a while although {0} is stored already")]
    Stalled(Cursor),
    #[error("the stream was closed")]
    Closed,
}

/// Follows the stream, for ever; each life of the stream, and each failure, starts anew.
pub(super) async fn follow(shared: &Shared, jetstream: &jetstream::Context) {
    let mut settled = shared.settled.clone();
    loop {
        let ended = follow_one(shared, jetstream, &mut settled).await;
        shared.change(|ring| *ring = Ring::closed(super::Limits::DEFAULT));
        match ended {
            Ok(()) => tracing::info!("the stream began a new life, following it from there"),
            Err(error) => {
                tracing::info!(error = &error as &dyn std::error::Error, "not live, trying again");
                tokio::time::sleep(PAUSE).await;
            }
        }
        shared.metrics.restarts.inc();
    }
}

/// Follows one life of the stream until storing knows of another.
async fn follow_one(
    shared: &Shared,
    jetstream: &jetstream::Context,
    known: &mut watch::Receiver<Settled>,
) -> Result<(), FeedError> {
    drop(known.wait_for(|settled| settled.watermark.epoch > 0).await.map_err(|_| FeedError::Closed)?);
    shared.life.may_show().await;
    let (settled, epochs) = newest(&known.borrow_and_update());
    let stream = jetstream.get_stream(STREAM).await.map_err(FeedError::Stream)?;
    let created = epochs.get(settled.epoch).and_then(|newest| newest.stream_created);
    if created.is_some_and(|created| created != Timestamp::new(stream.cached_info().created)) {
        return Err(FeedError::Recreated);
    }
    let last = stream.cached_info().state.last_sequence;
    let committed = u64::try_from(settled.sequence).unwrap_or(0);
    if last < committed {
        return Err(FeedError::Behind { last, watermark: settled });
    }
    let start_sequence = start_of(&epochs, settled, last);
    // Named, because ingest may create named consumers only: without a name no permission could spare the durable.
    let unique = jetstream.client().new_inbox();
    let name = format!("live-{}", unique.rsplit('.').next().unwrap_or(&unique));
    let config = OrderedConfig {
        name: Some(name),
        description: Some("live view of one replica of ingest".to_owned()),
        deliver_policy: DeliverPolicy::ByStartSequence { start_sequence },
        ..OrderedConfig::default()
    };
    let consumer = stream.create_consumer(config).await.map_err(FeedError::Consumer)?;
    let is_empty = consumer.cached_info().num_pending == 0;
    let mut messages = Box::pin(consumer.messages().await.map_err(FeedError::Messages)?.ready_chunks(CHUNK));
    let mut following = Following { epoch: settled.epoch, settled, newest: start_sequence - 1, caught_up: is_empty };
    let base = Cursor { epoch: settled.epoch, sequence: i64::try_from(start_sequence - 1).unwrap_or(i64::MAX) };
    shared.change(|ring| {
        ring.open(base);
        if is_empty {
            ring.fill();
        }
    });
    tracing::info!(ring.base = %base, "live");
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut behind_since = None;
    loop {
        tokio::select! {
            changed = another_life(known, following.epoch) => return changed,
            // The loop then polls the consumer too.
            now = looks.tick() => {
                let (stored, _) = newest(&shared.settled.borrow());
                let is_behind = stored > shared.ring().head();
                behind_since = if is_behind { behind_since.or(Some(now)) } else { None };
                if behind_since.is_some_and(|since: Instant| now - since > STALLED) {
                    return Err(FeedError::Stalled(stored));
                }
            }
            chunk = messages.next() => {
                let chunk = chunk.ok_or(FeedError::Closed)?;
                shared.life.may_show().await;
                let mut failed = None;
                let mut places = Vec::with_capacity(chunk.len());
                for message in chunk {
                    match message.map_err(FeedError::Broken).and_then(|message| following.place(shared, &message)) {
                        Ok(place) => places.push(place),
                        Err(error) => {
                            failed = Some(error);
                            break;
                        }
                    }
                }
                take(shared, places, following.caught_up);
                if let Some(error) = failed {
                    return Err(error);
                }
            }
        }
    }
}

/// Waits until a newer life is known.
async fn another_life(known: &mut watch::Receiver<Settled>, epoch: i64) -> Result<(), FeedError> {
    let changed = known.wait_for(|settled| settled.epochs.newest() != epoch).await;
    changed.map(drop).map_err(|_| FeedError::Closed)
}

/// The newest life, how far it is committed, and every life.
fn newest(known: &Settled) -> (Cursor, Arc<Epochs>) {
    let epoch = known.epochs.newest();
    let committed = known.epochs.get(epoch).map_or(0, |newest| newest.watermark);
    let of_newest = if known.watermark.epoch == epoch { known.watermark.sequence } else { 0 };
    (Cursor { epoch, sequence: committed.max(of_newest) }, known.epochs.clone())
}

/// Where the ring starts: far enough back to meet the watermark, but never in an earlier life of the stream.
fn start_of(epochs: &Epochs, settled: Cursor, last: u64) -> u64 {
    let committed = u64::try_from(settled.sequence).unwrap_or(0);
    let first = epochs.get(settled.epoch).map_or(0, |epoch| epoch.first_sequence);
    let first = u64::try_from(first).unwrap_or(0).max(1);
    (committed + 1).min((last + 1).saturating_sub(OVERLAP)).max(first)
}

/// One life of the stream, as far as it was followed.
struct Following {
    epoch: i64,
    /// What was committed when it started: the table already knows which of these are shown.
    settled: Cursor,
    /// The newest message seen, or the one below the first that was asked for.
    newest: u64,
    /// Whether a message came that nothing followed yet.
    caught_up: bool,
}

/// What a message of the stream is to the ring.
enum Place {
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
    fn place(&mut self, shared: &Shared, message: &jetstream::Message) -> Result<Place, FeedError> {
        let info = message.info().map_err(FeedError::Place)?;
        let stored_at = Timestamp::new(info.published);
        let cursor = Cursor { epoch: self.epoch, sequence: i64::try_from(info.stream_sequence).unwrap_or(i64::MAX) };
        let (judgement, epoch) = shared.life.handed(info.stream_sequence, stored_at);
        if judgement == Judgement::Backwards {
            return Err(FeedError::Backwards(cursor));
        }
        if epoch > self.epoch {
            // Storing knows of the break already; the ring follows when everybody here is told.
            return Err(FeedError::Ended(cursor));
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
        Ok(Place::Shown { hole, frame: Arc::new(Frame::render(stored)), uncertain: resent || cursor <= self.settled })
    }
}

fn take(shared: &Shared, places: Vec<Place>, caught_up: bool) {
    let mut changed_runs = Vec::new();
    shared.change(|ring| {
        for place in places {
            match place {
                Place::Shown { hole, frame, uncertain } => {
                    begin_anew(ring, hole);
                    if frame.stored.verified {
                        changed_runs.push((frame.stored.message.run_key(), frame.cursor));
                    }
                    match ring.push(frame, uncertain) {
                        Verdict::Dropped => shared.metrics.copies.inc(),
                        Verdict::Shown | Verdict::Waiting => shared.metrics.frames.inc(),
                    };
                }
                Place::Nothing { hole, cursor } => {
                    begin_anew(ring, hole);
                    ring.skip(cursor);
                }
                Place::Outside => {}
            }
        }
        if caught_up {
            ring.fill();
        }
    });
    shared.runs.note(changed_runs);
}

fn begin_anew(ring: &mut Ring, after: Option<Cursor>) {
    if let Some(base) = after {
        let is_filled = ring.is_filled();
        ring.open(base);
        if is_filled {
            ring.fill();
        }
    }
}

#[cfg(test)]
mod tests;
