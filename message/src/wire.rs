//! The JSON that is published: schema version 1, absent fields left out.

use serde::Serialize;

use crate::decimal::Decimal;
use crate::{Message, SCHEMA_VERSION, Source, Timestamp};

/// The published form of a source range; also what the column `source` and the API hold.
#[derive(Serialize)]
pub struct WireSource<'a> {
    pod_uid: &'a str,
    label: &'a str,
    generation: u64,
    start: u64,
    end: u64,
    part: u32,
}

impl<'a> From<&'a Source> for WireSource<'a> {
    fn from(source: &'a Source) -> Self {
        let Source { pod_uid, label, generation, start, end, part } = source;
        Self { pod_uid, label, generation: *generation, start: *start, end: *end, part: *part }
    }
}

/// The body to publish.
#[must_use]
pub fn to_json(message: &Message) -> Vec<u8> {
    let content = message.content.as_deref().map_or(0, str::len);
    let mut json = Vec::with_capacity(content + content / 16 + BODY_SIZE);
    BodyTemplate::of(message).write(message, &mut json);
    json
}

/// What the bodies of all messages of one container in one source have in common, written once for all of them: whose they
/// are, and all of the source but the range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyTemplate {
    common: Vec<u8>,
}

impl BodyTemplate {
    /// The template of this message and of all that have the same run, step, pod, container, attempt and source, whatever
    /// their range.
    #[must_use]
    pub fn of(message: &Message) -> Self {
        let mut common = Vec::new();
        let mut body = Writer { json: &mut common };
        body.text("workflow_namespace", &message.run.namespace);
        body.text("workflow_name", &message.run.name);
        body.text("workflow_uid", &message.run.uid);
        body.optional("run_id", message.run_id.as_deref());
        body.optional("step_id", message.step_id.as_deref());
        body.optional("pod", message.pod.as_deref());
        body.optional("container", message.container.as_deref());
        if let Some(attempt) = message.attempt {
            body.number("attempt", u64::from(attempt));
        }
        if let Some(Source { pod_uid, label, generation, start: _, end: _, part: _ }) = &message.source {
            body.open("source");
            body.text("pod_uid", pod_uid);
            body.text("label", label);
            body.number("generation", *generation);
        }
        Self { common }
    }

    /// Writes the body of a message that this is the template of.
    pub fn write(&self, message: &Message, json: &mut Vec<u8>) {
        let mut body = Writer { json };
        body.json.push(b'{');
        body.number("v", SCHEMA_VERSION);
        body.plain("id", message.id.hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()));
        body.json.extend_from_slice(&self.common);
        if let Some(source) = &message.source {
            body.range(source);
        }
        body.text("agent_id", &message.agent_id);
        body.plain("role", message.role.as_str());
        body.optional("stage", message.stage.as_deref());
        body.text("kind", message.kind.as_str());
        body.timestamp("timestamp", message.timestamp);
        if let Some(seq) = message.seq {
            body.number("seq", seq);
        }
        body.optional("channel", message.channel.as_deref());
        body.optional("content", message.content.as_deref());
        if let Some(tool) = &message.tool {
            body.value("tool", &tool.0);
        }
        if !message.attrs.is_empty() {
            body.value("attrs", &message.attrs);
        }
        body.optional("runtime", message.runtime.as_deref());
        body.json.push(b'}');
    }
}

/// What a body needs beside its content, in most cases.
const BODY_SIZE: usize = 1024;

/// Writes the members of an object. By hand, because it is done for every line of every log, and most texts need no escape.
struct Writer<'a> {
    json: &'a mut Vec<u8>,
}

impl Writer<'_> {
    fn key(&mut self, key: &'static str) {
        if self.json.last() != Some(&b'{') {
            self.json.push(b',');
        }
        self.json.push(b'"');
        self.json.extend_from_slice(key.as_bytes());
        self.json.extend_from_slice(b"\":");
    }

    /// A text that has nothing to escape.
    fn plain(&mut self, key: &'static str, text: &str) {
        self.bytes(key, text.as_bytes());
    }

    fn bytes(&mut self, key: &'static str, bytes: &[u8]) {
        self.key(key);
        self.json.push(b'"');
        self.json.extend_from_slice(bytes);
        self.json.push(b'"');
    }

    fn text(&mut self, key: &'static str, text: &str) {
        // Without branches, so that many bytes are looked at at once.
        let escapes = |byte: u8| u8::from(byte < 0x20) | u8::from(byte == b'"') | u8::from(byte == b'\\');
        if text.bytes().fold(0, |any, byte| any | escapes(byte)) != 0 {
            self.value(key, text);
        } else {
            self.plain(key, text);
        }
    }

    fn optional(&mut self, key: &'static str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(key, text);
        }
    }

    fn number(&mut self, key: &'static str, number: u64) {
        self.key(key);
        self.json.extend_from_slice(Decimal::of(number).as_bytes());
    }

    /// The beginning of an object.
    fn open(&mut self, key: &'static str) {
        self.key(key);
        self.json.push(b'{');
    }

    /// The rest of a source that the template has begun; together they are what [`WireSource`] makes of it.
    fn range(&mut self, source: &Source) {
        for (key, number) in [("start", source.start), ("end", source.end), ("part", u64::from(source.part))] {
            self.number(key, number);
        }
        self.json.push(b'}');
    }

    fn timestamp(&mut self, key: &'static str, timestamp: Timestamp) {
        match timestamp.digits() {
            Some(digits) => self.bytes(key, &digits),
            None => self.plain(key, &timestamp.to_string()),
        }
    }

    fn value<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) {
        self.key(key);
        #[expect(clippy::expect_used, reason = "texts and JSON values with text keys always serialise into memory")]
        serde_json::to_writer(&mut *self.json, value).expect("a message serialises");
    }
}

/// The subject to publish to: a message for the shared channel goes there and nowhere else.
#[must_use]
pub fn subject(message: &Message) -> String {
    if message.is_general() {
        crate::subject::of_general(&message.run, &message.agent_id, message.kind.as_str())
    } else {
        crate::subject::of_run(&message.run, &message.agent_id, message.kind.as_str())
    }
}

#[cfg(test)]
mod tests;
