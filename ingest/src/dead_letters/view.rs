//! Dead letters as JSON: one form for the command and the API. And in words what their classes mean. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::read::dead_letters::{DISCARDED, DeadLetterSummary, WholeDeadLetter};
use crate::store::retry::{Never, Retried};

/// A dead letter as lists show it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DeadLetter")]
pub struct LetterData<'a> {
    /// Its position; of what was discarded, the first position.
    cursor: String,
    /// When the stream stored it; of what was discarded, when that was found.
    created_at: String,
    /// `decode`, `schema`, `subject`, `identity`, `refused`, `conflict`, `late` or `discarded`.
    class: &'a str,
    /// Subject it was published to; empty for what was discarded.
    subject: &'a str,
    /// What is wrong.
    error: String,
    /// What the stream discarded before it was stored; null for all other classes.
    discarded: Option<DiscardedData>,
    payload_bytes: i64,
    /// How often it was read anew.
    attempts: i32,
    /// When it was last read anew.
    retried_at: Option<String>,
    /// Since when it is a message.
    resolved_at: Option<String>,
}

/// A range of sequences that the stream discarded before they were stored.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Discarded", deny_unknown_fields)]
struct DiscardedData {
    first: i64,
    last: i64,
    messages: i64,
}

/// A dead letter with its body.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "WholeDeadLetter")]
pub struct WholeLetterData<'a> {
    /// What lists show.
    #[serde(flatten)]
    letter: LetterData<'a>,
    /// Lists of texts by name.
    headers: Option<&'a Value>,
    /// Its body, in base64 (RFC 4648).
    payload: String,
    /// The same as text, where it is UTF-8.
    payload_text: Option<&'a str>,
}

/// What lists show.
#[must_use]
pub fn summary(letter: &DeadLetterSummary) -> LetterData<'_> {
    let first = letter.cursor.sequence;
    LetterData {
        cursor: letter.cursor.to_string(),
        created_at: letter.created_at.to_string(),
        class: &letter.class,
        subject: &letter.subject,
        error: error(letter),
        discarded: letter.discarded_to().map(|last| DiscardedData { first, last, messages: messages(first, last) }),
        payload_bytes: letter.payload_bytes,
        attempts: letter.attempts,
        retried_at: letter.retried_at.map(|at| at.to_string()),
        resolved_at: letter.resolved_at.map(|at| at.to_string()),
    }
}

/// Everything.
#[must_use]
pub fn whole(letter: &WholeDeadLetter) -> WholeLetterData<'_> {
    WholeLetterData {
        letter: summary(&letter.summary),
        headers: letter.headers.as_ref(),
        payload: STANDARD.encode(&letter.payload),
        payload_text: std::str::from_utf8(&letter.payload).ok(),
    }
}

/// What is wrong, in words for people.
#[must_use]
pub fn error(letter: &DeadLetterSummary) -> String {
    let first = letter.cursor.sequence;
    match letter.discarded_to() {
        Some(last) => format!("sequences {first} to {last} ({} messages) were discarded", messages(first, last)),
        None => letter.error.clone(),
    }
}

/// What a class means, and what can be done.
#[must_use]
pub fn meaning(class: &str) -> &'static str {
    match class {
        "decode" => "its body is no JSON object; mend its publisher",
        "schema" => "its body has neither content nor tool; mend its publisher",
        "subject" => "its subject has none of the forms of a workflow's message",
        "identity" => "its body names another run than its subject, which decides",
        "refused" => "PostgreSQL refused the row; retry it when the reason is gone",
        "conflict" => {
            "it has the id of another message and says something else; the one with the lower cursor is the message, so a retry \
             helps only when that one is gone"
        }
        "late" => {
            "it came when everything up to its place was settled, and nobody who has passed it would see it; a retry makes it \
             part of history"
        }
        DISCARDED => {
            "the stream discarded it before it was stored, because it was full or too old while PostgreSQL was away; its bytes \
             are gone, so it cannot be retried"
        }
        _ => "this program does not know this class",
    }
}

/// What became of one that was read anew: a word, the class it has today, why.
#[must_use]
pub fn retried(retried: &Retried) -> (&'static str, Option<&str>, &str) {
    match retried {
        Retried::Stored => ("stored", None, "it is a message now"),
        Retried::There => ("there", None, "what it says is a message already"),
        Retried::Still { class, error } => ("dead", Some(class), error),
        Retried::Never(Never::Discarded) => ("dead", Some(DISCARDED), meaning(DISCARDED)),
        Retried::Never(Never::Resolved) => ("there", None, "it was stored by an earlier retry"),
        Retried::Never(Never::Expired) => ("dead", Some("expired"), "the day it belongs to was dropped"),
        Retried::Never(Never::Missing) => ("missing", None, "there is no dead letter with this cursor"),
    }
}

fn messages(first: i64, last: i64) -> i64 {
    last.saturating_sub(first).saturating_add(1)
}
