//! The page of the channel that all runs share.

use maud::{Markup, html};
use message::Kind;

use super::layout::{self, Here, Shell, Visit};
use super::list::{self, List, Piece};
use super::row::Place;
use super::{choice, row};
use crate::http::query::Query;

const PATH: &str = "/agents/general";

/// What the page shows.
pub struct View<'a> {
    /// The query of the page: filters and place.
    pub query: &'a Query,
    /// Who reads, and how the server stands.
    pub visit: Visit,
    /// The rows.
    pub piece: &'a Piece,
    /// Whether what was said first is past the retention.
    pub is_cut: bool,
}

/// The page.
#[must_use]
pub fn render(view: &View<'_>) -> String {
    let kinds = [Kind::MESSAGE, Kind::STATUS, Kind::ERROR].map(|kind| (kind, None));
    layout::page(&Shell {
        here: Here::General,
        title: "General",
        visit: &view.visit,
        heading: html! { h1.hidden { "General" } },
        actions: html! {
            (layout::connection())
            (layout::pause())
            (layout::export("/api/agents/channels/general", view.query))
        },
        filters: html! {
            (choice::search(PATH, view.query, "text in messages"))
            div.chips {
                (choice::chosen(PATH, view.query))
                (choice::kinds(PATH, view.query, kinds.into_iter()))
                @for namespace in view.query.all("namespace") { (choice::chip(PATH, view.query, "namespace", namespace, None)) }
                (choice::clear(PATH, view.query))
            }
            (choice::more(PATH, view.query, false))
            (layout::times())
        },
        main: html! {
            div.columns { (list(view)) }
            (list::jump())
        },
        style: "timeline.css",
        script: Some("timeline.js"),
    })
}

/// Its list alone.
#[must_use]
pub fn list(view: &View<'_>) -> Markup {
    let stream = Query::default().and("channel", message::GENERAL_CHANNEL);
    list::render(&List {
        path: PATH,
        query: view.query,
        piece: view.piece,
        stream,
        place: Place::General,
        is_cut: view.is_cut,
        nothing: nothing(view.query),
    })
}

/// The last lines of the channel, for a page that is of something else.
pub(super) fn lines(piece: &Piece) -> Markup {
    html! {
        aside.channel aria-label="Shared channel" {
            h2 { a href=(PATH) { "General" } }
            div #channel data-after=(piece.as_of) {
                @for stored in &piece.messages { (row::render(stored, Place::General)) }
                @if piece.messages.is_empty() { p.quiet { "Nothing said to all yet." } }
            }
        }
    }
}

fn nothing(query: &Query) -> Markup {
    if list::is_filtered(query) || query.first("namespace").is_some() {
        return layout::empty(
            "No message matches",
            &html! { p { "Nothing in the shared channel passes these filters. " a href=(PATH) { "Clear the filters" } } },
            None,
        );
    }
    if list::PLACES.iter().any(|name| query.first(name).is_some()) {
        return layout::empty(
            "Nothing at this place",
            &html! { p { "The shared channel has no message here. " a href=(PATH) { "Newest messages" } } },
            None,
        );
    }
    layout::empty(
        "Nothing in the shared channel yet",
        &html! { p { "What a step says to the channel " code { "general" } " appears here as it comes, from every run. A step says something to all by writing to its socket:" } },
        Some(
            "curl --unix-socket \"$AGENT_COMMS_SOCKET\" -d '{\"channel\":\"general\",\"content\":\"hello\"}' http://localhost/messages",
        ),
    )
}
