//! Reads the stream from its first message on, as it grows, so that what it discards later is known too.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use futures_util::StreamExt as _;
use message::RESEND_HEADER;
use neighbours::nats::Credentials;
use serde_json::Value;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use crate::publishers::hash;
use crate::world::{stream, until};

/// How long nothing may come before reading begins anew.
const SILENCE: Duration = Duration::from_secs(3);
/// How much of a text is compared, beside its length: each begins with a number of its own.
pub const COMPARED: usize = 100;

/// A message of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    pub sequence: u64,
    /// Of the body.
    pub hash: u64,
    /// Whether it says that it may have been sent before.
    pub marked: bool,
    /// Nothing where nobody can read it.
    pub message: Option<Message>,
}

/// What it says, read as the contract says and not as ingest does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub id: Option<Uuid>,
    pub uid: String,
    pub general: bool,
    /// The beginning and the length of its content.
    pub content: (String, usize),
}

pub struct Witness {
    heard: Arc<Mutex<Vec<Heard>>>,
    _reading: AbortOnDropHandle<()>,
}

impl Witness {
    pub fn start(admin: &Credentials) -> Self {
        let heard = Arc::<Mutex<Vec<Heard>>>::default();
        let reading = AbortOnDropHandle::new(tokio::spawn(follow(admin.clone(), heard.clone())));
        Self { heard, _reading: reading }
    }

    /// Waits until it has heard everything up to here.
    pub async fn until_heard(&self, last: u64) {
        until("the whole stream is heard", async || self.heard.lock().unwrap().len() as u64 >= last).await;
    }

    /// All that there ever was in the stream, in order.
    pub async fn stop(self, last: u64) -> Vec<Heard> {
        self.until_heard(last).await;
        self.heard.lock().unwrap().clone()
    }
}

async fn follow(admin: Credentials, heard: Arc<Mutex<Vec<Heard>>>) {
    loop {
        let next = heard.lock().unwrap().len() as u64 + 1;
        // It ends with the server that it reads from.
        // It breaks off with the server that it reads from.
        drop(read(&admin, next, |message| heard.lock().unwrap().push(message)).await);
    }
}

/// Everything that the stream holds now, from a sequence on.
pub async fn read_whole(admin: &Credentials) -> Vec<Heard> {
    let state = stream(admin).await.cached_info().state.clone();
    let mut held: Vec<Heard> = Vec::new();
    while held.last().is_none_or(|last| last.sequence < state.last_sequence) {
        let next = held.last().map_or(state.first_sequence, |last| last.sequence + 1);
        drop(read(admin, next, |message| held.push(message)).await);
    }
    held
}

/// Reads in order, without a hole, until nothing comes.
async fn read(admin: &Credentials, first: u64, mut take: impl FnMut(Heard)) -> Result<(), async_nats::Error> {
    let config = pull::Config {
        deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: first },
        ack_policy: AckPolicy::None,
        inactive_threshold: Duration::from_secs(30),
        memory_storage: true,
        num_replicas: 1,
        ..pull::Config::default()
    };
    let consumer = stream(admin).await.create_consumer(config).await?;
    let mut messages = consumer.messages().await?;
    let mut next = first;
    while let Ok(Some(message)) = tokio::time::timeout(SILENCE, messages.next()).await {
        let message = message?;
        let sequence = message.info()?.stream_sequence;
        if sequence != next {
            // What was on its way to a connection that broke off is not sent again.
            return Err(format!("{sequence} came in place of {next}").into());
        }
        next += 1;
        let marked = message.headers.as_ref().is_some_and(|headers| headers.get(RESEND_HEADER).is_some());
        take(Heard { sequence, hash: hash(&message.payload), marked, message: parse(&message.subject, &message.payload) });
    }
    Ok(())
}

fn parse(subject: &str, payload: &[u8]) -> Option<Message> {
    let body: Value = serde_json::from_slice(payload).ok()?;
    let body = body.get("message").unwrap_or(&body);
    let words: Vec<&str> = subject.split('.').collect();
    let (uid, general) = if words[1] == "general" { (words[5], true) } else { (words[3], false) };
    let claimed = body["workflow_uid"].as_str();
    if claimed.is_some_and(|claimed| claimed != uid) {
        return None;
    }
    let content = body["content"].as_str().unwrap();
    Some(Message {
        id: body["id"].as_str().map(|id| id.parse().unwrap()),
        uid: uid.to_owned(),
        general,
        content: (content.chars().take(COMPARED).collect(), content.len()),
    })
}
