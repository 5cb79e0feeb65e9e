//! Requests for dead letters: what could not be read or stored, of whatever namespace it is. A retry needs the database, and is
//! the command's.

use hyper::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use super::parameters;
use crate::dead_letters::view::{self, LetterData, WholeLetterData};
use crate::http::State;
use crate::http::answer::{self, Answer};
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::read::dead_letters::{self, DeadLetterQuery};

/// Dead letters of a page unless the query says otherwise, and at most.
pub const LIMITS: (usize, usize) = (50, 500);

/// A page of dead letters.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct DeadLetterPage<'a> {
    /// Always true.
    ok: bool,
    /// Newest first.
    letters: Vec<LetterData<'a>>,
    /// Where the list goes on: the next `before`. Null at its end.
    next: Option<String>,
}

/// The dead letters of one position: several where the stream broke there.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct DeadLettersAt<'a> {
    /// Always true.
    ok: bool,
    letters: Vec<WholeLetterData<'a>>,
}

/// `GET /api/agents/dead-letters`.
pub async fn list(state: &State, query: &Query) -> Result<Answer, Problem> {
    check_readable(state).await?;
    let wanted = DeadLetterQuery {
        classes: query.all("class").map(ToOwned::to_owned).collect(),
        with_resolved: query.first("resolved") == Some("true"),
        before: parameters::cursor(query, "before")?,
        limit: parameters::limit(query, "limit", LIMITS)?.max(1),
    };
    let page = dead_letters::list(&state.pool, &wanted).await?;
    let letters = page.letters.iter().map(view::summary).collect();
    let next = page.next.map(|cursor| cursor.to_string());
    Ok(answer::json_of(&DeadLetterPage { ok: true, letters, next }))
}

/// `GET /api/agents/dead-letters/{cursor}`: with the body.
pub async fn at(state: &State, cursor: &str) -> Result<Answer, Problem> {
    check_readable(state).await?;
    let position = parameters::position(cursor)?;
    let found = dead_letters::at(&state.pool, position).await?;
    if found.is_empty() {
        return Err(Problem::not_found(format!("no dead letter `{cursor}`")));
    }
    Ok(answer::json_of(&DeadLettersAt { ok: true, letters: found.iter().map(view::whole).collect() }))
}

async fn check_readable(state: &State) -> Result<(), Problem> {
    if state.viewer.may_read_dead_letters().await? {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        "you may not read dead letters; it takes a role with `get` on `deadletters` in `agent-comms.dev`",
    ))
}
