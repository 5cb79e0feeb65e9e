//! The page of a run: one timeline over all its steps and agents.

use maud::{Markup, html};

use super::layout::{self, Here, Shell};
use super::list::{self, List, Live};
use super::row::Place;
use super::{figures, rail};
use crate::http::query::{self, Query};
use crate::read::runs::{RunState, RunSummary};
use crate::stored::StoredMessage;

/// What the page shows.
pub struct View<'a> {
    /// The run; nothing while no message of it is known.
    pub run: Option<&'a RunSummary>,
    /// The id it was asked for by.
    pub id: &'a str,
    /// The query of the page: filters and place.
    pub query: &'a Query,
    /// Whether the reader signed in here.
    pub signed_in: bool,
    /// The rows, oldest first.
    pub messages: &'a [StoredMessage],
    /// Whether there are older ones.
    pub older: bool,
    /// The live rows; nothing on a page of the past.
    pub live: Option<Live>,
}

/// The page.
#[must_use]
pub fn render(view: &View<'_>) -> String {
    let path = format!("/agents/{}", query::encode(view.id));
    let name = view.run.map_or(view.id, |run| run.name.as_str());
    let stream = match view.run {
        Some(run) => Query::default().and("runId", crate::api::runs::own_id(run)).and("namespace", &run.namespace),
        None => Query::default().and("runId", view.id),
    };
    layout::page(&Shell {
        here: Here::Run,
        title: name,
        signed_in: view.signed_in,
        heading: heading(view, name),
        actions: html! {
            (layout::connection())
            @if view.live.is_some() { (layout::pause()) }
            @if view.run.is_some() {
                a.button href=(only_filters(view.query).link(&format!("/api{path}/messages/export.jsonl"))) { "Export" }
            }
        },
        filters: filters(view, &path),
        main: html! {
            div.columns {
                (list::render(&List {
                    path: &path,
                    query: view.query,
                    messages: view.messages,
                    older: view.older,
                    stream,
                    live: view.live,
                    place: Place::Run,
                    nothing: nothing(view),
                }))
                @if let Some(run) = view.run { (rail::render(run, &path, view.query)) }
            }
        },
        style: "timeline.css",
        script: Some("timeline.js"),
    })
}

/// A query without its place, for links to the same choice elsewhere.
fn only_filters(query: &Query) -> Query {
    query.without("before").without("at")
}

fn heading(view: &View<'_>, name: &str) -> Markup {
    html! {
        h1 {
            @if let Some(run) = view.run { span { (run.namespace) " / " } }
            (name)
        }
        @if let Some(run) = view.run {
            (state(run.state))
            span.facts { (figures::span(seconds(run))) " · " span #messages data-count=(run.messages) { (figures::count(run.messages)) } " messages" }
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
    let mut kinds: Vec<(&str, i64)> =
        view.run.iter().flat_map(|run| &run.kinds).map(|(kind, count)| (kind.as_str(), *count)).collect();
    kinds.sort_by_key(|(kind, _)| order(kind));
    html! {
        (list::search(path, view.query, "text in messages"))
        div.chips {
            @for (kind, count) in &kinds { (list::chip(path, view.query, "kind", kind, Some(*count))) }
            @for agent in view.query.all("agent") { (list::chip(path, view.query, "agent", agent, None)) }
        }
    }
}

/// What people look for first stands first; other words come after, by their alphabet.
fn order(kind: &str) -> usize {
    use message::Kind;
    let first =
        [Kind::MESSAGE, Kind::TOOL_CALL, Kind::TOOL_RESULT, Kind::REASONING, Kind::STATUS, Kind::LOG, Kind::ERROR, Kind::GAP];
    first.iter().position(|known| *known == kind).unwrap_or(first.len())
}

fn nothing(view: &View<'_>) -> Markup {
    if view.run.is_some() {
        return layout::empty(
            "No message matches",
            &html! { p { "The run has messages, but none that these filters let through. " a href={ "/agents/" (query::encode(view.id)) } { "Clear the filters" } } },
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
