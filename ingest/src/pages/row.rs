//! The row of a message: one template for history and for what arrives live.
//!
//! A row knows nothing of its neighbours. What depends on them (the day above it, an agent named again, a result beside its
//! call) is added around it by the timeline, and by the page's script for rows that arrive.

use maud::{Markup, html};
use message::{Kind, Message, Role};

use super::{colour, figures, markdown, tool};
use crate::api::event;
use crate::http::query;
use crate::stored::StoredMessage;

/// More text than this is behind a link: a page of rows must stay small whatever they say.
pub const SHOWN_BYTES: usize = 4 * 1024;
/// As much of a text is shown where somebody opened it; all of it where somebody asks for that as well.
pub const OPENED_BYTES: usize = 64 * 1024;

/// A message that was said this long before it was stored is marked: its place in the list is not its place in time.
const LATE_AFTER_MICROS: i64 = 60 * 1_000_000;

/// Where a row is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// On the page of its run.
    Run,
    /// In the shared channel, where it also says whose run it is.
    General,
}

impl Place {
    /// Every place, in its order.
    pub const ALL: [Self; 2] = [Self::Run, Self::General];
}

/// How much a message asks for attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    Plain,
    Quiet,
    Warning,
    Error,
}

/// The row of one message.
#[must_use]
pub fn render(stored: &StoredMessage, place: Place) -> Markup {
    with_results(stored, &[], place)
}

/// The row of a call with what the tool answered, as far as it is known.
#[must_use]
pub fn with_results(stored: &StoredMessage, results: &[&StoredMessage], place: Place) -> Markup {
    let message = &stored.message;
    let what = match message.kind.as_str() {
        Kind::TOOL_CALL | Kind::TOOL_RESULT => tool::render(stored, results),
        _ => said(stored, place),
    };
    html! {
        article class=(classes(message)) id=(anchor(stored)) data-cursor=(stored.cursor) data-kind=(message.kind)
            data-day=(figures::day(message.timestamp)) data-at=(stored.created_at.unix_micros() / 1_000)
            data-who=(who_key(message, place)) data-fold[is_quiet(message)] data-call=[tool::pair_key(message)] {
            a.when href=(permalink(stored, place)) title=(message.timestamp) {
                time datetime=(message.timestamp) { (figures::clock(message.timestamp)) }
            }
            div.who { (who(stored, place)) }
            div.what {
                (what)
                (marks(stored))
            }
        }
    }
}

/// The id of a row in its page.
#[must_use]
pub fn anchor(stored: &StoredMessage) -> String {
    format!("m-{}", stored.cursor)
}

/// The link to a message among its neighbours, whatever filters hide of them where it is met.
fn permalink(stored: &StoredMessage, place: Place) -> String {
    let at =
        |query: query::Query, path: &str| format!("{}#{}", query.and("at", stored.cursor.to_string()).link(path), anchor(stored));
    match place {
        Place::Run => {
            let (path, query) = run_place(&stored.message);
            at(query, &path)
        }
        Place::General => at(query::Query::default(), "/agents/general"),
    }
}

/// Whether a message may fold with its neighbours into one line: how things stand, while all is well.
#[must_use]
pub fn is_quiet(message: &Message) -> bool {
    weight(message) == Weight::Quiet
}

/// What two neighbours share when the second need not name its agent again.
#[must_use]
pub fn who_key(message: &Message, place: Place) -> String {
    let run = if place == Place::General { message.run.uid.as_str() } else { "" };
    let attempt = message.attempt.map(|attempt| attempt.to_string()).unwrap_or_default();
    format!("{run}|{}|{}|{attempt}", message.agent_id, message.step_id.as_deref().unwrap_or_default())
}

fn who(stored: &StoredMessage, place: Place) -> Markup {
    let message = &stored.message;
    html! {
        span.agent.(colour::class(&message.agent_id)) { (message.agent_id) }
        @if message.role == Role::User { span.role { "user" } }
        @match place {
            Place::Run => {
                @if let Some(step) = &message.step_id {
                    small { (step) @if let Some(attempt) = message.attempt { " · " (attempt) } }
                }
            }
            Place::General if !stored.verified => small.unverified title="the subject does not vouch for this run" {
                (message.run.name) " · unverified"
            },
            Place::General => small { a href=(run_link(message)) { (message.run.name) } },
        }
    }
}

/// The page of a message's run.
#[must_use]
pub fn run_link(message: &Message) -> String {
    let (path, query) = run_place(message);
    query.link(&path)
}

fn run_place(message: &Message) -> (String, query::Query) {
    let run = &message.run;
    let id = if message::identity::names_nothing(&run.uid) { &run.name } else { &run.uid };
    (format!("/agents/{}", query::encode(id)), query::Query::default().and("namespace", &run.namespace))
}

fn said(stored: &StoredMessage, place: Place) -> Markup {
    let message = &stored.message;
    let kind = message.kind.as_str();
    html! {
        @if !matches!(kind, Kind::MESSAGE | Kind::REASONING | Kind::LOG | Kind::STATUS) {
            b.kind { (kind) } " "
        }
        (content(stored, SHOWN_BYTES, place))
    }
}

/// What a message says, up to a length, and a link to the rest of it.
#[must_use]
pub fn content(stored: &StoredMessage, most: usize, place: Place) -> Markup {
    let message = &stored.message;
    let content = message.content.as_deref().unwrap_or_default();
    let shown = event::start(content, most);
    let body = match message.kind.as_str() {
        Kind::LOG => html! { pre.line { (markdown::plain(shown)) } },
        Kind::STATUS | Kind::SOURCE_END | Kind::STEP_END | Kind::GAP => html! { p { (markdown::plain(shown)) } },
        // In a run's own messages most of what looks like a uid is something else's.
        _ if place == Place::General => markdown::render_with_runs(shown),
        _ => markdown::render(shown),
    };
    html! {
        (body)
        @if shown.len() < content.len() { (rest(stored, "content", content.len(), most)) }
    }
}

/// Leads to the whole of a text; the script of the page shows it in place of its start: first more of it, then all.
pub(super) fn rest(stored: &StoredMessage, part: &str, bytes: usize, shown: usize) -> Markup {
    let query = if part == "content" { String::new() } else { format!("?part={part}") };
    let path = format!("/agents/messages/{}/{part}", stored.cursor);
    let (more, whole) = if shown < OPENED_BYTES { (Some(path), None) } else { (None, Some(format!("{path}?whole=true"))) };
    html! {
        p.rest {
            a href={ "/api/agents/messages/" (stored.cursor) "/content" (query) } data-body=[more] data-whole=[whole] { "all " (figures::bytes(bytes)) }
        }
    }
}

/// What was noticed about a message on its way.
fn marks(stored: &StoredMessage) -> Markup {
    let message = &stored.message;
    let delay = stored.created_at.unix_micros() - message.timestamp.unix_micros();
    let split = message.attrs.get("split").and_then(|split| Some((split.get("index")?.as_u64()?, split.get("count")?.as_u64()?)));
    let parse_error = message.attrs.get("parse_error").and_then(serde_json::Value::as_str);
    html! {
        @if delay > LATE_AFTER_MICROS { span.mark title="stored this long after it was said" { "late " (figures::span(delay / 1_000_000)) } }
        @if let Some((index, count)) = split { span.mark.calm { "part " (index + 1) " of " (count) } }
        @if message.attrs.contains_key("cut") { span.mark { "cut: the line was too long" } }
        @if let Some(error) = parse_error { span.mark title=(error) { "not read as it says it is" } }
    }
}

fn classes(message: &Message) -> String {
    let weight = match weight(message) {
        Weight::Plain => "",
        Weight::Quiet => " quiet",
        Weight::Warning => " warning",
        Weight::Error => " error",
    };
    let form = match message.kind.as_str() {
        Kind::TOOL_CALL | Kind::TOOL_RESULT => " call",
        Kind::REASONING => " reasoning",
        Kind::LOG => " log",
        _ => "",
    };
    format!("row{weight}{form}")
}

fn weight(message: &Message) -> Weight {
    let attribute = |name: &str| message.attrs.get(name);
    match message.kind.as_str() {
        Kind::ERROR => Weight::Error,
        Kind::GAP => Weight::Warning,
        Kind::STEP_END if attribute("exit_code").and_then(serde_json::Value::as_i64).is_some_and(|code| code != 0) => {
            Weight::Error
        }
        Kind::SOURCE_END if attribute("complete").and_then(serde_json::Value::as_bool) == Some(false) => Weight::Warning,
        Kind::STATUS | Kind::SOURCE_END | Kind::STEP_END => Weight::Quiet,
        _ => Weight::Plain,
    }
}

#[cfg(test)]
mod tests;
