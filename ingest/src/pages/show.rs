//! Reads what a page shows, and renders it.

use message::Timestamp;
use time::OffsetDateTime;

use super::layout::Visit;
use super::list::Piece;
use super::rights::Limits;
use super::{body as body_page, general as general_page, layout, run as run_page, runs as runs_page};
use crate::api;
use crate::filter::Filter;
use crate::http::State;
use crate::http::answer::{self, Answer};
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::read;
use crate::read::ReadError;
use crate::read::messages::just_below;
use crate::read::runs::RunSummary;
use crate::read::spread::Spread;

/// Rows of one page: several screens, and no more than what can be drawn at once.
const ROWS: usize = 100;
/// Rows that the script of a page puts into its list at once: more would keep the page from answering meanwhile.
const PART_ROWS: usize = 60;
/// Lines of the shared channel beside the list of runs.
const LINES: usize = 15;
/// The spread of a longer run is not waited for: its page asks for it when it is drawn.
const SPREAD_AT_ONCE: i64 = 10_000;

/// `/agents`.
pub async fn runs(state: &State, query: &Query) -> Result<Answer, Problem> {
    if query.first("part") == Some("behind") {
        return Ok(answer::html(layout::behind(state.live.behind_seconds()).into_string()));
    }
    let asked = api::runs::asked(state, query).await?;
    let page = read::runs::list(&state.pool, &asked).await?;
    let limits = limits(state, asked.readable, query);
    let now = Timestamp::new(OffsetDateTime::now_utc());
    let channel = if state.viewer.may_read_general().await? {
        let filter = Filter { general: true, ..Filter::default() };
        Some(piece(state, &filter, &Query::default(), LINES).await?)
    } else {
        None
    };
    let dead_letters =
        if state.viewer.may_read_dead_letters().await? { Some(read::dead_letters::open(&state.pool).await?) } else { None };
    Ok(answer::html(runs_page::render(&runs_page::View {
        page: &page,
        channel: channel.as_ref(),
        limits: limits.as_ref(),
        query,
        dead_letters,
        visit: Visit::of(state),
        now,
    })))
}

/// `/agents/general`.
pub async fn general(state: &State, query: &Query) -> Result<Answer, Problem> {
    let filter = api::messages::channel_filter(state, message::GENERAL_CHANNEL, query).await?;
    let piece = piece(state, &filter, query, rows(query)).await?;
    let is_cut = state.settled.borrow().epochs.has_dropped();
    let view = general_page::View { query, visit: Visit::of(state), piece: &piece, is_cut };
    Ok(answer::html(match query.first("part") {
        Some("rows") => general_page::list(&view).into_string(),
        _ => general_page::render(&view),
    }))
}

/// `/agents/{id}`. A run that nobody knows yet has a page too: it waits for the first message.
pub async fn run(state: &State, id: &str, query: &Query) -> Result<Answer, Problem> {
    // Read first: whatever a run said up to there, its row is in the list by now.
    let as_of = state.settled().await?;
    let run = api::runs::find(state, id, query).await?;
    let narrowing = api::parameters::searching(query)?;
    let part = query.first("part");
    let piece = match &run {
        Some(run) if part != Some("about") => piece(state, &api::runs::filter_of(run, narrowing), query, rows(query)).await?,
        // What is said of a run that may not be read is not looked at.
        _ => Piece { messages: Vec::new(), older: None, newer: None, as_of, at: None },
    };
    let (forgotten, limits) = match &run {
        Some(_) => (None, None),
        None => (
            api::runs::forgotten(state, id, query).await?,
            limits(state, api::runs::readable(state, query.first("namespace")).await?, query),
        ),
    };
    let mut view = run_page::View {
        run: run.as_deref(),
        forgotten: forgotten.as_ref(),
        limits: limits.as_ref(),
        is_cut: run.as_ref().is_some_and(|run| state.settled.borrow().epochs.is_dropped(run.first)),
        id,
        query,
        visit: Visit::of(state),
        piece: &piece,
        spread: None,
    };
    if part == Some("rows") {
        return Ok(answer::html(run_page::list(&view).into_string()));
    }
    let spread = match &run {
        Some(run) if part.is_some() || run.messages <= SPREAD_AT_ONCE => spread(state, run).await?,
        _ => None,
    };
    view.spread = spread.as_ref();
    if part == Some("about") {
        return Ok(answer::html(run_page::about(&view).into_string()));
    }
    Ok(answer::html(run_page::render(&view)))
}

/// `/agents/messages/{cursor}/{part}`: a text of a message as a row shows it, but long; with `whole`, all of it.
pub async fn body(state: &State, cursor: &str, part: &str, query: &Query) -> Result<Answer, Problem> {
    let stored = api::messages::found(state, cursor).await?;
    body_page::render(&stored, part, query.first("whole") == Some("true"))
        .ok_or_else(|| Problem::not_found(format!("message `{cursor}` has no `{part}`; it has content, arguments or output")))
}

/// What is told to somebody who may read these namespaces alone.
fn limits(state: &State, readable: Option<Vec<String>>, query: &Query) -> Option<Limits> {
    let name = state.viewer.name()?.to_owned();
    Some(Limits { name, readable: readable?, asked: query.first("namespace").map(ToOwned::to_owned) })
}

fn rows(query: &Query) -> usize {
    if query.first("part") == Some("rows") { PART_ROWS } else { ROWS }
}

/// The part of a list that a link asks for: before a position, after one, around one, or at the end.
async fn piece(state: &State, filter: &Filter, query: &Query, rows: usize) -> Result<Piece, Problem> {
    let place = |name| api::parameters::cursor(query, name);
    let (before, after, at) = (place("before")?, place("after")?, place("at")?);
    let as_of = match at {
        Some(at) => state.settled_at(at).await?,
        None => state.settled().await?,
    };
    let pool = &state.pool;
    if let Some(at) = at {
        let page = read::messages::before(pool, filter, Some(at), as_of, rows / 2).await?;
        let (older, mut messages) = (page.next(), page.messages);
        let slice = read::messages::after(pool, filter, just_below(at), as_of, rows / 2).await?;
        let newer = slice.next();
        messages.extend(slice.messages);
        return Ok(Piece { messages, older, newer, as_of, at: Some(at) });
    }
    if let Some(after) = after {
        let slice = read::messages::after(pool, filter, after, as_of, rows).await?;
        // Where nothing comes after, a whole page shows what there is: filters kept the place of a reader, but not its rows.
        if slice.more || !slice.messages.is_empty() || query.first("part").is_some() {
            let first = slice.messages.first().map_or(after, |first| first.cursor);
            let page = read::messages::before(pool, filter, Some(first), as_of, 1).await?;
            let older = (page.older || !page.messages.is_empty()).then_some(first);
            return Ok(Piece { newer: slice.next(), messages: slice.messages, older, as_of, at: None });
        }
    }
    let page = read::messages::before(pool, filter, before, as_of, rows).await?;
    let newest = page.messages.last().map(|newest| newest.cursor);
    let newer = before.map(|before| newest.unwrap_or(just_below(before)));
    Ok(Piece { older: page.next(), messages: page.messages, newer, as_of, at: None })
}

/// The spread of a run; nothing where it takes too long to read.
async fn spread(state: &State, run: &RunSummary) -> Result<Option<Spread>, Problem> {
    match read::spread::of_run(&state.pool, run).await {
        Ok(spread) => Ok(Some(spread)),
        Err(ReadError::TooLong(_)) => Ok(None),
        // The rows were read, and are what the page is for: a value that the database cannot look into is no reason to show none.
        Err(error) => {
            tracing::info!(error = &error as &dyn std::error::Error, "a run is shown without its bars");
            Ok(None)
        }
    }
}
