//! What was said before: asked of ingest, whichever replica answers.

use std::borrow::Cow;
use std::time::Duration;

use async_nats::{Client, Message, StatusCode};
use bytes::Bytes;
use futures_util::StreamExt as _;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use uuid::Uuid;

/// Where ingest answers.
const SUBJECT: &str = "agent-comms.read.general";
/// How long the next answer may take: longer than ingest works on a request.
const SILENCE: Duration = Duration::from_secs(3);
/// Bytes of all answers, at most: four times what ingest sends.
const LONGEST: usize = 4 * 1024 * 1024;
/// How often a replica that is busy is asked.
const TRIES: u32 = 3;
/// The pause before it is asked again, and as much more by chance.
const PAUSE: Duration = Duration::from_millis(200);
/// Messages of one answer to what was missed; more are asked for.
const MISSED_AT_ONCE: u32 = 500;

/// What is asked for.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// So many of the newest.
    Last(u32),
    /// What came after this cursor, from the oldest on.
    After(String),
}

/// A message of history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Its id.
    pub id: Uuid,
    /// The namespace that its id is unique in.
    pub namespace: String,
    /// One JSON object, without the end of the line.
    pub json: Bytes,
}

/// What was said, oldest first.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct History {
    /// The messages.
    pub messages: Vec<Told>,
    /// The position that this goes to.
    pub as_of: Option<String>,
    /// Whether not everything that was asked for did fit.
    pub more: bool,
    /// Whether the newest of it is not stored yet.
    pub behind: bool,
}

/// Why there is no history.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoHistory {
    /// Nobody listens.
    #[error("no ingest is there to answer")]
    Nobody,
    /// Nothing came for long enough.
    #[error("ingest does not answer in time")]
    Silence,
    /// The connection was lost.
    #[error("the connection to nats is lost")]
    Lost,
    /// It cannot answer now.
    #[error("ingest cannot answer: {0}")]
    Refused(String),
    /// What came is no answer.
    #[error("what ingest answers cannot be read")]
    Unreadable,
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default)]
    messages: Vec<&'a RawValue>,
    as_of: Option<String>,
    #[serde(default)]
    more: bool,
    #[serde(default)]
    behind: bool,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Head<'a> {
    id: Uuid,
    #[serde(borrow)]
    workflow_namespace: Cow<'a, str>,
}

/// Asks, and asks again where a replica is busy.
///
/// # Errors
/// When there is no history now.
pub async fn ask(client: &Client, wanted: &Wanted) -> Result<History, NoHistory> {
    let mut tries = 0;
    loop {
        tries += 1;
        match ask_once(client, wanted).await {
            Err(NoHistory::Refused(reason)) if reason == "busy" && tries < TRIES => {
                tokio::time::sleep(PAUSE.mul_f64(1.0 + service::nats::random_fraction())).await;
            }
            answered => return answered,
        }
    }
}

async fn ask_once(client: &Client, wanted: &Wanted) -> Result<History, NoHistory> {
    let request = match wanted {
        Wanted::Last(last) => json!({ "last": last }),
        Wanted::After(cursor) => json!({ "after": cursor, "last": MISSED_AT_ONCE }),
    };
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await.map_err(|_| NoHistory::Lost)?;
    let asked = client.publish_with_reply(SUBJECT, inbox, request.to_string().into()).await;
    asked.map_err(|_| NoHistory::Lost)?;
    let (mut history, mut length) = (History::default(), 0);
    loop {
        let answer = tokio::time::timeout(SILENCE, answers.next()).await.map_err(|_| NoHistory::Silence)?;
        let Message { status, payload, .. } = answer.ok_or(NoHistory::Lost)?;
        if status == Some(StatusCode::NO_RESPONDERS) {
            return Err(NoHistory::Nobody);
        }
        if payload.is_empty() {
            return Ok(history);
        }
        length += payload.len();
        if length > LONGEST {
            return Err(NoHistory::Unreadable);
        }
        history.add(&payload)?;
    }
}

impl History {
    /// Adds one answer.
    fn add(&mut self, payload: &Bytes) -> Result<(), NoHistory> {
        let unreadable = |_| NoHistory::Unreadable;
        let answer: Answer<'_> = serde_json::from_slice(payload).map_err(unreadable)?;
        if let Some(error) = answer.error {
            return Err(NoHistory::Refused(error));
        }
        for message in answer.messages {
            let head: Head<'_> = serde_json::from_str(message.get()).map_err(unreadable)?;
            let json = payload.slice_ref(message.get().as_bytes());
            self.messages.push(Told { id: head.id, namespace: head.workflow_namespace.into_owned(), json });
        }
        self.as_of = answer.as_of;
        self.more = answer.more;
        self.behind = answer.behind;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
