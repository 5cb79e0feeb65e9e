//! Reads what a page shows, and renders it.

use message::Timestamp;
use time::OffsetDateTime;

use super::list::Live;
use super::{general as general_page, run as run_page, runs as runs_page};
use crate::api;
use crate::cursor::Cursor;
use crate::http::State;
use crate::http::answer::{self, Answer};
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::read;
use crate::read::messages::Page;

/// Rows of one page.
const ROWS: usize = 300;

/// `/agents`.
pub async fn runs(state: &State, query: &Query) -> Result<Answer, Problem> {
    let page = read::runs::list(&state.pool, &api::runs::asked(state, query).await?).await?;
    let now = Timestamp::new(OffsetDateTime::now_utc());
    Ok(answer::html(runs_page::render(&runs_page::View { page: &page, query, now, signed_in: state.viewer.is_signed_in() })))
}

/// `/agents/general`.
pub async fn general(state: &State, query: &Query) -> Result<Answer, Problem> {
    let filter = api::messages::channel_filter(state, message::GENERAL_CHANNEL, query).await?;
    let before = api::parameters::cursor(query, "before")?;
    let history = api::messages::history(state, &filter, before, ROWS).await?;
    Ok(answer::html(general_page::render(&general_page::View {
        query,
        signed_in: state.viewer.is_signed_in(),
        messages: &history.page.messages,
        older: history.page.older,
        live: live(before, history.as_of),
    })))
}

/// `/agents/{id}`. A run that nobody knows yet has a page too: it waits for the first message.
pub async fn run(state: &State, id: &str, query: &Query) -> Result<Answer, Problem> {
    // Read first: whatever a run said up to there, its row is in the list by now.
    let as_of = state.settled().await?;
    let run = api::runs::find(state, id, query).await?;
    let narrowing = api::parameters::searching(query)?;
    let before = api::parameters::cursor(query, "before")?;
    let page = match &run {
        Some(run) => {
            let filter = api::runs::filter_of(run, narrowing);
            read::messages::before(&state.pool, &filter, before, as_of, ROWS).await?
        }
        // What is said of a run that may not be read is not looked at.
        None => Page::default(),
    };
    Ok(answer::html(run_page::render(&run_page::View {
        run: run.as_deref(),
        id,
        query,
        signed_in: state.viewer.is_signed_in(),
        messages: &page.messages,
        older: page.older,
        live: live(before, as_of),
    })))
}

/// Where the live rows of a page begin: nowhere on a page of the past, else after what it shows.
fn live(before: Option<Cursor>, as_of: Cursor) -> Option<Live> {
    before.is_none().then_some(Live { after: Some(as_of) })
}
