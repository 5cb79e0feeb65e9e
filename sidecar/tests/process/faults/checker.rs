//! The one checker: reads the stream as ingest does and compares it with what was said.

use std::collections::{BTreeMap, HashSet};

use async_nats::jetstream::{self, consumer};
use futures_util::StreamExt as _;
use message::RESEND_HEADER;
use serde_json::Value;

use super::writer::Said;
use crate::world::World;

/// A message that a step said.
#[derive(Debug, Clone)]
pub struct Published {
    pub id: String,
    pub resend: bool,
    pub content: String,
    pub source: (String, u64),
    pub start: u64,
    pub seq: u64,
}

/// How many messages may stand after later ones of their source.
#[derive(Debug, Clone, Copy)]
pub enum Late {
    /// As many as the sidecar counted: a copy that the stream no longer knew counts, though the first was in time.
    AtMost(u64),
}

/// Everything that steps said, in the order of the stream, copies too.
pub async fn published(world: &World) -> Vec<Published> {
    let context = jetstream::new(world.nats.admin().connect().await.unwrap());
    let stream = context.get_stream("agent-comms").await.unwrap();
    let count = stream.get_info().await.unwrap().state.messages;
    let consumer = stream.create_consumer(consumer::pull::OrderedConfig::default()).await.unwrap();
    let mut messages = consumer.messages().await.unwrap();
    let mut published = Vec::new();
    for _ in 0..count {
        let message = messages.next().await.unwrap().unwrap();
        let body: Value = serde_json::from_slice(&message.payload).unwrap();
        if matches!(body["kind"].as_str(), Some("source-end" | "step-end" | "gap")) {
            continue;
        }
        let (text, source) = (|field: &str| body[field].as_str().unwrap_or_default().to_owned(), &body["source"]);
        let number = |value: &Value| value.as_u64().unwrap();
        published.push(Published {
            id: text("id"),
            resend: message.headers.as_ref().is_some_and(|headers| headers.get(RESEND_HEADER).is_some()),
            content: text("content"),
            source: (source["label"].as_str().unwrap().to_owned(), number(&source["generation"])),
            start: number(&source["start"]),
            seq: number(&body["seq"]),
        });
    }
    published
}

/// Checks that everything said is there once, numbered without a hole in the order of its bytes, and in the stream in that
/// order but for what is late. Gives how many marked copies there are beside.
pub async fn check(world: &World, said: &Said, Late::AtMost(late): Late) -> usize {
    let published = published(world).await;
    let mut ids = HashSet::new();
    let mut sources: BTreeMap<(String, u64), Vec<Published>> = BTreeMap::new();
    let mut copies = 0;
    for message in published {
        if ids.insert(message.id.clone()) {
            sources.entry(message.source.clone()).or_default().push(message);
        } else {
            // Only what is marked is looked up where it is stored, and so stored once.
            assert!(message.resend, "a copy is not marked: {message:?}");
            copies += 1;
        }
    }
    let contents: Vec<&str> = sources.values().flatten().map(|message| message.content.as_str()).collect();
    let different: HashSet<&str> = contents.iter().copied().collect();
    assert_eq!(different.len(), contents.len(), "something was said twice");
    assert_eq!(contents.len() as u64, said.count());
    for (kind, count) in [("file", said.file), ("socket", said.socket)] {
        let missing = (0..count).find(|number| !different.contains(format!("{kind} {number}").as_str()));
        assert_eq!(missing, None, "missing of {kind}");
    }
    let mut out_of_order = 0;
    for (source, messages) in sources {
        let mut highest = 0;
        for message in &messages {
            out_of_order += u64::from(message.seq < highest);
            highest = highest.max(message.seq);
        }
        let mut by_seq = messages;
        by_seq.sort_by_key(|message| message.seq);
        for (index, message) in by_seq.iter().enumerate() {
            assert_eq!(message.seq, index as u64 + 1, "{source:?}");
        }
        assert!(by_seq.is_sorted_by_key(|message| message.start), "{source:?}: numbers do not follow the bytes");
    }
    assert!(out_of_order <= late, "{out_of_order} messages are late, the sidecar counted {late}");
    copies
}
