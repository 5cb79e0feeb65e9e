//! What a reader may narrow a list by: a field to search in, chips with counts, and the range of time. All of it is in the link
//! of the page.

use maud::{Markup, html};
use message::Kind;

use super::{figures, list};
use crate::http::query::Query;

/// Calls and results are one row, so that they are one choice.
const TOOL: [&str; 2] = [Kind::TOOL_CALL, Kind::TOOL_RESULT];

/// The field to search in, which keeps the other filters.
pub(super) fn search(path: &str, query: &Query, placeholder: &str) -> Markup {
    html! {
        form.search role="search" action=(path) method="get" {
            input type="search" name="q" placeholder=(placeholder) aria-label=(placeholder) value=[query.first("q")];
            (others(query, &["q"]))
        }
    }
}

/// The other filters as fields that nobody sees.
fn others(query: &Query, but: &[&str]) -> Markup {
    let names = list::FILTERS.into_iter().filter(|name| !but.contains(name));
    html! {
        @for name in names { @for value in query.all(name) { input type="hidden" name=(name) value=(value); } }
    }
}

/// The chips of kinds, what people look for first in front.
pub(super) fn kinds<'a>(path: &str, query: &Query, counts: impl Iterator<Item = (&'a str, Option<i64>)>) -> Markup {
    let mut counts: Vec<(&str, Option<i64>)> = counts.collect();
    // What is chosen can be taken back, also where the run has none of it.
    for kind in query.all("kind") {
        if counts.iter().all(|(known, _)| *known != kind) {
            counts.push((kind, None));
        }
    }
    counts.sort_by_key(|(kind, _)| order(kind));
    let tools = counts.iter().any(|(kind, _)| TOOL.contains(kind));
    let tool_count = counts.iter().filter(|(kind, _)| TOOL.contains(kind)).filter_map(|(_, count)| *count).reduce(|a, b| a + b);
    html! {
        @for (kind, count) in &counts {
            @if *kind == Kind::MESSAGE { (chip(path, query, "kind", kind, *count)) }
        }
        @if tools { (tool(path, query, tool_count)) }
        @for (kind, count) in counts.iter().filter(|(kind, _)| *kind != Kind::MESSAGE && !TOOL.contains(kind)) {
            (chip(path, query, "kind", kind, *count))
        }
    }
}

fn tool(path: &str, query: &Query, count: Option<i64>) -> Markup {
    let set = TOOL.iter().all(|kind| query.all("kind").any(|held| held == *kind));
    // Toggling what is half set would leave the other half.
    let without = TOOL.iter().fold(list::unplaced(query), |query, kind| {
        if query.all("kind").any(|held| held == *kind) { query.toggled("kind", kind) } else { query }
    });
    let target = if set { without } else { TOOL.iter().fold(without, |query, kind| query.and("kind", *kind)) };
    shown("chip", &target.link(path), set, "tool", count)
}

/// One chip that sets or takes away a filter.
pub(super) fn chip(path: &str, query: &Query, name: &str, value: &str, count: Option<i64>) -> Markup {
    let set = query.all(name).any(|held| held == value);
    let class = if (name, value) == ("kind", Kind::ERROR) { "chip error" } else { "chip" };
    shown(class, &list::unplaced(query).toggled(name, value).link(path), set, value, count)
}

/// Chips of what is chosen beside the kinds, to take it back.
pub(super) fn chosen(path: &str, query: &Query) -> Markup {
    html! {
        @for name in ["agent", "step", "stage", "role", "not", "regex", "since", "until"] {
            @for value in query.all(name) {
                a.chip href=(list::unplaced(query).toggled(name, value).link(path)) aria-current="true" title="Take this filter away" {
                    span.of { (name) " " } b { (value) } " " span.away aria-hidden="true" { "×" }
                }
            }
        }
    }
}

/// The way back to all of a list, where it is narrowed.
pub(super) fn clear(path: &str, query: &Query) -> Markup {
    html! { @if list::is_filtered(query) { a.chip.clear href=(list::cleared(query).link(path)) { "Clear filters" } } }
}

/// What is rarely chosen, by hand: a range of time, which drawing over the histogram sets as well, and texts that are not wanted.
/// In a run also a regular expression, and to keep what is chosen for every run, which takes a script.
pub(super) fn more(path: &str, query: &Query, in_run: bool) -> Markup {
    let replaced: &[&str] = if in_run { &["since", "until", "regex"] } else { &["since", "until"] };
    html! {
        details.range {
            summary.chip { "more" }
            form.menu action=(path) method="get" {
                label { "From" input name="since" placeholder="15m, or 2026-01-31T12:00:00Z" value=[query.first("since")]; }
                label { "To" input name="until" placeholder="now" value=[query.first("until")]; }
                label { "Not" input name="not" placeholder="text that is not wanted"; }
                @if in_run { label { "Regex" input name="regex" placeholder="took [0-9]+ s" value=[query.first("regex")]; } }
                (others(query, replaced))
                button type="submit" { "Show" }
                @if in_run { button #keep type="button" hidden { "Keep for every run" } }
            }
        }
    }
}

fn shown(class: &str, link: &str, set: bool, text: &str, count: Option<i64>) -> Markup {
    html! {
        a class=(class) href=(link) aria-current=[set.then_some("true")] data-chip=(text) {
            b { (text) } @if let Some(count) = count { " " span { (figures::count(count)) } }
        }
    }
}

fn order(kind: &str) -> usize {
    let first = [Kind::MESSAGE, Kind::REASONING, Kind::STATUS, Kind::LOG, Kind::ERROR, Kind::GAP];
    first.iter().position(|known| *known == kind).unwrap_or(first.len())
}
