//! Follows the stream into the ring, with one ordered consumer: a pull consumer that is made anew, from the last message
//! seen, whenever a message is missing.

use std::cmp::Ordering;
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
use crate::cursor::Cursor;
use crate::epochs::Epochs;
use crate::read;
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
    #[error("the lives of the stream cannot be read")]
    Epochs(#[source] read::ReadError),
    #[error("the stream ends at {last}, below the watermark {watermark}: waiting until storing has found the break")]
    Behind { last: u64, watermark: Cursor },
    #[error("the stream runs backwards at {0}: waiting until storing has found the break")]
    Backwards(Cursor),
    #[error("nothing was delivered for a while although {0} is stored already")]
    Stalled(Cursor),
    #[error("the stream was closed")]
    Closed,
}

/// Follows the stream, for ever; each life of the stream, and each failure, starts anew.
pub(super) async fn follow(shared: &Shared, jetstream: &jetstream::Context) {
    let mut settled = shared.settled.clone();
    loop {
        match follow_one(shared, jetstream, &mut settled).await {
            Ok(()) => tracing::info!("the stream began a new life, following it from there"),
            Err(error) => {
                tracing::info!(error = &error as &dyn std::error::Error, "not live, trying again");
                shared.change(|ring| *ring = Ring::closed(super::Limits::DEFAULT));
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
    let Ok(settled) = known.wait_for(|settled| settled.watermark.epoch > 0).await.map(|settled| settled.watermark) else {
        return Err(FeedError::Closed);
    };
    let epochs = read::epochs::all(&shared.pool).await.map_err(FeedError::Epochs)?;
    let stream = jetstream.get_stream(STREAM).await.map_err(FeedError::Stream)?;
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
    let mut life = Life { epoch: settled.epoch, epochs, settled, newest: None, caught_up: is_empty };
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
            changed = known.wait_for(|settled| settled.watermark.epoch != life.epoch) => {
                return changed.map(drop).map_err(|_| FeedError::Closed);
            }
            // The loop then polls the consumer too.
            now = looks.tick() => {
                let stored = shared.settled.borrow().watermark;
                let is_behind = stored > shared.ring().head();
                behind_since = if is_behind { behind_since.or(Some(now)) } else { None };
                if behind_since.is_some_and(|since: Instant| now - since > STALLED) {
                    return Err(FeedError::Stalled(stored));
                }
            }
            chunk = messages.next() => {
                let chunk = chunk.ok_or(FeedError::Closed)?;
                let mut failed = None;
                let mut places = Vec::with_capacity(chunk.len());
                for message in chunk {
                    match message.map_err(FeedError::Broken).and_then(|message| life.place(shared, &message)) {
                        Ok(place) => places.push(place),
                        Err(error) => {
                            failed = Some(error);
                            break;
                        }
                    }
                }
                take(shared, places, life.caught_up);
                if let Some(error) = failed {
                    return Err(error);
                }
            }
        }
    }
}

/// Where the ring starts: far enough back to meet the watermark, but never in an earlier life of the stream.
fn start_of(epochs: &Epochs, settled: Cursor, last: u64) -> u64 {
    let committed = u64::try_from(settled.sequence).unwrap_or(0);
    let first = epochs.get(settled.epoch).map_or(0, |epoch| epoch.first_sequence);
    let first = u64::try_from(first).unwrap_or(0).max(1);
    (committed + 1).min((last + 1).saturating_sub(OVERLAP)).max(first)
}

/// One life of the stream, as far as it was followed.
struct Life {
    epoch: i64,
    epochs: Epochs,
    /// What was committed when it started: the table already knows which of these are shown.
    settled: Cursor,
    /// The newest message seen, and when it was stored.
    newest: Option<(u64, Timestamp)>,
    /// Whether a message came that nothing followed yet.
    caught_up: bool,
}

/// What a message of the stream is to the ring.
enum Place {
    Shown {
        frame: Arc<Frame>,
        uncertain: bool,
    },
    Nothing(Cursor),
    /// Of an earlier life, or seen already.
    Outside,
}

impl Life {
    fn place(&mut self, shared: &Shared, message: &jetstream::Message) -> Result<Place, FeedError> {
        let info = message.info().map_err(FeedError::Place)?;
        let stored_at = Timestamp::new(info.published);
        let cursor = Cursor { epoch: self.epoch, sequence: i64::try_from(info.stream_sequence).unwrap_or(i64::MAX) };
        if let Some((sequence, at)) = self.newest
            && info.stream_sequence <= sequence
        {
            return if stored_at > at { Err(FeedError::Backwards(cursor)) } else { Ok(Place::Outside) };
        }
        self.newest = Some((info.stream_sequence, stored_at));
        self.caught_up |= info.pending == 0;
        match self.epochs.of_moment(stored_at).cmp(&self.epoch) {
            Ordering::Less => return Ok(Place::Outside),
            Ordering::Greater => return Err(FeedError::Backwards(cursor)),
            Ordering::Equal => {}
        }
        let resent = message.headers.as_ref().is_some_and(|headers| headers.get(message::RESEND_HEADER).is_some());
        let received = Received {
            subject: &message.subject,
            payload: &message.payload,
            stored_at: info.published,
            sequence: info.stream_sequence,
        };
        let Ok(stored) = StoredMessage::decode(self.epoch, &received) else {
            shared.metrics.unreadable.inc();
            return Ok(Place::Nothing(cursor));
        };
        Ok(Place::Shown { frame: Arc::new(Frame::render(stored)), uncertain: resent || cursor <= self.settled })
    }
}

fn take(shared: &Shared, places: Vec<Place>, caught_up: bool) {
    let mut changed_runs = Vec::new();
    shared.change(|ring| {
        for place in places {
            match place {
                Place::Shown { frame, uncertain } => {
                    if frame.stored.verified {
                        changed_runs.push((frame.stored.message.run_key(), frame.cursor));
                    }
                    match ring.push(frame, uncertain) {
                        Verdict::Dropped => shared.metrics.copies.inc(),
                        Verdict::Shown | Verdict::Waiting => shared.metrics.frames.inc(),
                    };
                }
                Place::Nothing(cursor) => ring.skip(cursor),
                Place::Outside => {}
            }
        }
        if caught_up {
            ring.fill();
        }
    });
    shared.runs.note(changed_runs);
}

#[cfg(test)]
mod tests;
