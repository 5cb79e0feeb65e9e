//! A list of messages as a part of a page: its rows, the links to older ones, the filters, and what its script needs to go on.

use maud::{Markup, html};
use message::Kind;

use super::row::Place;
use super::{figures, timeline};
use crate::cursor::Cursor;
use crate::http::query::Query;
use crate::stored::StoredMessage;

/// Rows that arrive while the page is open.
#[derive(Debug, Clone, Copy)]
pub struct Live {
    /// After which position; nothing while no message is known.
    pub after: Option<Cursor>,
}

/// A list and where it stands.
pub(super) struct List<'a> {
    /// The page it is on.
    pub(super) path: &'a str,
    pub(super) query: &'a Query,
    /// Oldest first.
    pub(super) messages: &'a [StoredMessage],
    pub(super) older: bool,
    /// What a stream of the same messages is asked for, without the filters.
    pub(super) stream: Query,
    pub(super) live: Option<Live>,
    pub(super) place: Place,
    /// What stands here instead of rows.
    pub(super) nothing: Markup,
}

pub(super) fn render(list: &List<'_>) -> Markup {
    let (path, query) = (list.path, list.query);
    let filtered = ["kind", "agent", "role", "namespace"]
        .into_iter()
        .fold(list.stream.clone(), |stream, name| query.all(name).fold(stream, |stream, value| stream.and(name, value)));
    // Live streams take no text: where one is asked for, the page stands still.
    let live = list.live.filter(|_| query.first("q").is_none());
    let source = live.map(|_| filtered.and("view", "rows").link("/api/agents/events"));
    let older = list.messages.first().filter(|_| list.older);
    html! {
        section.timeline #timeline role="log" aria-label="Messages" tabindex="0" data-stream=[source]
            data-after=[live.and_then(|live| live.after)] {
            @if let Some(first) = older {
                p.older { a #older href=(query.without("before").and("before", first.cursor.to_string()).link(path)) { "Older messages" } }
            }
            div #rows { (timeline::render(list.messages, list.place)) }
            @if list.messages.is_empty() { div #nothing { (list.nothing) } }
            @if query.first("before").is_some() {
                p.newer { a href=(query.without("before").link(path)) { "Newest messages" } }
            }
        }
        button.jump #jump type="button" hidden { b { "0 new" } " · jump to latest " kbd { "G" } }
    }
}

/// The field to search in, which keeps the other filters.
pub(super) fn search(path: &str, query: &Query, placeholder: &str) -> Markup {
    html! {
        form.search role="search" action=(path) method="get" {
            input type="search" name="q" placeholder=(placeholder) aria-label=(placeholder) value=[query.first("q")];
            @for name in ["kind", "agent", "role", "namespace"] {
                @for value in query.all(name) { input type="hidden" name=(name) value=(value); }
            }
        }
    }
}

/// One chip that sets or takes away a filter.
pub(super) fn chip(path: &str, query: &Query, name: &str, value: &str, count: Option<i64>) -> Markup {
    let set = query.all(name).any(|held| held == value);
    let class = if value == Kind::ERROR { "chip error" } else { "chip" };
    html! {
        a class=(class) href=(query.without("before").toggled(name, value).link(path)) aria-current=[set.then_some("true")] {
            b { (value) } @if let Some(count) = count { " " span { (figures::count(count)) } }
        }
    }
}
