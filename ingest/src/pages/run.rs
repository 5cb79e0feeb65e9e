//! The page of a run: one timeline over all its steps and agents.

use maud::{Markup, html};

use super::layout::{self, Here, Shell, Visit};
use super::list::{self, List, Piece};
use super::rights::Limits;
use super::row::Place;
use super::{choice, figures, rail, spread};
use crate::http::query::{self, Query};
use crate::read::runs::{ForgottenRun, RunState, RunSummary};
use crate::read::spread::Spread;

/// What the page shows.
pub struct View<'a> {
    /// The run; nothing while no message of it is known.
    pub run: Option<&'a RunSummary>,
    /// The run that it was, where it is known no more.
    pub forgotten: Option<&'a ForgottenRun>,
    /// What the reader may read, where no run is known to them and that is not everything.
    pub limits: Option<&'a Limits>,
    /// Whether what it said first is past the retention.
    pub is_cut: bool,
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
    List { path, query: view.query, piece: view.piece, stream, place: Place::Run, is_cut: view.is_cut, nothing: nothing(view) }
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
                (figures::span(seconds(run))) " · " span #messages data-count=(run.messages) { (figures::count(run.messages)) } @if run.messages == 1 { " message" } @else { " messages" }
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
    match (view.run, view.forgotten, view.limits) {
        (Some(run), ..) => nothing_of(run, view),
        (None, Some(gone), _) => forgotten(gone, view.id),
        (None, None, Some(limits)) => layout::empty(
            "Nothing of this run that you may read",
            &html! {
                p { "Either no message of a run " code { (view.id) } " has come yet, and this page shows the first as it comes; or it is in a namespace that you may not read." }
                (limits.instead())
            },
            None,
        ),
        (None, None, None) => layout::empty(
            "Nothing of this run yet",
            &html! {
                p { "No message of a run " code { (view.id) } " has come yet. This page shows the first as it comes." }
                p { "A step speaks by writing a line to its socket:" }
            },
            Some("curl --unix-socket \"$AGENT_COMMS_SOCKET\" -d 'hello' http://localhost/messages"),
        ),
    }
}

fn nothing_of(run: &RunSummary, view: &View<'_>) -> Markup {
    let path = path(view.id);
    if list::is_filtered(view.query) {
        return layout::empty(
            "No message matches",
            &html! { p { "The run has messages, but none that these filters let through. " a href=(list::cleared(view.query).link(&path)) { "Clear the filters" } } },
            None,
        );
    }
    if list::PLACES.iter().any(|name| view.query.first(name).is_some()) {
        return layout::empty(
            "Nothing at this place",
            &html! { p { "The run has messages, but none here. " a href=(list::unplaced(view.query).link(&path)) { "Newest messages" } } },
            None,
        );
    }
    if view.is_cut && view.piece.as_of >= run.last {
        return layout::empty(
            "What this run said is past the retention",
            &html! { p { "What it says from now on appears here." } },
            None,
        );
    }
    layout::empty(
        "The first message is on its way",
        &html! { p { "It is being stored, and appears here as soon as it is." } },
        None,
    )
}

fn forgotten(run: &ForgottenRun, id: &str) -> Markup {
    layout::empty(
        "This run is past the retention",
        &html! {
            p {
                "A run " code { (id) } " in " b { (run.namespace) } " spoke last on "
                time datetime=(run.last_at) { (figures::long_day(run.last_at)) }
                ". What it said was dropped with that day. Should it speak again, this page shows it."
            }
            p { a href="/agents" { "All runs" } }
        },
        None,
    )
}
