//! History as a file, oldest first, whole, sent while it is read: a message a line as JSON for programs, or as markdown for people.

use std::io;

use bytes::{Bytes, BytesMut};
use futures_util::stream;

use super::{event, markdown, messages};
use crate::filter::Filter;
use crate::http::State;
use crate::http::answer::{self, Answer};
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::read;
use crate::stored::StoredMessage;

/// Rows read at once.
const CHUNK: usize = 500;

/// What a file is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A JSON object a line.
    Lines,
    /// Markdown.
    Markdown,
}

impl Form {
    fn extension(self) -> &'static str {
        match self {
            Self::Lines => "jsonl",
            Self::Markdown => "md",
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Lines => "application/x-ndjson",
            Self::Markdown => "text/markdown; charset=utf-8",
        }
    }

    fn write(self, part: &mut BytesMut, stored: &StoredMessage) {
        match self {
            Self::Lines => {
                part.extend_from_slice(&event::whole(stored));
                part.extend_from_slice(b"\n");
            }
            Self::Markdown => part.extend_from_slice(markdown::of(stored).as_bytes()),
        }
    }
}

/// `GET /api/agents/runs/{id}/export.jsonl` and `export.md`.
pub async fn of_run(state: &State, id: &str, query: &Query, form: Form) -> Result<Answer, Problem> {
    let filter = messages::run_filter(state, id, query).await?;
    Ok(answer::attachment(file(state, filter, form).await?, &format!("{id}.{}", form.extension())))
}

/// `GET /api/agents/channels/general/export.jsonl` and `export.md`.
pub async fn of_channel(state: &State, channel: &str, query: &Query, form: Form) -> Result<Answer, Problem> {
    let filter = messages::channel_filter(state, channel, query).await?;
    Ok(answer::attachment(file(state, filter, form).await?, &format!("{channel}.{}", form.extension())))
}

async fn file(state: &State, filter: Filter, form: Form) -> Result<Answer, Problem> {
    let up_to = state.settled().await?;
    let start = Some(read::messages::FIRST);
    let pool = state.pool.clone();
    let ended = Box::pin(state.session()?.ended());
    let source = (filter, pool, state.limits.clone());
    let parts = stream::unfold((start, source, ended, None), move |(position, source, mut ended, last_room)| async move {
        let position = position?;
        // The last part has left.
        drop(last_room);
        let (filter, pool, limits) = &source;
        let read = async {
            let room = limits.room_of_part().await;
            read::lives::after(pool, filter, position, up_to, CHUNK).await.map(|(found, refusal)| ((found, room), refusal))
        };
        // A part is not taken for the whole: the connection breaks.
        let found = tokio::select! {
            biased;
            () = &mut ended => Err(io::Error::other("the export may go on no longer")),
            found = read => match found {
                // What is missing before the first part was dropped before this began.
                Ok((_, Some("expired"))) if position != read::messages::FIRST => Err(io::Error::other("a day of it was dropped")),
                Ok((found, _)) => Ok(found),
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "an export cannot go on");
                    Err(io::Error::other("history cannot be read"))
                }
            },
        };
        let (found, room) = match found {
            Ok(found) => found,
            Err(error) => return Some((Err(error), (None, source, ended, None))),
        };
        let next = found.next();
        let mut part = BytesMut::new();
        for stored in &found.messages {
            form.write(&mut part, stored);
        }
        Some((Ok::<Bytes, io::Error>(part.freeze()), (next, source, ended, room)))
    });
    Ok(answer::stream(form.content_type(), parts))
}
