//! The JSON that is published: schema version 1, absent fields left out.

use serde::Serialize;

use crate::decimal::Decimal;
use crate::{Message, SCHEMA_VERSION, Source};

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
    let mut body = Writer { json: Vec::with_capacity(content + content / 16 + BODY_SIZE) };
    body.json.push(b'{');
    body.number("v", SCHEMA_VERSION);
    body.plain("id", message.id.hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()));
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
    if let Some(source) = &message.source {
        body.source(source);
    }
    body.text("agent_id", &message.agent_id);
    body.plain("role", message.role.as_str());
    body.optional("stage", message.stage.as_deref());
    body.text("kind", message.kind.as_str());
    body.plain("timestamp", &message.timestamp.to_string());
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
    body.json
}

/// What a body needs beside its content, in most cases.
const BODY_SIZE: usize = 1024;

/// Writes the members of an object. By hand, because it is done for every line of every log, and most texts need no escape.
struct Writer {
    json: Vec<u8>,
}

impl Writer {
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
        self.key(key);
        self.json.push(b'"');
        self.json.extend_from_slice(text.as_bytes());
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

    /// The same as [`WireSource`] makes of it.
    fn source(&mut self, source: &Source) {
        let Source { pod_uid, label, generation, start, end, part } = source;
        self.key("source");
        self.json.push(b'{');
        self.text("pod_uid", pod_uid);
        self.text("label", label);
        for (key, number) in [("generation", *generation), ("start", *start), ("end", *end), ("part", u64::from(*part))] {
            self.number(key, number);
        }
        self.json.push(b'}');
    }

    fn value<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) {
        self.key(key);
        #[expect(clippy::expect_used, reason = "texts and JSON values with text keys always serialise into memory")]
        serde_json::to_writer(&mut self.json, value).expect("a message serialises");
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
