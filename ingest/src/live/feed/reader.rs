//! Reads the stream from one message on, with a consumer of its own that nobody acknowledges, by requests that are bounded in
//! bytes: however much waits in the stream, little of it is in memory. Each message is numbered by the consumer, so that a
//! missing one is seen.

use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::jetstream::consumer::pull::{self, Batch, BatchError};
use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy};
use async_nats::jetstream::stream::{ConsumerError, Stream};
use async_nats::jetstream::{self, Message};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::time::Instant;

/// What one request brings at most.
const REQUEST_MESSAGES: usize = 256;
const REQUEST_BYTES: usize = 8 << 20;
/// How long the server holds a request. Heartbeats are not asked for: this client's batch does not wake for a message that
/// follows one.
const EXPIRES: Duration = Duration::from_secs(5);
/// A request that the server does not end by then got lost.
const LOST: Duration = Duration::from_secs(7);
/// What is handed on at once at most, one message more: it is decoded and rendered together.
const CHUNK_BYTES: usize = 1 << 20;
/// How long the server keeps the consumer of a replica that is gone.
const INACTIVE: Duration = Duration::from_secs(30);

/// Reading broke off.
#[derive(Debug, thiserror::Error)]
pub(in crate::live) enum ReaderError {
    #[error("no consumer can be made")]
    Consumer(#[source] ConsumerError),
    #[error("messages cannot be asked for")]
    Request(#[source] BatchError),
    #[error("the server ended a request")]
    Ended(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("a message has no place in the stream")]
    Place(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("delivery {delivered} came after delivery {known}")]
    Missing { known: u64, delivered: u64 },
    #[error("a request was not answered")]
    Lost,
    #[error("the connection was made anew")]
    Reconnected,
}

/// One consumer.
pub(in crate::live) struct Reader {
    client: async_nats::Client,
    /// How many connections there were when it began: a request does not outlive its connection.
    connects: u64,
    stream: Stream,
    consumer: Consumer<pull::Config>,
    is_empty: bool,
    /// How many messages the consumer delivered.
    delivered: u64,
    asking: Option<BoxFuture<'static, Result<Batch, BatchError>>>,
    open: Option<Open>,
    /// The next message is larger than all bytes of a request.
    is_oversized: bool,
}

/// A request that was made.
struct Open {
    batch: Batch,
    since: Instant,
    /// How many messages it brought.
    brought: usize,
    /// How it ended, where that is not told yet.
    end: Option<Result<(), ReaderError>>,
}

impl Reader {
    /// Starts at a sequence.
    pub(in crate::live) async fn start(
        jetstream: &jetstream::Context,
        stream: Stream,
        start_sequence: u64,
    ) -> Result<Self, ReaderError> {
        let client = jetstream.client();
        let connects = connects(&client);
        // Named, because ingest may create named consumers only: without a name no permission could spare the durable.
        let unique = client.new_inbox();
        let config = pull::Config {
            name: Some(format!("live-{}", unique.rsplit('.').next().unwrap_or(&unique))),
            description: Some("live view of one replica of ingest".to_owned()),
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence },
            ack_policy: AckPolicy::None,
            inactive_threshold: INACTIVE,
            memory_storage: true,
            num_replicas: 1,
            ..pull::Config::default()
        };
        let consumer = stream.create_consumer(config).await.map_err(ReaderError::Consumer)?;
        let is_empty = consumer.cached_info().num_pending == 0;
        Ok(Self { client, connects, stream, consumer, is_empty, delivered: 0, asking: None, open: None, is_oversized: false })
    }

    /// Whether nothing waited in the stream when it started.
    pub(in crate::live) fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// Whether requests can still be answered.
    pub(in crate::live) fn check_connection(&self) -> Result<(), ReaderError> {
        if connects(&self.client) == self.connects { Ok(()) } else { Err(ReaderError::Reconnected) }
    }

    /// The next messages, at least one. Nothing is lost when the future is dropped.
    pub(in crate::live) async fn next(&mut self) -> Result<Vec<Message>, ReaderError> {
        loop {
            let Some(open) = &mut self.open else {
                self.ask().await?;
                continue;
            };
            if let Some(end) = open.end.take() {
                self.open = None;
                end?;
                self.check_connection()?;
                continue;
            }
            let first = tokio::time::timeout_at(open.since + LOST, open.batch.next()).await.map_err(|_| ReaderError::Lost)?;
            let mut chunk = Vec::new();
            let mut bytes = 0;
            let mut next = Some(first);
            while let Some(item) = next {
                match item {
                    Some(Ok(message)) => {
                        let info = message.info().map_err(ReaderError::Place)?;
                        if info.consumer_sequence != self.delivered + 1 {
                            return Err(ReaderError::Missing { known: self.delivered, delivered: info.consumer_sequence });
                        }
                        self.delivered = info.consumer_sequence;
                        open.brought += 1;
                        bytes += message.length;
                        chunk.push(message);
                        next = if bytes < CHUNK_BYTES { open.batch.next().now_or_never() } else { None };
                    }
                    Some(Err(error)) => {
                        // Bytes ended a request that brought nothing: the next message is larger than all of them.
                        let text = error.to_string();
                        self.is_oversized = is_end_of_bytes(&text) && open.brought == 0;
                        let is_end = is_end_of_bytes(&text) || text.contains("Batch Completed");
                        open.end = Some(if is_end { Ok(()) } else { Err(ReaderError::Ended(error)) });
                        next = None;
                    }
                    None => {
                        self.is_oversized = false;
                        open.end = Some(Ok(()));
                        next = None;
                    }
                }
            }
            if !chunk.is_empty() {
                return Ok(chunk);
            }
        }
    }

    /// Removes its consumer; where that fails the server does so later.
    pub(in crate::live) async fn end(self) {
        let name = &self.consumer.cached_info().name;
        if let Err(error) = self.stream.delete_consumer(name).await {
            tracing::debug!(error = &error as &dyn std::error::Error, consumer.name = name, "a consumer was not removed");
        }
    }

    /// Makes a request.
    async fn ask(&mut self) -> Result<(), ReaderError> {
        let (consumer, is_oversized) = (self.consumer.clone(), self.is_oversized);
        // Kept, so that a request that was made is also read.
        let asking = self.asking.get_or_insert_with(|| {
            Box::pin(async move {
                let request = consumer.batch().expires(EXPIRES);
                let request = if is_oversized {
                    request.max_messages(1)
                } else {
                    request.max_messages(REQUEST_MESSAGES).max_bytes(REQUEST_BYTES)
                };
                request.messages().await
            })
        });
        let asked = asking.await;
        self.asking = None;
        let batch = asked.map_err(ReaderError::Request)?;
        self.open = Some(Open { batch, since: Instant::now(), brought: 0, end: None });
        Ok(())
    }
}

fn connects(client: &async_nats::Client) -> u64 {
    client.statistics().connects.load(Ordering::Acquire)
}

/// The server ends a request whose bytes are used up with an error that is none.
fn is_end_of_bytes(error: &str) -> bool {
    error.contains("MaxBytes")
}
