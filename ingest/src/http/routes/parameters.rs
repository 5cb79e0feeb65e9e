//! What may be asked: each parameter once, whatever routes take it.

use crate::api::{dead_letters, events, messages, runs};
use crate::read::runs::RunState;

/// A parameter of a request.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Where it stands.
    pub place: Place,
    /// What values it takes.
    pub shape: Shape,
    /// What it means.
    pub description: &'static str,
}

/// Where a parameter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the path, always.
    Path,
    /// In the query.
    Query,
    /// In a header.
    Header,
}

/// What values a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Any text.
    Text,
    /// Any text, as often as wanted: a value that matches one of them is wanted.
    Texts,
    /// A position.
    Cursor,
    /// A moment, or how long ago.
    Moment,
    /// A whole number: by default, and at most.
    Number(usize, usize),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// One of these words, or several of them.
    Choices(&'static [&'static str]),
}

pub(super) const PAGING: &str = "A page is always newest first. `next` is the `before` of the page of older messages, \
    `previous` the `after` of the page of newer ones; null where there are none. Everything that matches up to `as_of` is told, \
    here or on other pages, and nothing will appear there later: a live stream with `after` = `as_of` goes on without gap or \
    repeat. `after` alone gives the oldest messages after it. `missing` says that some of what followed `after` is lost to this \
    server (unknown_epoch, expired, discarded). A search with `q` has two seconds; in the channel it goes back a week unless \
    `since` says from when.";
pub(super) const EXPORT: &str = "One JSON object a line, oldest first, with its whole text, up to the moment of the request. A \
    file that breaks off is not whole: the connection ends with an error.";

pub(super) const EXPORT_MARKDOWN: &str = "Oldest first, with whole texts, up to the moment of the request; what tools were given \
    and answered stands in fences. A file that breaks off is not whole: the connection ends with an error.";

const fn path(name: &'static str, shape: Shape, description: &'static str) -> Parameter {
    Parameter { name, place: Place::Path, shape, description }
}

const fn query(name: &'static str, shape: Shape, description: &'static str) -> Parameter {
    Parameter { name, place: Place::Query, shape, description }
}

const fn number((default, most): (usize, usize)) -> Shape {
    Shape::Number(default, most)
}

pub(super) const ID: Parameter =
    path("id", Shape::Text, "The run: its workflow uid, its name where that is unknown, or its run id.");
pub(super) const CHANNEL_NAME: Parameter = path("channel", Shape::Choice(&[message::GENERAL_CHANNEL]), "The channel.");
pub(super) const CURSOR: Parameter = path("cursor", Shape::Cursor, "The position of the message.");

pub(super) const RUN_ID: Parameter =
    query("runId", Shape::Texts, "A run: its run id, its workflow uid, or its name where that is unknown. At most 20 in all.");
pub(super) const WORKFLOW_UID: Parameter = query("workflowUid", Shape::Texts, "The same.");
pub(super) const CHANNEL: Parameter =
    query("channel", Shape::Choice(&[message::GENERAL_CHANNEL]), "The channel that all runs share.");
pub(super) const NAMESPACE: Parameter = query("namespace", Shape::Text, "Only this namespace.");
pub(super) const KIND: Parameter = query("kind", Shape::Texts, "Only these kinds.");
pub(super) const AGENT: Parameter = query("agent", Shape::Texts, "Only these agents.");
pub(super) const ROLE: Parameter = query("role", Shape::Texts, "Only these roles.");
pub(super) const STEP: Parameter = query("step", Shape::Texts, "Only these steps.");
pub(super) const STAGE: Parameter = query("stage", Shape::Texts, "Only these stages.");
pub(super) const NOT: Parameter = query("not", Shape::Texts, "Only what holds none of these texts, case aside.");
pub(super) const REGEX: Parameter = query(
    "regex",
    Shape::Text,
    "Only content in which PostgreSQL finds this regular expression, case aside. Of one run, and at most 500 bytes.",
);
pub(super) const TEXT: Parameter = query("q", Shape::Text, "Only content that holds this text, case aside.");
pub(super) const SINCE: Parameter = query("since", Shape::Moment, "Only what the stream stored then or later.");
pub(super) const UNTIL: Parameter = query("until", Shape::Moment, "Only what the stream stored before then.");
pub(super) const BEFORE: Parameter = query("before", Shape::Cursor, "Only what is below this position.");
pub(super) const AFTER: Parameter = query("after", Shape::Cursor, "Only what is above this position.");
pub(super) const STREAM_AFTER: Parameter = query("after", Shape::Cursor, "Everything after this position, then live.");
pub(super) const LAST_EVENT_ID: Parameter = Parameter {
    name: "Last-Event-ID",
    place: Place::Header,
    shape: Shape::Cursor,
    description: "The same; what a browser sends when it connects again. It wins over `after`.",
};
pub(super) const LIMIT: Parameter = query("limit", number(messages::LIMITS), "How many messages at most.");
pub(super) const RUNS_LIMIT: Parameter = query("limit", number(runs::LIMITS), "How many runs at most.");
pub(super) const STREAM_LIMIT: Parameter = query("limit", number(events::LIMITS), "How many messages of history come first.");
pub(super) const CONTEXT: Parameter = query("context", number(messages::CONTEXT), "How many neighbours on each side at most.");
pub(super) const DEAD_LETTERS_LIMIT: Parameter = query("limit", number(dead_letters::LIMITS), "How many at most.");
pub(super) const CLASS: Parameter = query("class", Shape::Texts, "Only these classes.");
pub(super) const RESOLVED: Parameter =
    query("resolved", Shape::Choice(&["true", "false"]), "Also those that a retry has made messages.");
pub(super) const VIEW: Parameter = query(
    "view",
    Shape::Choice(&["json", "rows", "tabs"]),
    "What the data is: JSON, rows of HTML as the pages have them, or rows after a line of JSON that says whose they are.",
);
pub(super) const RUNS_VIEW: Parameter =
    query("view", Shape::Choice(&["json", "rows"]), "What the data is: JSON, or rows of HTML as the pages have them.");
pub(super) const PART: Parameter =
    query("part", Shape::Choice(&["output", "arguments"]), "That text of its tool instead of its content.");
pub(super) const RUN_TEXT: Parameter =
    query("q", Shape::Text, "Only runs whose name, uid, run id, agents or last words hold this text, case aside.");
pub(super) const STATE: Parameter =
    query("state", Shape::Choices(&STATES), "Only runs that stand so. `active`: running or stalled; `recent`: all.");

/// What narrows a history.
pub(super) const HISTORY: &[Parameter] = &[NAMESPACE, KIND, AGENT, ROLE, STEP, STAGE, TEXT, NOT, REGEX, SINCE, UNTIL];
/// Which page of it.
pub(super) const PAGES: &[Parameter] = &[BEFORE, AFTER, LIMIT];

const STATES: [&str; RunState::ALL.len() + 2] = {
    let mut words = ["active", "recent", "", "", "", "", ""];
    let mut index = 0;
    while index < RunState::ALL.len() {
        words[index + 2] = RunState::ALL[index].as_str();
        index += 1;
    }
    words
};
