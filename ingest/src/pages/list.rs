//! A list of messages as a part of a page: its rows, the links to older and newer ones, and what its script needs to go on.

use maud::{Markup, html};

use super::row::Place;
use super::timeline;
use crate::cursor::Cursor;
use crate::http::query::Query;
use crate::stored::StoredMessage;

/// What narrows a list, as its link says it: links to other places of the list keep these.
pub const FILTERS: [&str; 11] = ["kind", "agent", "role", "step", "stage", "namespace", "q", "not", "regex", "since", "until"];
/// What says where in the list a page is.
pub const PLACES: [&str; 3] = ["before", "after", "at"];

/// A part of a list and where it stands.
#[derive(Debug)]
pub struct Piece {
    /// Oldest first.
    pub messages: Vec<StoredMessage>,
    /// Below it are older ones, or may be.
    pub older: Option<Cursor>,
    /// After it are newer ones, or may be.
    pub newer: Option<Cursor>,
    /// Everything that matches up to there is on this page or on others.
    pub as_of: Cursor,
    /// The message that the link points to.
    pub at: Option<Cursor>,
}

/// A list on a page.
pub struct List<'a> {
    /// The page it is on.
    pub path: &'a str,
    /// The query of the page.
    pub query: &'a Query,
    /// Its rows.
    pub piece: &'a Piece,
    /// What a stream of the same messages is asked for, without the filters.
    pub stream: Query,
    /// Which sort of page it is on.
    pub place: Place,
    /// Whether what was said first is past the retention.
    pub is_cut: bool,
    /// What stands here instead of rows.
    pub nothing: Markup,
}

/// The list. The script of the page asks for pages of rows by the same links, and takes this element from them.
#[must_use]
pub fn render(list: &List<'_>) -> Markup {
    let (path, piece) = (list.path, list.piece);
    let query = unplaced(list.query);
    let link = |name: &str, cursor: Cursor| query.clone().and(name, cursor.to_string()).link(path);
    let from = piece.older.or_else(|| piece.messages.first().map(|stored| stored.cursor));
    let until = piece.newer.or_else(|| piece.messages.last().map(|stored| stored.cursor));
    let missed = piece.at.filter(|at| piece.messages.iter().all(|stored| stored.cursor != *at));
    html! {
        h2.hidden { "Messages" }
        section.timeline #timeline role="log" aria-live="off" aria-label="Messages" tabindex="0" data-stream=[stream(list)]
            data-after=(piece.as_of) data-first=[from] data-last=[until] data-older[piece.older.is_some()] data-newer[piece.newer.is_some()]
            data-at=[piece.at] data-place=(if list.place == Place::Run { "run" } else { "general" }) {
            p.older #older hidden[piece.older.is_none()] {
                @if let Some(oldest) = piece.older { a href=(link("before", oldest)) { "Older messages" } }
            }
            @if missed.is_some() && !piece.messages.is_empty() {
                p.notice { "The message that this link points to is not here: it is past the retention, or filters hide it. These are its neighbours." }
            }
            div #rows {
                @if list.is_cut && piece.older.is_none() && !piece.messages.is_empty() {
                    p.notice { "What was said before is past the retention." }
                }
                (timeline::render(&piece.messages, list.place))
            }
            @if piece.messages.is_empty() { div #nothing { (list.nothing) } }
            p.newer #newer hidden[piece.newer.is_none()] {
                @if let Some(newest) = piece.newer { a href=(link("after", newest)) { "Newer messages" } " · " }
                a href=(query.link(path)) { "Newest messages" }
            }
        }
    }
}

/// What follows the list: the way to its end.
pub(super) fn jump() -> Markup {
    html! { button.jump #jump type="button" hidden { b { "0 new" } span { " · " } "Jump to latest " kbd { "G" } } }
}

/// A query without its place: for links to another place of the same list.
#[must_use]
pub fn unplaced(query: &Query) -> Query {
    PLACES.into_iter().fold(query.without("part"), |query, name| query.without(name))
}

/// What narrows a list, and nothing else of a query.
#[must_use]
pub fn filters(query: &Query) -> Query {
    let named = |name| query.all(name).map(move |value| (name, value));
    FILTERS.into_iter().flat_map(named).fold(Query::default(), |kept, (name, value)| kept.and(name, value))
}

/// A query without what narrows a list, for the page of one run with the namespace of that. It says so, because a reader may
/// keep filters that belong to every page without any.
#[must_use]
pub fn cleared(query: &Query) -> Query {
    let bare = FILTERS.iter().filter(|name| **name != "namespace").fold(unplaced(query), |query, name| query.without(name));
    bare.without("filters").and("filters", "none")
}

/// Whether a list is narrowed.
#[must_use]
pub fn is_filtered(query: &Query) -> bool {
    FILTERS.iter().any(|name| *name != "namespace" && query.first(name).is_some())
}

/// The stream of what will be said. A stream takes no text and no end: where one is asked for, the page stands still.
fn stream(list: &List<'_>) -> Option<String> {
    let query = list.query;
    if ["q", "not", "regex", "until"].iter().any(|name| query.first(name).is_some()) {
        return None;
    }
    let names = ["kind", "agent", "role", "step", "stage"];
    let pairs = names.into_iter().flat_map(|name| query.all(name).map(move |value| (name, value)));
    let stream = pairs.fold(list.stream.clone(), |stream, (name, value)| stream.and(name, value));
    let namespace = query.first("namespace").filter(|_| stream.first("namespace").is_none());
    let stream = namespace.map_or(stream.clone(), |namespace| stream.and("namespace", namespace));
    Some(stream.and("view", "rows").link("/api/agents/events"))
}
