//! History as a file: one message a line, oldest first, whole, sent while it is read.

use std::io;

use bytes::{Bytes, BytesMut};
use futures_util::stream;

use super::{event, messages};
use crate::filter::Filter;
use crate::http::State;
use crate::http::answer::{self, Answer};
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::read;

/// Rows read at once.
const CHUNK: usize = 500;

/// `GET /api/agents/runs/{id}/messages/export.jsonl`.
pub async fn of_run(state: &State, id: &str, query: &Query) -> Result<Answer, Problem> {
    let filter = messages::run_filter(state, id, query).await?;
    Ok(answer::attachment(lines(state, filter).await?, &format!("{id}.jsonl")))
}

/// `GET /api/agents/channels/general/messages/export.jsonl`.
pub async fn of_channel(state: &State, channel: &str, query: &Query) -> Result<Answer, Problem> {
    let filter = messages::channel_filter(state, channel, query).await?;
    Ok(answer::attachment(lines(state, filter).await?, &format!("{channel}.jsonl")))
}

async fn lines(state: &State, filter: Filter) -> Result<Answer, Problem> {
    let up_to = state.settled().await?;
    let start = Some(read::messages::FIRST);
    let pool = state.pool.clone();
    let ended = Box::pin(state.session()?.ended());
    let parts = stream::unfold((start, filter, pool, ended), move |(position, filter, pool, mut ended)| async move {
        let position = position?;
        let read = read::messages::after(&pool, &filter, position, up_to, CHUNK);
        // A part is not taken for the whole: the connection breaks.
        let found = tokio::select! {
            biased;
            () = &mut ended => Err(io::Error::other("the export may go on no longer")),
            found = read => found.map_err(|error| {
                tracing::warn!(error = &error as &dyn std::error::Error, "an export cannot go on");
                io::Error::other("history cannot be read")
            }),
        };
        let found = match found {
            Ok(found) => found,
            Err(error) => return Some((Err(error), (None, filter, pool, ended))),
        };
        let next = found.messages.last().filter(|_| found.more).map(|last| last.cursor);
        let mut part = BytesMut::new();
        for stored in &found.messages {
            part.extend_from_slice(&event::whole(stored));
            part.extend_from_slice(b"\n");
        }
        Some((Ok::<Bytes, io::Error>(part.freeze()), (next, filter, pool, ended)))
    });
    Ok(answer::stream("application/x-ndjson", parts))
}
