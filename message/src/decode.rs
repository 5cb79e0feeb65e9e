//! A stored NATS message into a [`Message`], whoever published it.
//!
//! The subject decides whose message it is: the server lets a publisher speak only under its own namespace, so a body
//! that names another run is not believed, it is refused. What cannot be read is an error that keeps nothing back: the
//! caller stores the bytes as a dead letter.

use serde_json::{Map, Value};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::body::{Body, STATUS_UPDATE};
use crate::identity::names_nothing;
use crate::subject::{RunTokens, Token};
use crate::{GENERAL_CHANNEL, Kind, Message, RunIdentity, SCHEMA_VERSION, Subject, Timestamp, UNKNOWN, id};

/// A message as the stream hands it out.
#[derive(Debug, Clone, Copy)]
pub struct Received<'a> {
    /// Subject it was published to.
    pub subject: &'a str,
    /// Body.
    pub payload: &'a [u8],
    /// When the stream stored it.
    pub stored_at: OffsetDateTime,
    /// Its sequence in the stream.
    pub sequence: u64,
}

/// A message that could be read.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// The message.
    pub message: Message,
    /// Where it is shown.
    pub placement: Placement,
}

/// Where a message is shown, as its subject says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// On its run's page.
    Run,
    /// On its run's page and in the shared channel.
    General,
    /// In the shared channel only; the run it claims is a claim.
    UnverifiedGeneral,
}

/// Why a message could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The subject has none of the known forms.
    #[error("subject `{0}` has none of the forms of a workflow's message")]
    Subject(String),
    /// The body is no JSON.
    #[error("body is no JSON")]
    Json(#[source] serde_json::Error),
    /// The body is JSON, but no object.
    #[error("body is JSON, but no object")]
    NotAnObject,
    /// The body is an answer of the stream to a publisher who asked for it on this subject: the server lets anybody name any
    /// subject for answers, and nobody has said it.
    #[error("body is the stream's answer to a publisher, sent here as that publisher asked; nobody has said it")]
    Answer,
    /// The body has neither content nor tool.
    #[error("body has neither content nor tool")]
    Empty,
    /// The body names another run than the subject.
    #[error("body names {field} `{claimed}`, its subject `{subject}`")]
    Identity {
        /// Which name.
        field: &'static str,
        /// What the body says.
        claimed: String,
        /// What the subject says.
        subject: String,
    },
}

impl DecodeError {
    /// A word for metrics and for the column `class` of dead letters.
    #[must_use]
    pub fn class(&self) -> &'static str {
        match self {
            Self::Subject(_) => "subject",
            Self::Json(_) | Self::NotAnObject => "decode",
            Self::Empty => "schema",
            Self::Identity { .. } | Self::Answer => "identity",
        }
    }
}

/// Reads a message.
///
/// # Errors
/// See [`DecodeError`]; each of them means a dead letter.
pub fn decode(received: &Received<'_>) -> Result<Decoded, DecodeError> {
    let subject = Subject::parse(received.subject).ok_or_else(|| DecodeError::Subject(received.subject.to_owned()))?;
    let mut body = match Body::read_plain(received.payload) {
        Some(body) => body,
        None => match serde_json::from_slice(received.payload).map_err(DecodeError::Json)? {
            Value::Object(object) if is_answer(&object) => return Err(DecodeError::Answer),
            Value::Object(object) => Body::read(object),
            _ => return Err(DecodeError::NotAnObject),
        },
    };
    let kind = body.kind.take().or_else(|| Kind::new(&subject.kind)).unwrap_or_else(Kind::message);
    let content = match body.content.take() {
        None if kind.as_str() == Kind::STATUS => Some(STATUS_UPDATE.to_owned()),
        content => content,
    };
    if content.is_none() && body.tool.is_none() {
        return Err(DecodeError::Empty);
    }
    let run = run_of(&subject, &mut body)?;
    let placement = match subject {
        Subject { place: crate::subject::Place::Run { .. }, .. } => Placement::Run,
        Subject { place: crate::subject::Place::General { .. }, .. } => Placement::General,
        Subject { place: crate::subject::Place::UnverifiedGeneral, .. } => Placement::UnverifiedGeneral,
    };
    let (id, foreign_id) = id_of(received, &body, placement);
    let agent_id = body.agent_id.take().or_else(|| subject.agent().map(ToOwned::to_owned));
    let message = Message {
        id,
        run,
        run_id: body.run_id,
        step_id: body.step_id,
        pod: body.pod,
        container: body.container,
        attempt: body.attempt,
        source: body.source,
        agent_id: agent_id.unwrap_or_else(|| UNKNOWN.to_owned()),
        role: body.role.unwrap_or_else(|| kind.default_role()),
        stage: body.stage,
        timestamp: body.timestamp.unwrap_or_else(|| Timestamp::new(received.stored_at)),
        seq: body.seq,
        channel: if subject.is_general() { Some(GENERAL_CHANNEL.to_owned()) } else { body.channel },
        content,
        tool: body.tool,
        attrs: attrs_of(received, body.attrs, body.version, foreign_id, placement, &body.problems),
        runtime: Some(body.runtime.unwrap_or_else(|| subject.runtime.to_owned())),
        kind,
    };
    Ok(Decoded { message, placement })
}

/// Whether an object is what a stream answers to a publisher, and nothing else: every key is one of an acknowledgement's.
fn is_answer(object: &Map<String, Value>) -> bool {
    const KEYS: [&str; 9] = ["type", "error", "stream", "seq", "domain", "duplicate", "val", "batch", "count"];
    let is_error = object.get("error").is_some_and(|error| error.get("err_code").is_some());
    let is_stored = object.get("stream").is_some_and(Value::is_string) && object.get("seq").is_some_and(Value::is_number);
    (is_error || is_stored) && object.keys().all(|key| KEYS.contains(&key.as_str()))
}

/// The run: what the body says in full where the subject agrees, else what the subject says.
fn run_of(subject: &Subject<'_>, body: &mut Body) -> Result<RunIdentity, DecodeError> {
    let claimed = [
        ("workflow_namespace", body.workflow_namespace.take()),
        ("workflow_name", body.workflow_name.take()),
        ("workflow_uid", body.workflow_uid.take()),
    ];
    let tokens: [Option<Token<'_>>; 3] = match subject.run() {
        Some(RunTokens { namespace, name, uid }) => [Some(namespace), Some(name), Some(uid)],
        None => [None; 3],
    };
    let mut names = [const { String::new() }; 3];
    for (((field, claimed), token), name) in claimed.into_iter().zip(tokens).zip(&mut names) {
        *name = name_of(field, claimed, token)?;
    }
    let [namespace, name, uid] = names;
    Ok(RunIdentity { namespace, name, uid })
}

fn name_of(field: &'static str, claimed: Option<String>, token: Option<Token<'_>>) -> Result<String, DecodeError> {
    let claimed = claimed.filter(|name| !names_nothing(name));
    let Some(token) = token else {
        return Ok(claimed.unwrap_or_else(|| UNKNOWN.to_owned()));
    };
    let text = token.text();
    match claimed {
        Some(claimed) if token.agrees_with(&claimed) => Ok(claimed),
        Some(claimed) => Err(DecodeError::Identity { field, claimed, subject: text.into_owned() }),
        None if names_nothing(&text) => Ok(UNKNOWN.to_owned()),
        None => Ok(text.into_owned()),
    }
}

/// The id, and the publisher's own where that could not be taken as it is.
fn id_of(received: &Received<'_>, body: &Body, placement: Placement) -> (Uuid, Option<String>) {
    let Some(own) = &body.id else {
        return (id::of_stored(received.subject, received.stored_at.unix_timestamp_nanos(), received.sequence), None);
    };
    // Anybody may publish the short form under any id: were it believed, it could take the place of another's message.
    let believed = body.version == Some(SCHEMA_VERSION) && placement != Placement::UnverifiedGeneral;
    match id::parse_own(own).filter(|_| believed) {
        Some(id) => (id, None),
        None => (id::of_foreign(received.subject, own), Some(own.clone())),
    }
}

fn attrs_of(
    received: &Received<'_>,
    mut attrs: Map<String, Value>,
    version: Option<u64>,
    foreign_id: Option<String>,
    placement: Placement,
    problems: &[String],
) -> Map<String, Value> {
    if let Some(id) = foreign_id {
        attrs.insert("message_id".to_owned(), id.into());
    }
    if version != Some(SCHEMA_VERSION) {
        attrs.insert("nats_subject".to_owned(), received.subject.into());
    }
    if placement == Placement::UnverifiedGeneral {
        attrs.insert("unverified".to_owned(), true.into());
    }
    if !problems.is_empty() {
        attrs.insert("parse_error".to_owned(), problems.join("; ").into());
    }
    attrs
}

#[cfg(test)]
mod tests;
