//! Reading back: answers what sidecars ask of the shared channel's history, by NATS, so that a step reads it without a
//! credential of its own.
//!
//! A request goes to one replica of the queue group. Its answers come in order, each below half a MiB, and an empty message
//! ends them. Everything is bounded: how many requests are worked on, how many wait, how long one takes and how much it may
//! tell; what is beyond a bound is answered at once, because whoever asks goes on with what is said live.
//!
//! It is a plain subscription: a sidecar's permissions name this one subject. It must never tell what is not settled:
//! above the watermark rows still appear below others. And it must not leave out what was said before the request: whoever
//! asks hears live what comes after it, and nothing else tells what is between. So an answer waits until everything that the
//! stream held when the request came is settled; where that takes too long, it says that it is behind.

mod pages;
mod request;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::jetstream;
use bytes::Bytes;
use deadpool_postgres::Pool;
use futures_util::StreamExt as _;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::consume::{self, STREAM};
use crate::cursor::Cursor;
use crate::read::ReadError;
use crate::settled::Settled;
use pages::Pages;
use request::Request;

/// Where sidecars ask.
pub const SUBJECT: &str = "agent-comms.read.general";
/// Each request goes to one replica of this group.
const GROUP: &str = "ingest";
/// Requests that are worked on at once: a quarter of the connections to PostgreSQL.
const AT_ONCE: usize = 4;
/// Requests that wait; each is below a KiB.
const WAITING: usize = 64;
/// How long a request may wait and be worked on. A sidecar waits a little longer for the first answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long an answer waits for what was said before the request to be settled. The watermark is read a few times a second.
const SETTLING: Duration = Duration::from_millis(1_200);
/// What the first token of an inbox is, or begins with: a publisher's own is `_INBOX_<namespace>`.
const INBOX: &str = "_INBOX";
/// Bytes of an answer, at most.
const ANSWER_LIMIT: usize = 512 * 1024 - 1;
/// The pause before the subject is subscribed to again, should that ever end.
const AGAIN: Duration = Duration::from_secs(1);

/// What answers are made from.
#[derive(Debug, Clone)]
pub struct Source {
    /// History.
    pub pool: Pool,
    /// How far it is settled.
    pub settled: watch::Receiver<Settled>,
}

/// Why a request has no answer but this.
#[derive(Debug, thiserror::Error)]
enum NoAnswer {
    #[error("busy")]
    Busy,
    #[error("how far history goes is not known yet")]
    Unsettled,
    #[error("history cannot be read in time")]
    Slow,
    #[error("history cannot be read now")]
    Read(#[source] ReadError),
    #[error("{0}")]
    Request(String),
    #[error("the answers cannot be sent")]
    Send(#[source] async_nats::PublishError),
}

impl NoAnswer {
    fn outcome(&self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Unsettled => "unsettled",
            Self::Slow => "slow",
            Self::Read(_) => "failed",
            Self::Request(_) => "refused",
            Self::Send(_) => "unsent",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// What an operator sees of reading back.
#[derive(Debug)]
pub struct Metrics {
    requests: Family<Outcome, Counter>,
    messages: Counter,
    duration: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        let duration = Histogram::new(exponential_buckets(0.001, 2.0, 12));
        Self { requests: Family::default(), messages: Counter::default(), duration }
    }
}

impl Metrics {
    /// Makes them part of what is scraped.
    pub fn register(&self, registry: &mut Registry) {
        for outcome in ["answered", "busy", "unsettled", "slow", "failed", "refused", "unsent", "misdirected"] {
            drop(self.requests.get_or_create(&Outcome { outcome }));
        }
        let registry = registry.sub_registry_with_prefix("agentcomms_ingest_readback");
        registry.register("requests", "Requests of sidecars for the channel's history, by how they ended", self.requests.clone());
        registry.register("messages", "Messages told to sidecars", self.messages.clone());
        registry.register_with_unit("duration", "Time of an answered request", Unit::Seconds, self.duration.clone());
    }
}

/// Answers until the token is cancelled; what is being answered then is answered to its end, which is bounded.
pub async fn run(client: async_nats::Client, source: Source, metrics: Arc<Metrics>, stop: CancellationToken) {
    let mut working = JoinSet::new();
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    while !stop.is_cancelled() {
        let Ok(mut requests) = client.queue_subscribe(SUBJECT, GROUP.to_owned()).await else {
            consume::pause(&stop, AGAIN).await;
            continue;
        };
        loop {
            let request = tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = working.join_next() => continue,
                request = requests.next() => request,
            };
            let Some(request) = request else { break };
            let Some(reply) = request.reply else { continue };
            if !is_inbox(&reply) {
                metrics.requests.get_or_create(&Outcome { outcome: "misdirected" }).inc();
                tracing::info!(subject = SUBJECT, "a request for history names no inbox for its answers, and gets none");
                continue;
            }
            let answering = Answering { client: client.clone(), reply, metrics: metrics.clone() };
            if working.len() >= AT_ONCE + WAITING {
                answering.end(Err(NoAnswer::Busy)).await;
                continue;
            }
            let (source, permits) = (source.clone(), permits.clone());
            working.spawn(async move {
                let answered = tokio::time::timeout(PATIENCE, answering.answer(&source, &permits, &request.payload));
                let answered = answered.await.unwrap_or(Err(NoAnswer::Slow));
                answering.end(answered).await;
            });
        }
    }
    while working.join_next().await.is_some() {}
}

/// Whether a subject is somebody's inbox. Whoever asks names the subject of the answers, and the server lets us answer on any,
/// with our rights and not with theirs: on one of the stream's API an answer would delete the stream, on one that the stream
/// holds it would be a message of another namespace.
fn is_inbox(reply: &str) -> bool {
    let root = reply.split('.').next().unwrap_or_default();
    (root == INBOX || root.strip_prefix(INBOX).is_some_and(|rest| rest.starts_with('_'))) && root.len() < reply.len()
}

/// One request's way back.
struct Answering {
    client: async_nats::Client,
    reply: async_nats::Subject,
    metrics: Arc<Metrics>,
}

impl Answering {
    async fn answer(&self, source: &Source, permits: &Semaphore, payload: &[u8]) -> Result<(), NoAnswer> {
        let start = Instant::now();
        let request = Request::read(payload).map_err(NoAnswer::Request)?;
        let (up_to, behind) = self.settled(source).await?;
        let limit = ANSWER_LIMIT.min(self.client.max_payload());
        // Nobody closes it.
        let _permit = permits.acquire().await;
        let pages = Pages::read(&source.pool, request, up_to, behind, limit).await.map_err(NoAnswer::Read)?;
        for answer in pages.answers {
            self.client.publish(self.reply.clone(), answer).await.map_err(NoAnswer::Send)?;
        }
        self.metrics.messages.inc_by(pages.messages);
        self.metrics.duration.observe(start.elapsed().as_secs_f64());
        Ok(())
    }

    /// How far history is settled, and whether that is not yet as far as the stream went when this was asked.
    async fn settled(&self, source: &Source) -> Result<(Cursor, bool), NoAnswer> {
        let mut settled = source.settled.clone();
        let reached = tokio::time::timeout(SETTLING, async {
            let stream = jetstream::new(self.client.clone()).get_stream(STREAM).await.ok()?;
            let last = i64::try_from(stream.cached_info().state.last_sequence).unwrap_or(i64::MAX);
            let known = settled.wait_for(|settled| settled.known().is_some()).await.ok()?.known()?;
            let said = Cursor { sequence: last, ..known };
            settled.wait_for(|settled| settled.watermark >= said).await.ok()?.known()
        });
        if let Ok(Some(reached)) = reached.await {
            return Ok((reached, false));
        }
        let known = source.settled.borrow().known();
        known.map(|known| (known, true)).ok_or(NoAnswer::Unsettled)
    }

    /// Says why there is no answer, where there is none, and ends the answers.
    async fn end(&self, answered: Result<(), NoAnswer>) {
        let mut outcome = "answered";
        if let Err(error) = answered {
            outcome = error.outcome();
            let body = serde_json::json!({ "error": error.to_string() }).to_string();
            tracing::debug!(error = format!("{:#}", anyhow::Error::new(error)), "a sidecar gets no history");
            drop(self.client.publish(self.reply.clone(), body.into()).await);
        }
        drop(self.client.publish(self.reply.clone(), Bytes::new()).await);
        self.metrics.requests.get_or_create(&Outcome { outcome }).inc();
    }
}
