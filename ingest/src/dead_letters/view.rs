//! Dead letters as JSON: one form for the command and the API. And in words what their classes mean. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::read::dead_letters::{DISCARDED, DeadLetterSummary, WholeDeadLetter};
use crate::store::retry::{Never, Retried};

/// What lists show. Of what the stream discarded, `discarded` tells the range; else it is null.
#[must_use]
pub fn summary(letter: &DeadLetterSummary) -> Value {
    let first = letter.cursor.sequence;
    let discarded = letter.discarded_to().map(|last| json!({ "first": first, "last": last, "messages": messages(first, last) }));
    json!({
        "cursor": letter.cursor.to_string(),
        "created_at": letter.created_at.to_string(),
        "class": letter.class,
        "subject": letter.subject,
        "error": error(letter),
        "discarded": discarded,
        "payload_bytes": letter.payload_bytes,
        "attempts": letter.attempts,
        "retried_at": letter.retried_at.map(|at| at.to_string()),
        "resolved_at": letter.resolved_at.map(|at| at.to_string()),
    })
}

/// The same with `headers` (lists of texts by name, or null), the body in base64 (`payload`, RFC 4648) and, where it is UTF-8,
/// as text (`payload_text`, else null).
#[must_use]
pub fn whole(letter: &WholeDeadLetter) -> Value {
    let mut value = summary(&letter.summary);
    value["headers"] = letter.headers.clone().unwrap_or_default();
    value["payload"] = STANDARD.encode(&letter.payload).into();
    value["payload_text"] = std::str::from_utf8(&letter.payload).ok().into();
    value
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
