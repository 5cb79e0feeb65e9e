//! The page of a run: one timeline over all its steps and agents.

use maud::{Markup, html};

use super::layout::{self, Here, Shell, Visit};
use super::list::{self, List, Piece};
use super::row::Place;
use super::{choice, figures, rail, spread};
use crate::http::query::{self, Query};
use crate::read::runs::{RunState, RunSummary};
use crate::read::spread::Spread;

/// What the page shows.
pub struct View<'a> {
    /// The run; nothing while no message of it is known.
    pub run: Option<&'a RunSummary>,
    /// The id it was asked for by.
    pub id: &'a str,
    /// The query of the page: filters and place.
    pub query: &'a Query,
    /// Who reads, and how the server stands.
    pub visit: Visit,
    /// The rows.
    pub piece: &'a Piece,
    /// How they lie in time, where that was read with them.
    pub spread: Option<&'a Spread>,
}

/// Where the page of a run is.
#[must_use]
pub fn path(id: &str) -> String {
    format!("/agents/{}", query::encode(id))
}

/// The page.
#[must_use]
pub fn render(view: &View<'_>) -> String {
    let path = path(view.id);
    let name = view.run.map_or(view.id, |run| run.name.as_str());
    layout::page(&Shell {
        here: Here::Run,
        title: name,
        visit: &view.visit,
        heading: heading(view, name),
        actions: html! {
            (layout::connection())
            (layout::pause())
            @if view.run.is_some() { (layout::export(&format!("/api/agents/runs/{}", query::encode(view.id)), view.query)) }
        },
        filters: filters(view, &path),
        main: html! {
            @match view.spread {
                Some(spread) => (spread::render(spread, &path, view.query)),
                // Its script asks for the bars of a long run, and keeps those of a growing one up to date.
                None => figure.spread #spread hidden {},
            }
            div.columns {
                (list::render(&list_at(view, &path)))
                @if let Some(run) = view.run { (rail::render(run, view.spread, &path, view.query)) }
            }
            (list::jump())
        },
        style: "timeline.css",
        script: Some("timeline.js"),
    })
}

/// Its list alone.
#[must_use]
pub fn list(view: &View<'_>) -> Markup {
    list::render(&list_at(view, &path(view.id)))
}

/// What stands around the list, as it changes while the page is open.
#[must_use]
pub fn about(view: &View<'_>) -> Markup {
    let path = path(view.id);
    html! {
        @if let Some(run) = view.run {
            div.heading { (heading(view, &run.name)) }
            div.chips { (chips(view, &path)) }
            @if let Some(spread) = view.spread { (spread::render(spread, &path, view.query)) }
            (rail::render(run, view.spread, &path, view.query))
        }
    }
}

fn list_at<'a>(view: &'a View<'_>, path: &'a str) -> List<'a> {
    let stream = match view.run {
        Some(run) => Query::default().and("runId", crate::api::runs::own_id(run)).and("namespace", &run.namespace),
        None => Query::default().and("runId", view.id),
    };
    List { path, query: view.query, piece: view.piece, stream, place: Place::Run, nothing: nothing(view) }
}

fn heading(view: &View<'_>, name: &str) -> Markup {
    html! {
        h1 {
            @if let Some(run) = view.run {
                a.namespace href=(Query::default().and("namespace", &run.namespace).link("/agents")) { (run.namespace) } span { " / " }
            }
            (name)
        }
        @if let Some(run) = view.run {
            (state(run.state))
            span.facts {
                (figures::span(seconds(run))) " · " span #messages data-count=(run.messages) { (figures::count(run.messages)) } " messages"
                @if run.errors > 0 { " · " span.failed { (figures::count(run.errors)) @if run.errors == 1 { " error" } @else { " errors" } } }
            }
            a.about href="#about" { "About" span { " this run" } }
        }
    }
}

/// The state of a run as a word in its colour.
pub(super) fn state(state: RunState) -> Markup {
    html! { b.state.(state.as_str()) { (state) } }
}

/// How long a run has lasted, or did.
pub(super) fn seconds(run: &RunSummary) -> i64 {
    (run.last_at.unix_micros() - run.first_at.unix_micros()) / 1_000_000
}

fn filters(view: &View<'_>, path: &str) -> Markup {
    html! {
        (choice::search(path, view.query, "text in messages"))
        div.chips { (chips(view, path)) }
        (choice::more(path, view.query, true))
        (layout::times())
    }
}

fn chips(view: &View<'_>, path: &str) -> Markup {
    let kinds = view.run.into_iter().flat_map(|run| &run.kinds).map(|(kind, count)| (kind.as_str(), Some(*count)));
    html! {
        (choice::chosen(path, view.query))
        (choice::kinds(path, view.query, kinds))
        (choice::clear(path, view.query))
    }
}

fn nothing(view: &View<'_>) -> Markup {
    if view.run.is_some() {
        return layout::empty(
            "No message matches",
            &html! { p { "The run has messages, but none that these filters let through. " a href=(list::cleared(view.query).link(&path(view.id))) { "Clear the filters" } } },
            None,
        );
    }
    layout::empty(
        "Nothing of this run yet",
        &html! {
            p { "No message of a run " code { (view.id) } " is stored: it has not spoken yet, or what it said is past the retention. This page shows its first message as it comes." }
            p { "A step speaks by writing a line to its socket:" }
        },
        Some("curl --unix-socket \"$AGENT_COMMS_SOCKET\" -d 'hello' http://localhost/messages"),
    )
}
