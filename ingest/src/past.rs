//! The stream from a place on, to where it ends now, read by a consumer of its own. Nothing is acknowledged, and the durable
//! knows nothing of it.

use std::time::Duration;

use anyhow::bail;
use async_nats::jetstream;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull};
use async_nats::jetstream::stream::Stream;
use futures_util::StreamExt as _;
use message::Timestamp;

use crate::batch::Delivery;

/// What the stream hands out at once, in messages and bytes.
const BATCH: usize = 500;
const BATCH_BYTES: usize = 8 << 20;
/// How long the server may take to hand out anything, and how long it keeps the consumer when it could not be removed.
const WAIT: Duration = Duration::from_secs(10);
const INACTIVE: Duration = Duration::from_secs(60);

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// At a sequence, or the first one after it that there is.
    Sequence(u64),
    /// At the first message that was stored at a moment or later.
    Time(Timestamp),
}

/// What the stream held when this began.
#[derive(Debug)]
pub struct Past {
    stream: Stream,
    name: String,
    consumer: PullConsumer,
    left: u64,
}

impl Past {
    /// Begins to read: of these subjects, or of all where none are given. `purpose` is a word for the consumer's name.
    ///
    /// # Errors
    /// When the stream cannot be read.
    pub async fn begin(
        jetstream: &jetstream::Context,
        stream: Stream,
        purpose: &str,
        begin: Begin,
        filter_subjects: Vec<String>,
    ) -> anyhow::Result<Self> {
        // Named, because ingest may create named consumers only.
        let unique = jetstream.client().new_inbox();
        let name = format!("{purpose}-{}", unique.rsplit('.').next().unwrap_or(&unique));
        let config = pull::Config {
            name: Some(name.clone()),
            description: Some(format!("reads what is there for `agent-comms-ingest {purpose}`")),
            deliver_policy: match begin {
                Begin::Sequence(sequence) => DeliverPolicy::ByStartSequence { start_sequence: sequence.max(1) },
                Begin::Time(at) => DeliverPolicy::ByStartTime { start_time: at.moment() },
            },
            ack_policy: AckPolicy::None,
            filter_subjects,
            inactive_threshold: INACTIVE,
            memory_storage: true,
            num_replicas: 1,
            ..pull::Config::default()
        };
        let consumer = stream.create_consumer(config).await?;
        let left = consumer.cached_info().num_pending;
        Ok(Self { stream, name, consumer, left })
    }

    /// How many messages are left.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.left
    }

    /// The next messages, in the order of the stream; nothing at the end.
    ///
    /// # Errors
    /// When the stream cannot be read.
    pub async fn next(&mut self) -> anyhow::Result<Option<Vec<Delivery>>> {
        if self.left == 0 {
            return Ok(None);
        }
        let request = self.consumer.fetch().max_messages(BATCH).max_bytes(BATCH_BYTES).expires(WAIT);
        let mut messages = request.messages().await?;
        let mut deliveries = Vec::new();
        while let Some(message) = messages.next().await {
            let message = message.map_err(|error| anyhow::anyhow!(error))?;
            let info = message.info().map_err(|error| anyhow::anyhow!(error))?;
            // What is published meanwhile is not of the past.
            self.left = self.left.min(info.pending);
            let (stored_at, sequence) = (info.published, info.stream_sequence);
            let async_nats::Message { subject, headers, payload, .. } = message.message;
            deliveries.push(Delivery { subject: subject.to_string(), headers, payload, stored_at, sequence });
        }
        if deliveries.is_empty() {
            bail!("the stream does not hand out what it holds");
        }
        Ok(Some(deliveries))
    }

    /// Removes the consumer.
    pub async fn end(self) {
        if let Err(error) = self.stream.delete_consumer(&self.name).await {
            tracing::debug!(error = &error as &dyn std::error::Error, "the server will remove a consumer by itself");
        }
    }
}
