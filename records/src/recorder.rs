//! The lines of one source into its messages: parse, redact, split, number, id, in this order. So no size, number or id
//! depends on a secret's bytes being there, and nothing is sent unredacted.
//!
//! A message made while a line is read has that line's range, also where it says what earlier lines held (joined pieces of
//! an answer). Only lines of text that are one message have the range of all of them. What is held is in the state: reading
//! again from any line's start with the state before it makes the same messages, with the same ids.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use message::{Kind, Message, PodIdentity, Role, Source, Timestamp, UNKNOWN, id};
use serde::{Deserialize, Serialize};
use serde_json::Map;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::draft::{Draft, Span};
use crate::parse::{self, Origin, ParserState};
use crate::redact::{Redactions, Redactor};
use crate::rules::Rules;
use crate::{Line, clean, split};

/// What is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceIdentity {
    /// Container and path as first seen; `spool` for the socket.
    pub label: String,
    /// Which life of the source.
    pub generation: u64,
    /// Container that writes it, where all of it comes from one.
    pub container: Option<String>,
}

/// What the checkpoint keeps of a recorder. It belongs to the offset after the last recorded line, as its own versioned
/// form: read with serde, an unknown version is an error.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecorderState {
    /// Version of this form.
    #[serde(default)]
    version: StateVersion,
    /// Number of the last message; 0 before the first.
    pub seq: u64,
    /// What the parser remembers.
    #[serde(default)]
    parser: Arc<ParserState>,
}

/// The one version there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
enum StateVersion {
    #[default]
    #[serde(rename = "1")]
    One,
}

/// What a recorder has seen, for metrics and for the record at the source's end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Lines, blank ones included.
    pub lines: u64,
    /// Lines that mean nothing.
    pub blank: u64,
    /// Messages made.
    pub messages: u64,
    /// Lines in which something could not be read as meant.
    pub parse_errors: u64,
    /// Lines with bytes that are no UTF-8.
    pub invalid_utf8: u64,
    /// Lines longer than the limit.
    pub cut: u64,
    /// Messages larger than the limit, before they were split.
    pub split: u64,
    /// Secrets replaced, by pattern name.
    pub redactions: Redactions,
}

impl Counts {
    /// Adds what another recorder has seen.
    pub fn add(&mut self, other: &Self) {
        let Self { lines, blank, messages, parse_errors, invalid_utf8, cut, split, redactions } = other;
        self.lines += lines;
        self.blank += blank;
        self.messages += messages;
        self.parse_errors += parse_errors;
        self.invalid_utf8 += invalid_utf8;
        self.cut += cut;
        self.split += split;
        for (name, count) in redactions {
            *self.redactions.entry(name.clone()).or_default() += count;
        }
    }
}

/// Turns the lines of one source into messages.
#[derive(Debug)]
pub struct Recorder {
    pod: Arc<PodIdentity>,
    source: SourceIdentity,
    redactor: Arc<Redactor>,
    rules: Arc<Rules>,
    state: RecorderState,
    counts: Counts,
    /// The message that is lent out: whose it is, is filled in once and not for each line.
    lent: Message,
}

impl Recorder {
    /// A recorder that goes on from a state; a new source's is the default.
    #[must_use]
    pub fn new(pod: Arc<PodIdentity>, source: SourceIdentity, redactor: Arc<Redactor>, state: RecorderState) -> Self {
        let lent = blank(&pod, &source);
        Self { pod, source, redactor, rules: Arc::default(), state, counts: Counts::default(), lent }
    }

    /// The same recorder with rules for text.
    #[must_use]
    pub fn with_rules(self, rules: Arc<Rules>) -> Self {
        Self { rules, ..self }
    }

    /// What the checkpoint keeps, for the offset after the last recorded line. Text that is held is part of it. Cheap.
    #[must_use]
    pub fn state(&self) -> RecorderState {
        self.state.clone()
    }

    /// What this recorder has seen since it was made.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The messages of the next line: none, one or several, numbered in order.
    pub fn record(&mut self, line: &Line<'_>, read_at: Timestamp, origin: Origin<'_>) -> Vec<Message> {
        let mut messages = Vec::new();
        self.record_each(line, read_at, origin, &mut |message| messages.push(message.clone()));
        messages
    }

    /// The same, lent one after the other: most lines are one message, which is written down at once and needs no memory of
    /// its own.
    pub fn record_each(&mut self, line: &Line<'_>, read_at: Timestamp, origin: Origin<'_>, each: &mut dyn FnMut(&Message)) {
        let (drafts, notes) = parse::parse(&mut self.state.parser, &self.rules, line, read_at, origin);
        self.counts.lines += 1;
        self.counts.blank += u64::from(notes.blank);
        self.counts.parse_errors += u64::from(notes.parse_error);
        self.counts.invalid_utf8 += u64::from(notes.invalid_utf8);
        self.counts.cut += u64::from(line.cut);
        self.messages(drafts, line, read_at, origin, each);
    }

    /// Since when lines are held that may be the whole of a message: their next line came last at this time. Nothing where
    /// none are held, and for pieces of an answer, which the program itself ends.
    #[must_use]
    pub fn held_since(&self) -> Option<Timestamp> {
        self.state.parser.held_since()
    }

    /// How long lines may be held. When that has passed since [`Recorder::held_since`] (or that lies in the future, because a
    /// clock was set back) and the source has nothing more, [`Recorder::finish`] gives them out.
    #[must_use]
    pub fn hold_limit(&self) -> Duration {
        self.rules.wait()
    }

    /// What the parser still holds when nothing more will come, or nothing came for long: lines that are one message, and an
    /// answer whose pieces were being joined. The bytes do not decide this: `position`, the offset after the last recorded
    /// line, is to be in the checkpoint as a cut before these are sent, and reading again must call this there.
    pub fn finish(&mut self, position: u64, read_at: Timestamp) -> Vec<Message> {
        let drafts = parse::finish(&mut self.state.parser, &self.rules);
        let line = Line { start: position, end: position, bytes: &[], cut: false, terminated: false };
        let mut messages = Vec::new();
        self.messages(drafts, &line, read_at, Origin::File, &mut |message| messages.push(message.clone()));
        messages
    }

    fn messages(
        &mut self,
        drafts: Vec<Draft>,
        line: &Line<'_>,
        read_at: Timestamp,
        origin: Origin<'_>,
        each: &mut dyn FnMut(&Message),
    ) {
        let mut parts = 0;
        for mut draft in drafts {
            clean::draft(&mut draft);
            self.redactor.draft(&mut draft, &mut self.counts.redactions);
            let span = draft.span.take();
            // Lines that are one message are a range of their own.
            let mut range = span.as_deref().map_or_else(
                || Range {
                    bytes: line.bytes,
                    start: line.start,
                    end: line.end,
                    container: origin.container(),
                    part: parts,
                    read_at,
                },
                |span| Range::of_span(span, read_at),
            );
            if split::is_too_large(&draft) {
                self.counts.split += 1;
                for (index, piece) in split::split(draft).into_iter().enumerate() {
                    self.lend(piece, index, &range, each);
                    range.part += 1;
                }
            } else {
                self.lend(draft, 0, &range, each);
                range.part += 1;
            }
            if span.is_none() {
                parts = range.part;
            }
        }
    }

    /// Numbers a message, gives it its identity and lends it out.
    fn lend(&mut self, draft: Draft, piece: usize, range: &Range<'_>, each: &mut dyn FnMut(&Message)) {
        self.state.seq += 1;
        self.counts.messages += 1;
        let (pod, message) = (&self.pod, &mut self.lent);
        let container = range.container.or(self.source.container.as_deref());
        let agent = draft.agent_id.as_deref().or_else(|| named(pod.agent_id.as_deref()));
        let agent = agent.or_else(|| named(draft.program_agent)).or_else(|| named(container)).unwrap_or("agent");
        let stage = draft.stage.as_deref().or_else(|| pod.stage.as_deref().filter(|stage| !stage.is_empty()));
        let channel = || named(pod.channel.as_deref()).filter(|channel| *channel != "run");
        if let Some(source) = &mut message.source {
            (source.start, source.end, source.part) = (range.start, range.end, range.part);
            message.id = id_of(source, draft.own_id.as_deref(), piece, range.bytes);
        }
        set(&mut message.container, container);
        if message.agent_id != agent {
            agent.clone_into(&mut message.agent_id);
        }
        message.role = draft.role.unwrap_or_else(|| draft.kind.default_role());
        set(&mut message.stage, stage);
        message.kind = draft.kind;
        message.timestamp = draft.timestamp.unwrap_or(range.read_at);
        message.seq = Some(self.state.seq);
        set(&mut message.channel, draft.channel.as_deref().or_else(channel));
        (message.content, message.tool, message.attrs) = (draft.content, draft.tool, draft.attrs);
        each(message);
        // What was said is not kept in memory until something else is.
        (message.content, message.tool, message.attrs) = (None, None, Map::new());
    }
}

/// A message of this source that says nothing yet.
fn blank(pod: &PodIdentity, source: &SourceIdentity) -> Message {
    let SourceIdentity { label, generation, container } = source.clone();
    Message {
        id: Uuid::nil(),
        run: pod.run.clone(),
        run_id: pod.run_id.clone(),
        step_id: pod.step_id.clone(),
        pod: pod.pod.clone(),
        container,
        attempt: pod.attempt,
        source: Some(Source { pod_uid: pod.pod_uid.clone(), label, generation, start: 0, end: 0, part: 0 }),
        agent_id: String::new(),
        role: Role::Assistant,
        stage: None,
        kind: Kind::message(),
        timestamp: Timestamp::new(OffsetDateTime::UNIX_EPOCH),
        seq: None,
        channel: None,
        content: None,
        tool: None,
        attrs: Map::new(),
        runtime: pod.runtime.clone(),
    }
}

/// Most messages say the same here as the one before.
fn set(field: &mut Option<String>, text: Option<&str>) {
    if field.as_deref() != text {
        *field = text.map(ToOwned::to_owned);
    }
}

/// The bytes that messages are made from.
struct Range<'a> {
    start: u64,
    end: u64,
    bytes: &'a [u8],
    container: Option<&'a str>,
    /// Of the next message.
    part: u32,
    read_at: Timestamp,
}

impl<'a> Range<'a> {
    fn of_span(span: &'a Span, read_at: Timestamp) -> Self {
        let Span { start, end, bytes, container, .. } = span;
        Self { start: *start, end: *end, bytes, container: container.as_deref(), part: 0, read_at }
    }
}

/// A step's own id makes the id, so that a record sent twice is one; the pieces after the first have a number as well,
/// behind a byte that no text of a message can hold.
fn id_of(source: &Source, own_id: Option<&str>, piece: usize, bytes: &[u8]) -> Uuid {
    let Some(own_id) = own_id else {
        return id::of_bytes(source, bytes);
    };
    let own_id = if piece == 0 { Cow::Borrowed(own_id) } else { Cow::Owned(format!("{own_id}\0{piece}")) };
    id::of_step(&source.pod_uid, &own_id)
}

/// A name that names something.
fn named(name: Option<&str>) -> Option<&str> {
    name.filter(|name| !name.is_empty() && *name != UNKNOWN)
}

#[cfg(test)]
mod tests;
