//! From the stream to the tables: pull, gather, store, acknowledge, in this order and never in another.
//!
//! Replicas share one durable consumer. It is bound and nothing else: only who holds the stream's definition makes,
//! changes or deletes it, because its acknowledgements say what is stored.

mod floor;
mod gather;
mod keep;
pub mod life;

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::consumer::{AckPolicy, PullConsumer};
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::stream::{ConsumerErrorKind, Stream};
use deadpool_postgres::Pool;
use message::Timestamp;
use service::admin::Readiness;
use service::causes::in_one_line;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::settled::Settled;
use crate::store::epochs::{self, StreamLife};

use floor::Floor;
use life::Life;
use life::judge::High;

/// The stream that holds every message.
pub const STREAM: &str = "agent-comms";
/// The durable consumer that replicas share.
pub const DURABLE: &str = "jangar-agent-comms";
/// Readiness: whether the stream can be read.
pub const STREAM_CONDITION: &str = "stream";
/// Readiness: whether the tables can be written.
pub const POSTGRES_CONDITION: &str = "postgres";

/// Pause before the stream, the consumer or the database is looked for again.
const RETRY: Duration = Duration::from_secs(1);
/// How many gathered batches may wait while one is stored: so that storing never waits for the network.
const WAITING_BATCHES: usize = 1;

/// What storing works with. Clones share it.
#[derive(Debug, Clone)]
pub struct Storing {
    /// Connections.
    pub pool: Pool,
    /// The stream.
    pub jetstream: jetstream::Context,
    /// Days that messages are kept.
    pub retention_days: u16,
    /// Told whether stream and tables can be reached.
    pub readiness: Readiness,
    /// Counted here.
    pub metrics: Arc<Metrics>,
    /// How far the stream is stored: read here, told to every part.
    pub settled: watch::Sender<Settled>,
    /// Judges what is handed out.
    pub life: Arc<Life>,
    /// Ends storing, after what was pulled is stored.
    pub stop: CancellationToken,
}

/// The consumer could not be bound.
#[derive(Debug, thiserror::Error)]
enum BindError {
    #[error("{0} `{1}` does not exist; create it with `agent-comms-ingest setup`")]
    Missing(&'static str, &'static str),
    #[error("durable `{DURABLE}` has {0}; delete it and create it with `agent-comms-ingest setup`")]
    Unsafe(&'static str),
    #[error("nats does not answer")]
    Nats(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
}

/// Stores the stream until the token is cancelled and what was pulled is stored. Whatever is away is waited for.
pub async fn run(storing: Storing) {
    let (batches, waiting) = mpsc::channel(WAITING_BATCHES);
    let keeper = tokio::spawn(keep::run(storing.clone(), waiting));
    while !storing.stop.is_cancelled() {
        match bind(&storing).await {
            Ok((stream, consumer)) => {
                storing.readiness.hold(STREAM_CONDITION);
                let bound = storing.stop.child_token();
                let floor = Floor::new(storing.clone(), stream, consumer.clone());
                let floor = tokio::spawn(floor.follow(bound.clone()));
                let why = gather::pull(&storing, &consumer, &batches).await;
                bound.cancel();
                // The task ends with its token; it has nothing to say.
                drop(floor.await);
                if let Err(error) = why {
                    tracing::info!(error = %error, "pulling ended, binding again");
                    storing.life.disturb();
                }
            }
            Err(error) => {
                let condition = if matches!(error, BindError::Store(_)) { POSTGRES_CONDITION } else { STREAM_CONDITION };
                storing.readiness.fail(condition, in_one_line(&error));
                storing.life.disturb();
                pause(&storing.stop, RETRY).await;
            }
        }
    }
    drop(batches);
    if let Err(error) = keeper.await {
        tracing::error!(error = %error, "storing broke off");
    }
}

/// Looks at stream and consumer, and notes which life of the stream this is.
async fn bind(storing: &Storing) -> Result<(Stream, PullConsumer), BindError> {
    let stream = storing.jetstream.get_stream(STREAM).await.map_err(|error| match error.kind() {
        GetStreamErrorKind::JetStream(error) if error.error_code() == jetstream::ErrorCode::STREAM_NOT_FOUND => {
            BindError::Missing("stream", STREAM)
        }
        _ => BindError::Nats(Box::new(error)),
    })?;
    let info = stream.cached_info();
    let first_sequence = i64::try_from(info.state.first_sequence).unwrap_or(i64::MAX);
    epochs::note_first(&storing.pool, StreamLife { created: Timestamp::new(info.created), first_sequence }).await?;
    let known = Arc::new(epochs::read(&storing.pool).await?);
    storing.life.learn(&known);
    let (sequence, at) = epochs::latest(&storing.pool, known.newest()).await?;
    storing.life.recall(known.newest(), High { sequence, at });
    storing.readiness.hold(POSTGRES_CONDITION);
    let consumer: PullConsumer =
        storing.jetstream.get_consumer_from_stream(DURABLE, STREAM).await.map_err(|error| match error.kind() {
            ConsumerErrorKind::JetStream(error) if error.error_code() == jetstream::ErrorCode::CONSUMER_NOT_FOUND => {
                BindError::Missing("durable consumer", DURABLE)
            }
            _ => BindError::Nats(Box::new(error)),
        })?;
    // With any other setting the server would pass over messages that nobody stored.
    let config = &consumer.cached_info().config;
    if config.ack_policy != AckPolicy::Explicit {
        return Err(BindError::Unsafe("another ack policy than `explicit`"));
    }
    if config.max_deliver > 0 {
        return Err(BindError::Unsafe("a limit of deliveries (max_deliver)"));
    }
    Ok((stream, consumer))
}

/// Waits, unless the token is cancelled meanwhile.
async fn pause(stop: &CancellationToken, duration: Duration) {
    tokio::select! { () = tokio::time::sleep(duration) => {}, () = stop.cancelled() => {} }
}
