//! Follows the stream into the ring, with one consumer of its own that is made anew, from the last message seen, whenever
//! reading breaks off. The ring stays as it is meanwhile: only another life of the stream, or a long silence, ends it.

pub(super) mod place;
pub(super) mod reader;

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::stream::Stream;
use message::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

use super::Shared;
use super::ids::RECALLED;
use crate::cursor::Cursor;
use crate::epochs::Epochs;
use crate::read;
use crate::settled::Settled;
use place::{Following, take};
use reader::{Reader, ReaderError};

/// The stream.
const STREAM: &str = "agent-comms";
/// How far back a ring starts: a viewer who was away while this replica restarted needs no table, and a publisher that sends
/// again at once without saying so is still known to repeat itself.
const OVERLAP: u64 = 1_000;
/// How long to wait before starting again.
const PAUSE: Duration = Duration::from_secs(1);
/// How often the watermark is compared with what came.
const LOOK: Duration = Duration::from_secs(1);
/// How long one attempt to go on may take: what was asked of a server that was stopping is never answered.
const PATIENCE: Duration = Duration::from_secs(2);
/// A watermark above everything that was delivered, for this long, means that the consumer has stopped delivering: others
/// store what never came here. So does a stream that cannot be read for this long: viewers are then told so.
const STALLED: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
enum FeedError {
    #[error("the stream `{STREAM}` cannot be looked at")]
    Stream(#[source] jetstream::context::GetStreamError),
    #[error("the stream `{STREAM}` cannot be read")]
    Reader(#[from] ReaderError),
    #[error("a message of the stream has no place in it")]
    Place(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the stream ends at {last}, below the watermark {watermark}: waiting until storing has found the break")]
    Behind { last: u64, watermark: Cursor },
    #[error("the stream runs backwards at {0}: waiting until storing has found the break")]
    Backwards(Cursor),
    #[error("the life of the stream ended before {0}")]
    Ended(Cursor),
    #[error("the stream goes on with {0}, without the message that was read last: beginning anew")]
    Apart(Cursor),
    #[error("the stream is another one: waiting until storing has found the break")]
    Recreated,
    #[error("nothing was delivered for a while although {0} is stored already")]
    Stalled(Cursor),
    #[error("the newest ids cannot be read")]
    Ids(#[source] read::ReadError),
    #[error("the newest ids cannot be read within {} s", STALLED.as_secs())]
    SlowIds,
    #[error("the stream was closed")]
    Closed,
}

/// Follows the stream, for ever; each life of the stream, and each failure, starts anew.
pub(super) async fn follow(shared: &Shared, jetstream: &jetstream::Context) {
    let mut settled = shared.settled.clone();
    loop {
        let ended = follow_one(shared, jetstream, &mut settled).await;
        let followed_to = shared.change(|ring| {
            let head = ring.is_open().then(|| ring.head());
            ring.close();
            head
        });
        if let Some(head) = followed_to {
            shared.ids().followed(head);
        }
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
    let last = check(&stream, &epochs, settled)?;
    let first = stream.cached_info().state.first_sequence;
    let start_sequence = start_of(&epochs, settled, first, last);
    let base = Cursor { epoch: settled.epoch, sequence: i64::try_from(start_sequence - 1).unwrap_or(i64::MAX) };
    recall_ids(shared, base, settled).await?;
    let mut reader = Reader::start(jetstream, stream, start_sequence).await?;
    let is_empty = reader.is_empty();
    let newest = start_sequence - 1;
    let mut following = Following { epoch: settled.epoch, settled, newest, meets: None, caught_up: is_empty };
    shared.change(|ring| {
        ring.open(base);
        if is_empty {
            ring.fill();
        }
    });
    shared.runs.begin_after(base);
    tracing::info!(ring.base = %base, "live");
    loop {
        let Err(error) = read(shared, &mut reader, &mut following, known).await else { return Ok(()) };
        let FeedError::Reader(error) = error else { return Err(error) };
        tracing::info!(error = &error as &dyn std::error::Error, "reading the stream broke off, going on from the last message");
        shared.metrics.restarts.inc();
        let again = tokio::time::timeout(STALLED, read_again(shared, jetstream, &following, known));
        reader = again.await.unwrap_or(Err(FeedError::Reader(error)))?;
        following.meets = Some(following.newest).filter(|newest| *newest > 0);
    }
}

/// Remembers the newest ids of the table, unless those below the ring are known. Without them a copy that is not marked, of a
/// message below the ring, would be shown as that message. The table has just told how far it goes, so this is not waited for
/// long; where it is away, a ring that begins where the one before ended needs nothing of it.
async fn recall_ids(shared: &Shared, base: Cursor, up_to: Cursor) -> Result<(), FeedError> {
    if shared.ids().knows(base) {
        return Ok(());
    }
    let asked = tokio::time::timeout(STALLED, read::messages::newest_ids(&shared.pools.storing, up_to, RECALLED));
    let newest = asked.await.map_err(|_| FeedError::SlowIds)?.map_err(FeedError::Ids)?;
    let mut ids = shared.ids();
    ids.recall(&newest);
    ids.fill(up_to, base);
    if ids.missing_to().is_some() {
        tracing::info!(ring.base = %base, stored = %up_to, "what lies between is neither stored nor followed: rows decide what is shown until it is stored");
    }
    Ok(())
}

/// Whether a stream is the one that is known, with everything that is stored; tells where it ends.
fn check(stream: &Stream, epochs: &Epochs, stored: Cursor) -> Result<u64, FeedError> {
    let info = stream.cached_info();
    let created = epochs.get(stored.epoch).and_then(|newest| newest.stream_created);
    if created.is_some_and(|created| created != Timestamp::new(info.created)) {
        return Err(FeedError::Recreated);
    }
    let last = info.state.last_sequence;
    if last < u64::try_from(stored.sequence).unwrap_or(0) {
        return Err(FeedError::Behind { last, watermark: stored });
    }
    Ok(last)
}

/// Reads until a newer life is known, or until reading breaks off.
async fn read(
    shared: &Shared,
    reader: &mut Reader,
    following: &mut Following,
    known: &mut watch::Receiver<Settled>,
) -> Result<(), FeedError> {
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut behind_since = None;
    loop {
        tokio::select! {
            changed = another_life(known, following.epoch) => return changed,
            now = looks.tick() => {
                reader.check_connection()?;
                let (stored, _) = newest(&shared.settled.borrow());
                let is_behind = stored > shared.ring().head();
                behind_since = if is_behind { behind_since.or(Some(now)) } else { None };
                if behind_since.is_some_and(|since: Instant| now - since > STALLED) {
                    return Err(FeedError::Stalled(stored));
                }
            }
            chunk = reader.next() => {
                let chunk = chunk?;
                shared.life.may_show().await;
                let mut failed = None;
                let mut places = Vec::with_capacity(chunk.len());
                for message in chunk {
                    match following.place(shared, &message) {
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

/// Goes on with the last message of the ring, for as long as it takes. That message is read again, because a stream that came
/// back without its end would go on from there with others, and nothing but its own times shows it.
async fn read_again(
    shared: &Shared,
    jetstream: &jetstream::Context,
    following: &Following,
    known: &watch::Receiver<Settled>,
) -> Result<Reader, FeedError> {
    loop {
        shared.life.may_show().await;
        let (stored, epochs) = newest(&known.borrow());
        let again = async {
            let stream = jetstream.get_stream(STREAM).await.map_err(FeedError::Stream)?;
            let seen = Cursor { epoch: following.epoch, sequence: i64::try_from(following.newest).unwrap_or(i64::MAX) };
            // The next message would be of another life: reading it here tells whoever waits for that.
            let seen = if stored.epoch == seen.epoch { seen } else { stored };
            check(&stream, &epochs, seen)?;
            Ok::<_, FeedError>(Reader::start(jetstream, stream, following.newest.max(1)).await?)
        };
        match tokio::time::timeout(PATIENCE, again).await {
            Ok(Err(FeedError::Stream(_) | FeedError::Reader(_))) => tokio::time::sleep(PAUSE).await,
            Ok(done) => return done,
            Err(_) => {}
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

/// Where the ring starts: far enough back to meet the watermark, but never in an earlier life of the stream nor in what it does
/// not hold any more (a viewer there is served by the table, also where nothing at all is left), and with no more frames than it
/// can hold, however large they are: what leaves it again leaves its id, and without the ids of all that is not stored yet each
/// message waits for its row, since it may be a copy. What lies between is not read: reading millions of messages only to forget
/// them again would take from storing what it needs to catch up.
fn start_of(epochs: &Epochs, settled: Cursor, first: u64, last: u64) -> u64 {
    let committed = u64::try_from(settled.sequence).unwrap_or(0);
    let first_of_life = epochs.get(settled.epoch).map_or(0, |epoch| epoch.first_sequence);
    let first = first.max(u64::try_from(first_of_life).unwrap_or(0)).max(1);
    let held = u64::try_from(super::Limits::DEFAULT.frames).unwrap_or(u64::MAX);
    let meets = (committed + 1).min((last + 1).saturating_sub(OVERLAP));
    meets.max((last + 1).saturating_sub(held)).max(first)
}

#[cfg(test)]
mod tests;
