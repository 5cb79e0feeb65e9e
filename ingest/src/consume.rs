//! From the stream to the tables: pull, gather, store, acknowledge, in this order and never in another.
//!
//! Replicas share one durable consumer. It is bound and nothing else: only who holds the stream's definition makes,
//! changes or deletes it, because its acknowledgements say what is stored.

mod answer;
mod budget;
mod copies;
mod extend;
mod floor;
mod gather;
mod keep;
pub mod life;
mod suit;
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::stream::{ConsumerErrorKind, Stream};
use deadpool_postgres::Pool;
use message::Timestamp;
use service::admin::Readiness;
use service::causes::in_one_line;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use budget::Budget;
use copies::{Copies, Copy};
use extend::Extender;
use floor::Floor;
use gather::{Held, PullError, Pulled, Puller};
use keep::Keeper;
use life::Life;
use life::judge::High;
use trouble::Trouble;

pub use trouble::STORE_CONDITION;

use crate::metrics::Metrics;
use crate::settled::Settled;
use crate::store::epochs::{self, StreamLife};

/// The stream that holds every message.
pub const STREAM: &str = "agent-comms";
/// The durable consumer that replicas share.
pub const DURABLE: &str = "jangar-agent-comms";
/// Readiness: whether the stream can be read.
pub const STREAM_CONDITION: &str = "stream";
/// Readiness: whether the stream keeps all until it is stored.
const SETTINGS_CONDITION: &str = "stream-settings";
/// Readiness: whether the durable consumer can be used.
pub const CONSUMER_CONDITION: &str = "consumer";
/// Readiness: whether the tables can be read.
pub const READ_CONDITION: &str = "postgres-read";

/// Pause before the stream, the consumer or the database is looked for again.
const RETRY: Duration = Duration::from_secs(1);
/// How long the server may take to answer: what was asked of one that was stopping is never answered, and nothing is shown
/// before it is known which stream this is.
const PATIENCE: Duration = Duration::from_secs(2);
/// So that one is decoded and answered for while another is being written.
const BATCHES_STORED_AT_ONCE: usize = 2;
/// How many gathered batches may wait while others are stored: so that storing never waits for the network.
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
    UnsafeDurable(&'static str),
    #[error("durable `{DURABLE}` is paused")]
    Paused,
    #[error("nats does not answer")]
    Nats(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
}

impl BindError {
    /// The condition that does not hold.
    fn condition(&self) -> &'static str {
        match self {
            Self::Store(_) => READ_CONDITION,
            Self::Missing(_, DURABLE) | Self::UnsafeDurable(_) | Self::Paused => CONSUMER_CONDITION,
            Self::Missing(..) | Self::Nats(_) => STREAM_CONDITION,
        }
    }
}

/// Stores the stream until the token is cancelled and what was pulled is stored. Whatever is away is waited for.
pub async fn run(storing: Storing) {
    let client = storing.jetstream.client();
    let (batches, waiting) = mpsc::channel(WAITING_BATCHES);
    let waiting = Arc::new(Mutex::new(waiting));
    let (answers, to_send) = answer::channel();
    let sender = answer::Sender { client: client.clone(), life: storing.life.clone(), stop: storing.stop.clone() };
    let answering = tokio::spawn(sender.send(to_send));
    let extender = Extender::new();
    let stored = CancellationToken::new();
    let extending = tokio::spawn(extender.clone().run(client.clone(), stored.clone()));
    let mut keepers = JoinSet::new();
    let mut troubles = Trouble::of_tasks(&storing.readiness, BATCHES_STORED_AT_ONCE + 1);
    let (copies, held) = mpsc::channel(copies::ON_THE_WAY);
    if let Some(trouble) = troubles.next() {
        let keeper = Keeper::new(storing.clone(), answers.clone(), trouble);
        keepers.spawn(Copies::new(storing.clone(), extender.clone(), answers.clone(), keeper).run(held));
    }
    for trouble in troubles {
        keepers.spawn(Keeper::new(storing.clone(), answers.clone(), trouble).run(waiting.clone()));
    }
    drop((answers, waiting));
    tokio::select! {
        () = pull(&storing, &client, &batches, &copies, &extender) => {}
        // None ends before the batches do, unless it broke off.
        Some(ended) = keepers.join_next() => tracing::error!(error = ?ended.err(), "storing broke off"),
    }
    drop((batches, copies));
    while let Some(ended) = keepers.join_next().await {
        if let Err(error) = ended {
            tracing::error!(error = %error, "storing broke off");
        }
    }
    stored.cancel();
    for task in [answering, extending] {
        if let Err(error) = task.await {
            tracing::error!(error = %error, "answering the stream broke off");
        }
    }
}

/// Pulls until the token is cancelled, binding again whenever it cannot go on.
async fn pull(
    storing: &Storing,
    client: &async_nats::Client,
    batches: &mpsc::Sender<Held>,
    copies: &mpsc::Sender<Copy>,
    extender: &Extender,
) {
    let budget = Budget::new();
    let mut has_stalled = false;
    while !storing.stop.is_cancelled() {
        match bind(storing).await {
            Ok((stream, consumer)) => {
                storing.readiness.hold(STREAM_CONDITION);
                storing.readiness.hold(CONSUMER_CONDITION);
                extender.set_ack_wait(consumer.cached_info().config.ack_wait);
                let bound = storing.stop.child_token();
                let floor = Floor::new(storing.clone(), extender.clone(), stream, consumer.clone());
                let floor = tokio::spawn(floor.follow(bound.clone()));
                let puller = Puller { storing, consumer: &consumer, batches, budget: &budget, extender, copies };
                let Pulled { why, messages } = puller.pull().await;
                bound.cancel();
                // The task ends with its token; it has nothing to say.
                drop(floor.await);
                if matches!(why, PullError::Closed | PullError::Stopped) {
                    return;
                }
                tracing::info!(error = %why, "pulling ended, binding again");
                storing.life.disturb();
                storing.metrics.rebound(why.label());
                let stalls = matches!(why, PullError::Stalled(_));
                // Bound anew and still nothing comes: what the connection knows of is not what the server does.
                if stalls
                    && has_stalled
                    && let Err(error) = client.force_reconnect().await
                {
                    tracing::info!(error = %error, "cannot connect again");
                }
                has_stalled = stalls;
                if messages == 0 {
                    pause(&storing.stop, RETRY).await;
                }
            }
            Err(error) => {
                storing.readiness.fail(error.condition(), in_one_line(&error));
                if matches!(error, BindError::Store(_)) {
                    storing.life.is_without_database();
                } else {
                    storing.life.disturb();
                }
                pause(&storing.stop, RETRY).await;
            }
        }
    }
}

/// What the server answers, unless it does not.
async fn in_time<T>(answer: impl Future<Output = T>) -> Result<T, BindError> {
    tokio::time::timeout(PATIENCE, answer).await.map_err(|error| BindError::Nats(Box::new(error)))
}

/// Looks at stream and consumer, and notes which life of the stream this is.
async fn bind(storing: &Storing) -> Result<(Stream, PullConsumer), BindError> {
    let stream = in_time(storing.jetstream.get_stream(STREAM)).await?.map_err(|error| match error.kind() {
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
    storing.readiness.hold(READ_CONDITION);
    let consumer = in_time(storing.jetstream.get_consumer_from_stream(DURABLE, STREAM)).await?;
    let consumer: PullConsumer = consumer.map_err(|error| match error.kind() {
        ConsumerErrorKind::JetStream(error) if error.error_code() == jetstream::ErrorCode::CONSUMER_NOT_FOUND => {
            BindError::Missing("durable consumer", DURABLE)
        }
        _ => BindError::Nats(Box::new(error)),
    })?;
    // Storing goes on: what is stored is not lost.
    match suit::unsafe_setting_of_stream(&info.config) {
        None => storing.readiness.hold(SETTINGS_CONDITION),
        Some(setting) => {
            let why = format!("stream `{STREAM}` has {setting}, so it may lose messages before they are stored");
            storing.readiness.fail(SETTINGS_CONDITION, why);
        }
    }
    let durable = consumer.cached_info();
    if let Some(setting) = suit::unsafe_setting_of_durable(&durable.config, &info.config) {
        return Err(BindError::UnsafeDurable(setting));
    }
    if durable.paused {
        return Err(BindError::Paused);
    }
    Ok((stream, consumer))
}

/// Waits, unless the token is cancelled meanwhile.
pub(crate) async fn pause(stop: &CancellationToken, duration: Duration) {
    tokio::select! { () = tokio::time::sleep(duration) => {}, () = stop.cancelled() => {} }
}
