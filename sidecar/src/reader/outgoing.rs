//! What the reader gives out: messages as they are published, and what is to happen between them.

use std::collections::VecDeque;
use std::sync::Arc;

use async_nats::Subject;
use bytes::Bytes;
use message::{Kind, Message, Source, wire};
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
    /// Whom it speaks for, to tell of it if it can never be sent.
    pub speaker: Arc<Speaker>,
    /// Offset of the first byte that it was made from.
    pub start: u64,
    /// Offset after the last one.
    pub end: u64,
    /// Message id.
    pub id: Uuid,
    /// Where to.
    pub subject: Subject,
    /// Body.
    pub payload: Bytes,
    /// Whether it may have been sent before this process started.
    pub resend: bool,
    /// The place to go on from once it is acknowledged; only on the last message of a line.
    pub then: Option<Place>,
}

/// A container in one life of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Speaker {
    /// The source: the positions are those of its first message.
    pub source: Source,
    /// The container, where there is one.
    pub container: Option<String>,
}

impl Outgoing {
    /// Its source, with the bytes that it was made from.
    #[must_use]
    pub fn range(&self) -> Source {
        Source { start: self.start, end: self.end, part: 0, ..self.speaker.source.clone() }
    }

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

/// Whether bytes of a message were there when this process started.
fn was_there(message: &Message, resend_below: u64) -> bool {
    message.source.as_ref().is_some_and(|source| source.start < resend_below || source.end <= resend_below)
}

/// A message as it is published. Every message of ours has a source.
pub fn outgoing(source: Option<SourceKey>, message: Message, resend: bool, then: Option<Place>) -> Option<Outgoing> {
    let (subject, payload) = (wire::subject(&message).into(), wire::to_json(&message).into());
    let Message { id, container, source: Some(range), .. } = message else { return None };
    let (start, end) = (range.start, range.end);
    let speaker = Arc::new(Speaker { source: range, container });
    Some(Outgoing { source, speaker, start, end, id, subject, payload, resend, then })
}

/// Makes what is published of the messages of lines. What those of one source have in common is made once, as long as no
/// other speaks.
#[derive(Debug, Default)]
pub struct Press {
    common: Option<Common>,
    /// Where a body is written; it is copied from here at its length.
    body: Vec<u8>,
}

/// What messages have in common.
#[derive(Debug)]
struct Common {
    key: SourceKey,
    speaker: Arc<Speaker>,
    template: wire::BodyTemplate,
    subject: Subject,
    /// What the subject was made of, beside the run.
    agent_id: String,
    kind: Kind,
    is_general: bool,
}

/// A body that was longer than this does not keep its memory.
const BODY_LIMIT: usize = 16 * 1024;

impl Press {
    /// A message of a line as it is published.
    pub fn outgoing(&mut self, key: SourceKey, message: &Message, resend_below: u64) -> Option<Outgoing> {
        let source = message.source.as_ref()?;
        let is_of = |common: &&mut Common| common.key == key && common.speaker.container == message.container;
        let common = match self.common.as_mut().filter(is_of) {
            Some(common) => common,
            None => self.common.insert(Common::of(key, source.clone(), message)),
        };
        common.address(message);
        self.body.clear();
        common.template.write(message, &mut self.body);
        let payload = Bytes::copy_from_slice(&self.body);
        if self.body.capacity() > BODY_LIMIT {
            self.body = Vec::new();
        }
        Some(Outgoing {
            source: Some(key),
            speaker: Arc::clone(&common.speaker),
            start: source.start,
            end: source.end,
            id: message.id,
            subject: common.subject.clone(),
            payload,
            resend: was_there(message, resend_below),
            then: None,
        })
    }
}

impl Common {
    fn of(key: SourceKey, source: Source, message: &Message) -> Self {
        Self {
            key,
            speaker: Arc::new(Speaker { source, container: message.container.clone() }),
            template: wire::BodyTemplate::of(message),
            subject: wire::subject(message).into(),
            agent_id: message.agent_id.clone(),
            kind: message.kind.clone(),
            is_general: message.is_general(),
        }
    }

    /// Makes the subject again where the message goes elsewhere than the one before.
    fn address(&mut self, message: &Message) {
        let is_general = message.is_general();
        if self.kind != message.kind || self.agent_id != message.agent_id || self.is_general != is_general {
            self.subject = wire::subject(message).into();
            message.agent_id.clone_into(&mut self.agent_id);
            self.kind = message.kind.clone();
            self.is_general = is_general;
        }
    }
}
