//! The page of the channel that all runs share.

use maud::html;
use message::Kind;

use super::layout::{self, Here, Shell};
use super::list::{self, List, Live};
use super::row::Place;
use crate::http::query::Query;
use crate::stored::StoredMessage;

const PATH: &str = "/agents/general";

/// What the page shows.
pub struct View<'a> {
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
    let stream = Query::default().and("channel", message::GENERAL_CHANNEL);
    let nothing = layout::empty(
        "Nothing in the shared channel yet",
        &html! { p { "What a step says to the channel " code { "general" } " appears here as it comes, from every run. A step says something to all by writing to its socket:" } },
        Some(
            "curl --unix-socket \"$AGENT_COMMS_SOCKET\" -d '{\"channel\":\"general\",\"content\":\"hello\"}' http://localhost/messages",
        ),
    );
    layout::page(&Shell {
        here: Here::General,
        title: "General",
        signed_in: view.signed_in,
        heading: html! {},
        actions: html! {
            (layout::connection())
            @if view.live.is_some() { (layout::pause()) }
            a.button href="/api/agents/channels/general/messages/export.jsonl" { "Export" }
        },
        filters: html! {
            (list::search(PATH, view.query, "text in messages"))
            div.chips {
                @for kind in [Kind::MESSAGE, Kind::STATUS, Kind::ERROR] { (list::chip(PATH, view.query, "kind", kind, None)) }
                @for agent in view.query.all("agent") { (list::chip(PATH, view.query, "agent", agent, None)) }
                @for namespace in view.query.all("namespace") { (list::chip(PATH, view.query, "namespace", namespace, None)) }
            }
        },
        main: html! {
            div.columns {
                (list::render(&List {
                    path: PATH,
                    query: view.query,
                    messages: view.messages,
                    older: view.older,
                    stream,
                    live: view.live,
                    place: Place::General,
                    nothing,
                }))
            }
        },
        style: "timeline.css",
        script: Some("timeline.js"),
    })
}
