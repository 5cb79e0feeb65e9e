//! Requests for runs.

use std::collections::BTreeSet;

use hyper::StatusCode;
use message::Timestamp;
use time::Duration;

use super::run::{OneRun, RunList};
use super::{parameters, run};
use crate::filter::Filter;
use crate::http::State;
use crate::http::answer::{self, Answer};
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::read;
use crate::read::runs::{ForgottenRun, RunQuery, RunState, RunSummary};

/// Runs of a page unless the query says otherwise, and at most.
pub const LIMITS: (usize, usize) = (50, 200);
/// By how much clocks of the servers of the stream may differ: a run's first message bounds when its others were stored.
const SKEW: Duration = Duration::hours(1);

/// `GET /api/agents/runs`: newest first.
pub async fn list(state: &State, query: &Query) -> Result<Answer, Problem> {
    let page = read::runs::list(&state.pool, &asked(state, query).await?).await?;
    let next = page.next.map(|cursor| cursor.to_string());
    let document = RunList {
        ok: true,
        runs: page.runs.iter().map(run::data).collect(),
        next,
        partial: page.partial,
        behind_seconds: state.live.behind_seconds(),
    };
    Ok(answer::json_of(&document))
}

/// `GET /api/agents/runs/{id}`.
pub async fn one(state: &State, id: &str, query: &Query) -> Result<Answer, Problem> {
    match find(state, id, query).await? {
        Some(found) => Ok(answer::json_of(&OneRun { ok: true, run: run::data(&found) })),
        None => Err(unknown(state, id, query).await?),
    }
}

/// Which part of the list a query asks for, of the runs that may be read.
///
/// # Errors
/// When a value has no meaning, or it is not known what may be read.
pub async fn asked(state: &State, query: &Query) -> Result<RunQuery, Problem> {
    let mut states = Vec::new();
    for word in query.all("state") {
        states.extend(states_of(word)?);
    }
    Ok(RunQuery {
        states,
        text: query.first("q").map(ToOwned::to_owned),
        namespace: query.first("namespace").map(ToOwned::to_owned),
        readable: readable(state, query.first("namespace")).await?,
        before: parameters::cursor(query, "before")?,
        limit: parameters::limit(query, "limit", LIMITS)?.max(1),
    })
}

/// The namespaces that a list is limited to by what may be read, of those that are known or the one that is asked for; nothing
/// where that is all of them.
///
/// # Errors
/// When history cannot be read, or it is not known what may be.
pub async fn readable(state: &State, namespace: Option<&str>) -> Result<Option<Vec<String>>, Problem> {
    if state.viewer.may_read_all().await? {
        return Ok(None);
    }
    let namespaces = match namespace {
        Some(namespace) => vec![namespace.to_owned()],
        None => read::runs::namespaces(&state.pool).await?,
    };
    Ok(Some(state.viewer.readable(namespaces).await?))
}

/// The namespaces in which runs of these ids are known and may not be read.
///
/// # Errors
/// When history cannot be read, or it is not known what may be.
pub async fn hidden(state: &State, ids: &[String]) -> Result<Vec<String>, Problem> {
    if ids.is_empty() || state.viewer.may_read_all().await? {
        return Ok(Vec::new());
    }
    let mut known = BTreeSet::new();
    for id in ids {
        known.extend(read::runs::by_id(&state.pool, id, None).await?.into_iter().map(|run| run.namespace));
    }
    let readable = state.viewer.readable(known.iter().cloned().collect()).await?;
    known.retain(|namespace| !readable.contains(namespace));
    Ok(known.into_iter().collect())
}

/// The run that an id names, in the namespace that the query says; nothing when no such run is known that may be read.
///
/// # Errors
/// When runs of several namespaces have this id and none is named, or when history cannot be read.
pub async fn find(state: &State, id: &str, query: &Query) -> Result<Option<Box<RunSummary>>, Problem> {
    let mut known = read::runs::by_id(&state.pool, id, query.first("namespace")).await?;
    // What may not be read is not there at all, and not named either.
    let namespaces = known.iter().map(|run| run.namespace.clone()).collect();
    let readable = state.viewer.readable(namespaces).await?;
    known.retain(|run| readable.contains(&run.namespace));
    match known.len() {
        0 | 1 => Ok(known.pop().map(Box::new)),
        _ => {
            let namespaces: Vec<String> = known.into_iter().map(|run| run.namespace).collect();
            let detail =
                format!("runs of several namespaces are known by `{id}`: {}; name one with namespace=", namespaces.join(", "));
            Err(Problem::new(StatusCode::CONFLICT, detail).with("namespaces", namespaces))
        }
    }
}

/// The filter for the messages of this run.
#[must_use]
pub fn filter_of(run: &RunSummary, narrowing: Filter) -> Filter {
    // What was stored long before its first message is not the run's: whole days need not be looked at.
    let first = Timestamp::from_moment(run.first_at.moment() - SKEW);
    let since = narrowing.since.max(first);
    Filter { runs: vec![own_id(run).to_owned()], namespace: Some(run.namespace.clone()), since, ..narrowing }
}

/// No run of this id is known: why, as far as that may be told.
///
/// # Errors
/// When history cannot be read, or it is not known what may be.
pub async fn unknown(state: &State, id: &str, query: &Query) -> Result<Problem, Problem> {
    Ok(Problem::not_found(match forgotten(state, id, query).await? {
        Some(run) => format!("run `{id}` is past the retention: it spoke last at {}, and was dropped with that day", run.last_at),
        None => format!("no run `{id}`: it has not spoken yet, or long ago"),
    }))
}

/// The run that was known by an id and went with its day, where it may be read.
///
/// # Errors
/// When history cannot be read, or it is not known what may be.
pub async fn forgotten(state: &State, id: &str, query: &Query) -> Result<Option<ForgottenRun>, Problem> {
    let gone = read::runs::forgotten(&state.pool, id, query.first("namespace")).await?;
    let readable = state.viewer.readable(gone.iter().map(|run| run.namespace.clone()).collect()).await?;
    Ok(gone.into_iter().find(|run| readable.contains(&run.namespace)))
}

/// The id that finds a run's messages, whatever alias it was asked for by.
#[must_use]
pub fn own_id(run: &RunSummary) -> &str {
    if message::identity::names_nothing(&run.uid) { &run.name } else { &run.uid }
}

/// The states that a word means: one of them, or one of the list's tabs.
fn states_of(word: &str) -> Result<Vec<RunState>, Problem> {
    Ok(match word {
        "recent" => Vec::new(),
        "active" => vec![RunState::Running, RunState::Stalled],
        word => vec![RunState::new(word).ok_or_else(|| {
            let words: Vec<&str> = RunState::ALL.into_iter().map(RunState::as_str).collect();
            Problem::bad_request(format!("`state` is `{word}`; it is active, recent, {}", words.join(", ")))
        })?],
    })
}
