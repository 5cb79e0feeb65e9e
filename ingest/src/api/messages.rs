//! Requests for messages: pages of history, newest first, and single messages.

use bytes::Bytes;
use serde_json::Value;

use super::{event, parameters, runs};
use crate::cursor::Cursor;
use crate::filter::Filter;
use crate::http::State;
use crate::http::answer::{self, Answer};
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::read;
use crate::read::messages::Page;
use crate::stored::StoredMessage;

const DEFAULT_LIMIT: usize = 100;
const MOST: usize = 1_000;
const DEFAULT_CONTEXT: usize = 50;
const MOST_CONTEXT: usize = 500;

/// A part of history and the position that a live stream goes on from without gap or repeat.
pub struct History {
    /// The messages, oldest first, and whether there are older ones.
    pub page: Page,
    /// Everything that matches at or below it is told, here or on older pages.
    pub as_of: Cursor,
}

/// `GET /api/agents/runs/{id}/messages`.
pub async fn of_run(state: &State, id: &str, query: &Query) -> Result<Answer, Problem> {
    let filter = run_filter(state, id, query).await?;
    page(state, &filter, query).await
}

/// `GET /api/agents/channels/general/messages`.
pub async fn of_channel(state: &State, channel: &str, query: &Query) -> Result<Answer, Problem> {
    page(state, &channel_filter(channel, query)?, query).await
}

/// `GET /api/agents/messages/{cursor}`: a message among its neighbours.
pub async fn around(state: &State, cursor: &str, query: &Query) -> Result<Answer, Problem> {
    let position = position(cursor)?;
    let context = parameters::limit(query, "context", DEFAULT_CONTEXT, MOST_CONTEXT)?;
    let up_to = state.settled_at(position).await?;
    let found = read::messages::around(&state.pool, position, context, up_to).await?.ok_or_else(|| unknown(cursor))?;
    let body = document(
        &found.messages,
        &[("cursor", position.to_string().into()), ("older", found.older.into()), ("newer", found.newer.into())],
    );
    Ok(answer::json(body))
}

/// `GET /api/agents/messages/{cursor}/content`: what a message says, whole, as text. With `part=output` or
/// `part=arguments` that of its tool.
pub async fn content(state: &State, cursor: &str, query: &Query) -> Result<Answer, Problem> {
    let position = position(cursor)?;
    let up_to = state.settled_at(position).await?;
    let found = read::messages::one(&state.pool, position, up_to).await?.ok_or_else(|| unknown(cursor))?;
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

/// The filter for the messages of a run that is known.
///
/// # Errors
/// When it is not known, or known in several namespaces.
pub async fn run_filter(state: &State, id: &str, query: &Query) -> Result<Filter, Problem> {
    let run = runs::find(state, id, query).await?.ok_or_else(|| runs::unknown(id))?;
    let narrowing = parameters::searching(query);
    Ok(Filter { runs: vec![runs::own_id(&run).to_owned()], namespace: Some(run.namespace), ..narrowing })
}

/// The filter for the messages of a channel.
///
/// # Errors
/// When there is no such channel.
pub fn channel_filter(channel: &str, query: &Query) -> Result<Filter, Problem> {
    parameters::channel_named(channel)?;
    Ok(Filter { general: true, ..parameters::searching(query) })
}

/// The newest messages, of those below `before` where it is given.
///
/// # Errors
/// When history cannot be read, or how far it goes is not known.
pub async fn history(state: &State, filter: &Filter, before: Option<Cursor>, limit: usize) -> Result<History, Problem> {
    let as_of = state.settled().await?;
    let page = read::messages::before(&state.pool, filter, before, as_of, limit).await?;
    Ok(History { page, as_of })
}

async fn page(state: &State, filter: &Filter, query: &Query) -> Result<Answer, Problem> {
    let limit = parameters::limit(query, "limit", DEFAULT_LIMIT, MOST)?.max(1);
    let mut history = history(state, filter, parameters::cursor(query, "before")?, limit).await?;
    let next = history.page.messages.first().filter(|_| history.page.older).map(|first| first.cursor.to_string());
    history.page.messages.reverse();
    let as_of = history.as_of.to_string();
    Ok(answer::json(document(&history.page.messages, &[("next", next.into()), ("as_of", as_of.into())])))
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

fn position(cursor: &str) -> Result<Cursor, Problem> {
    cursor.parse().map_err(|error: crate::cursor::CursorError| Problem::bad_request(error.to_string()))
}

fn unknown(cursor: &str) -> Problem {
    Problem::not_found(format!("no message `{cursor}`: it was never stored, or is past the retention"))
}
