//! Messages into the stream, in order, each marked as one that may have been sent before: ingest then looks for it on every
//! day, and stores it only where it is not there.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::bail;
use async_nats::header::NATS_MESSAGE_ID;
use async_nats::jetstream::context::PublishAckFuture;
use async_nats::jetstream::{self, publish::PublishAck};
use async_nats::{ConnectOptions, Event, HeaderMap, ServerError};
use bytes::Bytes;
use futures_util::future::join_all;
use message::{Message, RESEND_HEADER, wire};
use tokio::time::{Instant, sleep, sleep_until};

/// Messages and bytes on their way, as of a sidecar.
const MOST: usize = 256;
const MOST_BYTES: usize = 1 << 20;
/// How long nothing may be taken before it is given up.
const PATIENCE: Duration = Duration::from_secs(60);
const SHORTEST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(5);

/// A message as it is sent.
#[derive(Debug, Clone)]
struct Outgoing {
    subject: String,
    id: String,
    payload: Bytes,
}

/// What the stream was given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Published {
    /// Messages that it has now.
    pub messages: u64,
    /// Those of them that it had, as it says.
    pub repeated: u64,
}

/// What the server complains about beside its answers: of a subject that may not be published to there is no answer.
#[derive(Debug, Clone, Default)]
pub struct Complaints(Arc<Mutex<Option<String>>>);

impl Complaints {
    /// Options of a connection whose complaints are kept here.
    #[must_use]
    pub fn listen(&self, options: ConnectOptions) -> ConnectOptions {
        let kept = self.0.clone();
        options.event_callback(move |event| {
            if let Event::ServerError(ServerError::Other(words)) = &event {
                *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(words.clone());
            }
            std::future::ready(())
        })
    }

    /// Whether one says that a subject may not be published to.
    fn forbids(&self) -> Option<String> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clone().filter(|words| words.contains("Permissions Violation for Publish"))
    }
}

/// Publishes one message after the other.
#[derive(Debug)]
pub struct Publisher {
    jetstream: jetstream::Context,
    complaints: Complaints,
    /// Those on their way, oldest first. One whose sending failed has no answer to come.
    window: VecDeque<(Outgoing, Option<PublishAckFuture>)>,
    bytes: usize,
    /// Between two messages; nothing for any number a second.
    interval: Option<Duration>,
    next_at: Instant,
    published: Published,
}

impl Publisher {
    /// Publishes so many messages a second at most; 0 stands for any number.
    #[must_use]
    pub fn new(jetstream: jetstream::Context, complaints: Complaints, rate: u32) -> Self {
        let interval = (rate > 0).then(|| Duration::from_secs(1) / rate);
        let (window, published) = (VecDeque::new(), Published::default());
        Self { jetstream, complaints, window, bytes: 0, interval, next_at: Instant::now(), published }
    }

    /// What the stream was given so far.
    #[must_use]
    pub fn published(&self) -> Published {
        self.published
    }

    /// Sends a message as soon as there is room for it.
    ///
    /// # Errors
    /// When the server has taken nothing for a minute.
    pub async fn publish(&mut self, message: &Message) -> anyhow::Result<()> {
        let (subject, id, payload) = (wire::subject(message), message.id.to_string(), wire::to_json(message).into());
        let outgoing = Outgoing { subject, id, payload };
        while self.window.len() >= MOST || (!self.window.is_empty() && self.bytes + outgoing.payload.len() > MOST_BYTES) {
            self.settle_oldest().await?;
        }
        if let Some(interval) = self.interval {
            sleep_until(self.next_at).await;
            // What was not used of an idle second is not made up for.
            self.next_at = (self.next_at + interval).max(Instant::now() - Duration::from_millis(100));
        }
        self.bytes += outgoing.payload.len();
        let answer = self.send(&outgoing).await.ok();
        self.window.push_back((outgoing, answer));
        Ok(())
    }

    /// Waits until the stream has everything.
    ///
    /// # Errors
    /// When the server has taken nothing for a minute.
    pub async fn finish(&mut self) -> anyhow::Result<()> {
        while !self.window.is_empty() {
            self.settle_oldest().await?;
        }
        Ok(())
    }

    async fn send(&self, outgoing: &Outgoing) -> anyhow::Result<PublishAckFuture> {
        let mut headers = HeaderMap::new();
        headers.insert(NATS_MESSAGE_ID, outgoing.id.as_str());
        headers.insert(RESEND_HEADER, "1");
        let Outgoing { subject, payload, .. } = outgoing;
        Ok(self.jetstream.publish_with_headers(subject.clone(), headers, payload.clone()).await?)
    }

    /// Waits for the oldest. Where it was not stored, nothing new is sent before all on their way are answered and those that
    /// were not stored are sent again, in order.
    async fn settle_oldest(&mut self) -> anyhow::Result<()> {
        let Some((outgoing, answer)) = self.window.pop_front() else { return Ok(()) };
        self.bytes -= outgoing.payload.len();
        let Err(error) = self.count(answered(answer).await) else { return Ok(()) };
        let mut open = VecDeque::from([outgoing]);
        // All of them at once: each waits for its answer from here on.
        let (rest, answers): (Vec<Outgoing>, Vec<_>) = self.window.drain(..).unzip();
        let answers = join_all(answers.into_iter().map(answered)).await;
        for (outgoing, answer) in rest.into_iter().zip(answers) {
            if self.count(answer).is_err() {
                open.push_back(outgoing);
            }
        }
        self.bytes = 0;
        self.send_again(open, error).await
    }

    fn count(&mut self, answer: anyhow::Result<PublishAck>) -> anyhow::Result<()> {
        let answer = answer?;
        self.published.messages += 1;
        self.published.repeated += u64::from(answer.duplicate);
        Ok(())
    }

    /// One at a time: whatever is wrong, it is not to be made worse.
    async fn send_again(&mut self, mut open: VecDeque<Outgoing>, mut error: anyhow::Error) -> anyhow::Result<()> {
        let (mut delay, mut since) = (SHORTEST_DELAY, Instant::now());
        while let Some(outgoing) = open.front() {
            if let Some(complaint) = self.complaints.forbids() {
                bail!(
                    "the publisher may not publish to `{}`: {complaint}; give credentials of a publisher of that namespace",
                    outgoing.subject
                );
            }
            if since.elapsed() > PATIENCE {
                let stored = self.published.messages;
                return Err(error.context(format!(
                    "the stream took nothing for {} s, after {stored} messages; run it again: it goes on where it ended",
                    PATIENCE.as_secs()
                )));
            }
            sleep(delay).await;
            let sent = self.send(outgoing).await;
            let answered = match sent {
                Ok(answer) => answered(Some(answer)).await,
                Err(error) => Err(error),
            };
            match self.count(answered) {
                Ok(()) => {
                    open.pop_front();
                    (delay, since) = (SHORTEST_DELAY, Instant::now());
                }
                Err(again) => {
                    error = again;
                    delay = (delay * 2).min(LONGEST_DELAY);
                }
            }
        }
        Ok(())
    }
}

async fn answered(answer: Option<PublishAckFuture>) -> anyhow::Result<PublishAck> {
    match answer {
        Some(answer) => Ok(answer.await?),
        None => bail!("it could not be sent"),
    }
}
