//! Messages into the stream, in order, each marked as one that may have been sent before: ingest then looks for it on every
//! day, and stores it only where it is not there.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::bail;
use async_nats::HeaderMap;
use async_nats::header::NATS_MESSAGE_ID;
use async_nats::jetstream::{self, context::PublishAckFuture};
use bytes::Bytes;
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

/// Publishes one message after the other.
#[derive(Debug)]
pub struct Publisher {
    jetstream: jetstream::Context,
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
    pub fn new(jetstream: jetstream::Context, rate: u32) -> Self {
        let interval = (rate > 0).then(|| Duration::from_secs(1) / rate);
        let (window, published) = (VecDeque::new(), Published::default());
        Self { jetstream, window, bytes: 0, interval, next_at: Instant::now(), published }
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
        let Err(error) = self.answered(answer).await else { return Ok(()) };
        let mut open = VecDeque::from([outgoing]);
        while let Some((outgoing, answer)) = self.window.pop_front() {
            if self.answered(answer).await.is_err() {
                open.push_back(outgoing);
            }
        }
        self.bytes = 0;
        self.send_again(open, error).await
    }

    async fn answered(&mut self, answer: Option<PublishAckFuture>) -> anyhow::Result<()> {
        let Some(answer) = answer else { bail!("it could not be sent") };
        let answer = answer.await?;
        self.published.messages += 1;
        self.published.repeated += u64::from(answer.duplicate);
        Ok(())
    }

    /// One at a time: whatever is wrong, it is not to be made worse.
    async fn send_again(&mut self, mut open: VecDeque<Outgoing>, mut error: anyhow::Error) -> anyhow::Result<()> {
        let (mut delay, mut since) = (SHORTEST_DELAY, Instant::now());
        while let Some(outgoing) = open.front() {
            if since.elapsed() > PATIENCE {
                let stored = self.published.messages;
                return Err(error.context(format!(
                    "the stream took nothing for {} s, after {stored} messages; check that the publisher may publish to `{}`, \
                     and run it again: it goes on where it ended",
                    PATIENCE.as_secs(),
                    outgoing.subject
                )));
            }
            sleep(delay).await;
            let sent = self.send(outgoing).await;
            let answered = match sent {
                Ok(answer) => self.answered(Some(answer)).await,
                Err(error) => Err(error),
            };
            match answered {
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
