//! Finds the first message after a break, with a consumer of its own.

use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::{self, stream};
use futures_util::StreamExt as _;
use message::Timestamp;

/// How long the server keeps the consumer when it could not be removed.
const INACTIVE: Duration = Duration::from_secs(30);
/// How long the first message may take to come.
const WAIT: Duration = Duration::from_secs(5);

/// The first message could not be looked for.
#[derive(Debug, thiserror::Error)]
#[error("the first message after a break of the stream cannot be looked for")]
pub(in crate::consume) struct ProbeError(#[source] Box<dyn std::error::Error + Send + Sync>);

/// The first message of the stream, or the first that was stored at or after a moment: its sequence and store time. Nothing
/// when there is none yet.
pub(in crate::consume) async fn first(
    jetstream: &jetstream::Context,
    stream: &stream::Stream,
    from: Option<Timestamp>,
) -> Result<Option<(u64, Timestamp)>, ProbeError> {
    // Named, because ingest may create named consumers only.
    let unique = jetstream.client().new_inbox();
    let name = format!("probe-{}", unique.rsplit('.').next().unwrap_or(&unique));
    let config = pull::Config {
        name: Some(name.clone()),
        description: Some("first message after a break of the stream".to_owned()),
        deliver_policy: from.map_or(DeliverPolicy::All, |from| DeliverPolicy::ByStartTime { start_time: from.moment() }),
        ack_policy: AckPolicy::None,
        inactive_threshold: INACTIVE,
        memory_storage: true,
        num_replicas: 1,
        ..pull::Config::default()
    };
    let consumer = stream.create_consumer(config).await.map_err(|error| ProbeError(Box::new(error)))?;
    let found = async {
        if consumer.cached_info().num_pending == 0 {
            return Ok(None);
        }
        let mut messages =
            consumer.fetch().max_messages(1).expires(WAIT).messages().await.map_err(|error| ProbeError(Box::new(error)))?;
        match messages.next().await {
            None => Ok(None),
            Some(Err(error)) => Err(ProbeError(error)),
            Some(Ok(message)) => {
                let info = message.info().map_err(ProbeError)?;
                Ok(Some((info.stream_sequence, Timestamp::new(info.published))))
            }
        }
    };
    let found = found.await;
    if let Err(error) = stream.delete_consumer(&name).await {
        tracing::debug!(
            error = &error as &dyn std::error::Error,
            consumer.name = name,
            "the server will remove a consumer by itself"
        );
    }
    found
}
