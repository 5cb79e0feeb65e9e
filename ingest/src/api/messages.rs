//! Requests for messages: pages of history, newest first, and single messages.

use bytes::Bytes;
use message::Timestamp;
use serde_json::Value;
use time::{Duration, OffsetDateTime};

use super::{event, parameters, runs};
use crate::cursor::Cursor;
use crate::filter::Filter;
use crate::http::State;
use crate::http::answer::{self, Answer};
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::read;
use crate::read::messages::{FIRST, Slice, just_below};
use crate::stored::StoredMessage;

/// Messages of a page unless the query says otherwise, and at most.
pub const LIMITS: (usize, usize) = (100, 1_000);
/// Neighbours of a message on each side unless the query says otherwise, and at most.
pub const CONTEXT: (usize, usize) = (50, 500);
/// How far a search of the shared channel goes back.
const SEARCHED: Duration = Duration::days(7);

/// `GET /api/agents/runs/{id}/messages`.
pub async fn of_run(state: &State, id: &str, query: &Query) -> Result<Answer, Problem> {
    let filter = run_filter(state, id, query).await?;
    page(state, &filter, query).await
}

/// `GET /api/agents/channels/general/messages`.
pub async fn of_channel(state: &State, channel: &str, query: &Query) -> Result<Answer, Problem> {
    page(state, &channel_filter(state, channel, query).await?, query).await
}

/// `GET /api/agents/messages/{cursor}`: a message among its neighbours.
pub async fn around(state: &State, cursor: &str, query: &Query) -> Result<Answer, Problem> {
    let position = parameters::position(cursor)?;
    let context = parameters::limit(query, "context", CONTEXT)?;
    let up_to = state.settled_at(position).await?;
    let message = readable(state, position, up_to).await?.ok_or_else(|| unknown(cursor))?;
    let in_run = message.verified && state.viewer.may_read(&message.message.run.namespace).await?;
    let general = Filter { general: true, ..Filter::default() };
    let neighbours = if in_run { read::messages::neighbourhood(&message) } else { general };
    let found = read::messages::around(&state.pool, message, &neighbours, context, up_to).await?;
    let body = document(
        &found.messages,
        &[("cursor", position.to_string().into()), ("older", found.older.into()), ("newer", found.newer.into())],
    );
    Ok(answer::json(body))
}

/// `GET /api/agents/messages/{cursor}/content`: what a message says, whole, as text. With `part=output` or
/// `part=arguments` that of its tool.
pub async fn content(state: &State, cursor: &str, query: &Query) -> Result<Answer, Problem> {
    let found = found(state, cursor).await?;
    let tool = found.message.tool.as_ref();
    let output = || tool.and_then(message::Tool::output).map(event::text_of);
    let arguments = || tool.and_then(message::Tool::arguments).map(event::text_of);
    let text = match query.first("part") {
        Some("output") => output(),
        Some("arguments") => arguments(),
        None => found.message.content.clone().or_else(output),
        Some(other) => return Err(Problem::bad_request(format!("`part` is `{other}`; it is output or arguments"))),
    };
    text.map(|text| answer::whole("text/plain; charset=utf-8", text))
        .ok_or_else(|| Problem::not_found(format!("message `{cursor}` has no such text")))
}

/// The message at a position.
///
/// # Errors
/// When there is none, it may not be read, or the position is none.
pub async fn found(state: &State, cursor: &str) -> Result<StoredMessage, Problem> {
    let position = parameters::position(cursor)?;
    let up_to = state.settled_at(position).await?;
    readable(state, position, up_to).await?.ok_or_else(|| unknown(cursor))
}

/// The message at a position, if it may be read: in its run, or in the shared channel.
async fn readable(state: &State, position: Cursor, up_to: Cursor) -> Result<Option<StoredMessage>, Problem> {
    let Some(found) = read::messages::one(&state.pool, position, up_to).await? else { return Ok(None) };
    let in_run = found.verified && state.viewer.may_read(&found.message.run.namespace).await?;
    let may = in_run || (found.message.is_general() && state.viewer.may_read_general().await?);
    Ok(may.then_some(found))
}

/// The filter for the messages of a run that is known.
///
/// # Errors
/// When it is not known, or known in several namespaces.
pub async fn run_filter(state: &State, id: &str, query: &Query) -> Result<Filter, Problem> {
    let Some(run) = runs::find(state, id, query).await? else { return Err(runs::unknown(state, id, query).await?) };
    Ok(runs::filter_of(&run, parameters::searching(query)?))
}

/// The filter for the messages of a channel. A search for a text goes back a week unless the query says from when: a channel
/// is as long as what is kept, and a search reads all of it that does not match.
///
/// # Errors
/// When there is no such channel, it may not be read, or a value has no meaning.
pub async fn channel_filter(state: &State, channel: &str, query: &Query) -> Result<Filter, Problem> {
    parameters::channel_named(channel)?;
    parameters::channel_readable(state).await?;
    let mut filter = Filter { general: true, ..parameters::searching(query)? };
    if filter.regex.is_some() {
        return Err(Problem::bad_request("`regex` looks through one run; the channel is searched with `q` and `not`"));
    }
    if filter.text.is_some() && filter.since.is_none() {
        filter.since = Timestamp::from_moment(OffsetDateTime::now_utc() - SEARCHED);
    }
    Ok(filter)
}

async fn page(state: &State, filter: &Filter, query: &Query) -> Result<Answer, Problem> {
    let limit = parameters::limit(query, "limit", LIMITS)?.max(1);
    let (before, after) = (parameters::cursor(query, "before")?, parameters::cursor(query, "after")?);
    let as_of = state.settled().await?;
    let up_to = before.map_or(as_of, |before| as_of.min(just_below(before)));
    let (mut messages, next, previous) = match after {
        Some(after) if before.is_none() => {
            let Slice { messages, more, reached } = read::messages::after(&state.pool, filter, after, up_to, limit).await?;
            let oldest = messages.first().map(|oldest| oldest.cursor);
            (messages, oldest, more.then_some(reached))
        }
        after => {
            let found = read::messages::newest(&state.pool, filter, after.unwrap_or(FIRST), up_to, limit).await?;
            let newest = found.messages.last().map(|newest| newest.cursor).filter(|_| before.is_some());
            (found.messages, found.older.then_some(found.reached), newest)
        }
    };
    let [next, previous] = [next, previous].map(|cursor| cursor.map(|cursor| cursor.to_string()));
    let missing = after.and_then(|after| state.settled.borrow().epochs.refusal(after));
    messages.reverse();
    let members = [
        ("next", next.into()),
        ("previous", previous.into()),
        ("as_of", as_of.to_string().into()),
        ("since", filter.since.map(|since| since.to_string()).into()),
        ("missing", missing.into()),
    ];
    Ok(answer::json(document(&messages, &members)))
}

/// A list of messages, each as every other answer has it, byte for byte.
fn document(messages: &[StoredMessage], members: &[(&str, Value)]) -> Bytes {
    let mut body = b"{\"ok\":true,\"messages\":[".to_vec();
    for (index, stored) in messages.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(&event::data(stored));
    }
    body.push(b']');
    for (name, value) in members {
        body.extend_from_slice(format!(",\"{name}\":{value}").as_bytes());
    }
    body.push(b'}');
    Bytes::from(body)
}

fn unknown(cursor: &str) -> Problem {
    Problem::not_found(format!("no message `{cursor}`: it was never stored, or is past the retention"))
}
