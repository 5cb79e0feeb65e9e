//! What left the ring before it was stored: read from the stream once more, for viewers that are behind while the database
//! is away. It ends where only a row could tell what is shown.

use std::sync::Arc;

use async_nats::jetstream::context::GetStreamError;
use message::{Received, Timestamp};

use super::feed::reader::{Reader, ReaderError};
use super::{Frame, Shared};
use crate::consume::life::judge::Judgement;
use crate::cursor::Cursor;
use crate::filter::Filter;
use crate::stored::StoredMessage;

/// How much of the stream is held for a viewer at once. Viewers take turns, so that this is all that is held.
const MOST_BYTES: usize = 512 << 10;

/// What was read for a viewer.
#[derive(Debug)]
pub(super) struct Filled {
    /// What matches, in order.
    pub(super) frames: Vec<Arc<Frame>>,
    /// Everything up to here was looked at.
    pub(super) reached: Cursor,
}

/// The stream could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum FillError {
    #[error("the stream is not followed yet")]
    NotRunning,
    #[error("the stream cannot be looked at")]
    Stream(#[from] GetStreamError),
    #[error("the stream cannot be read")]
    Reader(#[from] ReaderError),
    #[error("a message has no place in the stream")]
    Place(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the stream may have begun another life at {0}")]
    Break(Cursor),
}

/// Reads after a position and up to another, as far as it is known what is shown.
pub(super) async fn fill(shared: &Shared, filter: &Filter, after: Cursor, up_to: Cursor) -> Result<Filled, FillError> {
    let jetstream = shared.jetstream.get().ok_or(FillError::NotRunning)?;
    // It is never closed; without a permit nothing is lost but the turn.
    let turn = shared.fills.acquire().await;
    shared.life.may_show().await;
    let stream = jetstream.get_stream(crate::consume::STREAM).await?;
    let first = u64::try_from(after.sequence).unwrap_or(0) + 1;
    let mut reader = Reader::start(jetstream, stream, first).await?;
    let filled = read(shared, filter, &mut reader, after, up_to).await;
    reader.end().await;
    drop(turn);
    filled
}

async fn read(shared: &Shared, filter: &Filter, reader: &mut Reader, after: Cursor, up_to: Cursor) -> Result<Filled, FillError> {
    let mut filled = Filled { frames: Vec::new(), reached: after };
    let mut bytes = 0;
    while filled.reached < up_to && bytes < MOST_BYTES {
        for message in reader.next().await? {
            let info = message.info().map_err(FillError::Place)?;
            let cursor = Cursor { sequence: i64::try_from(info.stream_sequence).unwrap_or(i64::MAX), ..after };
            let (judgement, epoch) = shared.life.shown(info.stream_sequence, Timestamp::new(info.published));
            if judgement == Judgement::Backwards || epoch != after.epoch {
                return Err(FillError::Break(cursor));
            }
            // Where something is missing it was discarded: whether it was stored before, the table will say.
            if cursor.sequence != filled.reached.sequence + 1 || cursor > up_to {
                return Ok(filled);
            }
            let received = Received {
                subject: &message.subject,
                payload: &message.payload,
                stored_at: info.published,
                sequence: info.stream_sequence,
            };
            if let Ok(stored) = StoredMessage::decode(after.epoch, &received) {
                let is_known = shared.ids().note(&stored.message.run.namespace, stored.message.id, cursor);
                if is_known || crate::batch::is_resent(message.headers.as_ref()) {
                    return Ok(filled);
                }
                if filter.matches(&stored) {
                    let frame = Frame::of(stored);
                    bytes += frame.weight();
                    filled.frames.push(Arc::new(frame));
                }
            }
            filled.reached = cursor;
        }
    }
    Ok(filled)
}
