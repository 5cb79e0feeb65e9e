//! What the reader gives out: messages as they are published, and what is to happen between them.

use std::collections::VecDeque;

use bytes::Bytes;
use message::{Kind, Message, wire};
use uuid::Uuid;

use crate::checkpoint::Place;
use crate::ledger::SourceKey;

/// What comes next.
#[derive(Debug)]
pub enum Next {
    /// A message to publish.
    Message(Outgoing),
    /// Nothing to publish, but everything before this place is done with.
    Moved(SourceKey, Place),
    /// Nothing more will come of this source, and it will not be read again.
    Closed(SourceKey),
    /// What the ledger says now must be on disk before anything after this is sent: where a message ends, or which
    /// generation a file is, is not decided by bytes that can be read again.
    Sync,
    /// Once everything before is stored, a container's end was told.
    Told(String),
}

/// A message to publish.
#[derive(Debug)]
pub struct Outgoing {
    /// Where it came from; control records about no source have none.
    pub source: Option<SourceKey>,
    /// Label and byte range, for logs and gaps.
    pub range: message::Source,
    /// Message id.
    pub id: Uuid,
    /// Where to.
    pub subject: String,
    /// Body.
    pub payload: Bytes,
    /// Whether it may have been sent before this process started.
    pub resend: bool,
    /// The place to go on from once it is acknowledged; only on the last message of a line.
    pub then: Option<Place>,
    /// Who it speaks for, to tell of it if it can never be sent.
    pub container: Option<String>,
}

impl Outgoing {
    /// Whether it tells of the end of a source or of a container, and of nothing that a step said.
    #[must_use]
    pub fn is_of_the_end(&self) -> bool {
        [Kind::SOURCE_END, Kind::STEP_END].contains(&self.kind())
    }

    /// Whether it tells that something may have been lost.
    #[must_use]
    pub fn is_gap(&self) -> bool {
        self.kind() == Kind::GAP
    }

    /// Whether a step said it: it has a number in its source then.
    #[must_use]
    pub fn is_said(&self) -> bool {
        !self.is_of_the_end() && !self.is_gap()
    }

    /// The kind of one that is of a run and of nothing else, as everything that we say ourselves is.
    fn kind(&self) -> &str {
        self.subject.rsplit('.').next().unwrap_or_default()
    }
}

/// The messages of one line, as they are published. One that an earlier line began may have been sent before although the
/// line was not.
pub fn publish_line(key: SourceKey, messages: Vec<Message>, place: &Place, resend_below: u64, made: &mut VecDeque<Next>) {
    let last = messages.len().saturating_sub(1);
    for (index, message) in messages.into_iter().enumerate() {
        let then = (index == last).then(|| place.clone());
        let resend = was_there(&message, resend_below);
        made.extend(outgoing(Some(key), message, resend, then).map(Next::Message));
    }
}

/// Messages of a line after which there is no place to go on from.
pub fn publish_part(key: SourceKey, messages: Vec<Message>, resend_below: u64, made: &mut VecDeque<Next>) {
    for message in messages {
        let resend = was_there(&message, resend_below);
        made.extend(outgoing(Some(key), message, resend, None).map(Next::Message));
    }
}

/// Whether bytes of a message were there when this process started.
fn was_there(message: &Message, resend_below: u64) -> bool {
    message.source.as_ref().is_some_and(|source| source.start < resend_below || source.end <= resend_below)
}

/// A message as it is published. Every message of ours has a source.
pub fn outgoing(source: Option<SourceKey>, message: Message, resend: bool, then: Option<Place>) -> Option<Outgoing> {
    Some(Outgoing {
        source,
        id: message.id,
        subject: wire::subject(&message),
        payload: wire::to_json(&message).into(),
        resend,
        then,
        container: message.container,
        range: message.source?,
    })
}
