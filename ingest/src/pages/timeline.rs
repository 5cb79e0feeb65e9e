//! A list of rows in cursor order, with what depends on their neighbours: days, agents named once, results beside their
//! calls, quiet rows folded.

use std::collections::HashMap;

use maud::{Markup, PreEscaped, html};
use message::Kind;

use super::row::{self, Place};
use super::{figures, tool};
use crate::stored::StoredMessage;

/// One entry of the list: what becomes one row, or one fold.
enum Entry<'a> {
    One { stored: &'a StoredMessage, results: Vec<&'a StoredMessage> },
    Quiet(Vec<&'a StoredMessage>),
}

/// The rows, oldest first.
#[must_use]
pub fn render(messages: &[StoredMessage], place: Place) -> Markup {
    let mut day = String::new();
    let mut who = String::new();
    let mut html = String::new();
    for entry in entries(messages) {
        let first = match &entry {
            Entry::One { stored, .. } => *stored,
            Entry::Quiet(rows) => rows[0],
        };
        let its_day = figures::day(first.message.timestamp);
        if its_day != day {
            let separator = html! {
                div.day data-day=(its_day) { span { (figures::long_day(first.message.timestamp)) ", UTC" } }
            };
            html.push_str(&separator.into_string());
            day = its_day;
            who.clear();
        }
        match entry {
            Entry::One { stored, results } => {
                let its_who = row::who_key(&stored.message, place);
                let rendered = row::with_results(stored, &results, place).into_string();
                // The first class of every row; the script of the page does the same for rows that arrive.
                html.push_str(&if its_who == who { rendered.replacen("class=\"row", "class=\"row same", 1) } else { rendered });
                who = its_who;
            }
            Entry::Quiet(rows) => {
                html.push_str(&fold(&rows, place).into_string());
                who.clear();
            }
        }
    }
    PreEscaped(html)
}

fn fold(rows: &[&StoredMessage], place: Place) -> Markup {
    html! {
        details.fold {
            summary {
                time datetime=(rows[0].message.timestamp) { (figures::clock(rows[0].message.timestamp)) }
                span.count { (rows.len()) " status updates" }
                // The newest tells where things stand without opening.
                span.latest { (figures::middle_cut(rows[rows.len() - 1].message.content.as_deref().unwrap_or_default(), 100)) }
            }
            @for stored in rows { (row::render(stored, place)) }
        }
    }
}

fn entries(messages: &[StoredMessage]) -> Vec<Entry<'_>> {
    let mut entries: Vec<Entry<'_>> = Vec::new();
    let mut calls: HashMap<String, usize> = HashMap::new();
    for stored in messages {
        let pair = tool::pair_key(&stored.message);
        if stored.message.kind.as_str() == Kind::TOOL_RESULT
            && let Some(index) = pair.as_ref().and_then(|pair| calls.get(pair))
            && let Entry::One { results, .. } = &mut entries[*index]
        {
            results.push(stored);
            continue;
        }
        if row::is_quiet(&stored.message) {
            if let Some(Entry::Quiet(rows)) = entries.last_mut() {
                rows.push(stored);
            } else {
                entries.push(Entry::Quiet(vec![stored]));
            }
            continue;
        }
        if let Some(pair) = pair {
            calls.insert(pair, entries.len());
        }
        entries.push(Entry::One { stored, results: Vec::new() });
    }
    for entry in &mut entries {
        if let Entry::Quiet(rows) = entry
            && let [stored] = rows[..]
        {
            *entry = Entry::One { stored, results: Vec::new() };
        }
    }
    entries
}

#[cfg(test)]
mod tests;
