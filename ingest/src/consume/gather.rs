//! Pulls messages and gathers them into batches: full ones under load, early ones when little is said.

use std::time::Duration;

use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::message::Acker;
use futures_util::{FutureExt as _, StreamExt as _};
use message::Timestamp;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Storing;
use super::life::Life;
use crate::batch::Delivery;

/// A batch has at most so many messages: more make no insert faster.
pub(super) const BATCH_MESSAGES: usize = 500;
/// A request brings at most so many bytes. Three batches (gathered, waiting, being stored) bound the memory: 48 MiB.
const BATCH_BYTES: usize = 16 << 20;
/// How long the first message of a batch waits for others.
const GATHER: Duration = Duration::from_millis(50);
/// How long the server holds a request. Heartbeats are not asked for: this client's batch does not wake for a message
/// that follows one. A request that got lost is made again after this time.
const EXPIRES: Duration = Duration::from_secs(5);

/// Messages that are ours until they are acknowledged.
#[derive(Default)]
pub(super) struct Held {
    /// The messages.
    pub(super) deliveries: Vec<Delivery>,
    /// Their acknowledgements, in the same order.
    pub(super) ackers: Vec<Acker>,
}

/// Pulling cannot go on with this consumer.
#[derive(Debug, thiserror::Error)]
pub(super) enum PullError {
    /// No request could be made.
    #[error("cannot ask for messages: {0}")]
    Request(String),
    /// The server ended a request with an error.
    #[error("{0}")]
    Ended(String),
    /// Nobody stores any more.
    #[error("storing has ended")]
    Closed,
}

/// Pulls until the token is cancelled; the rest of what was delivered is handed on then.
pub(super) async fn pull(storing: &Storing, consumer: &PullConsumer, batches: &mpsc::Sender<Held>) -> Result<(), PullError> {
    let mut held = Held::default();
    let mut deadline = Instant::now();
    let mut outcome = Ok(());
    while outcome.is_ok() && !storing.stop.is_cancelled() {
        if held.deliveries.len() >= BATCH_MESSAGES {
            outcome = hand_on(batches, &mut held).await;
            continue;
        }
        let request = consumer
            .batch()
            .max_messages(BATCH_MESSAGES - held.deliveries.len())
            .max_bytes(BATCH_BYTES)
            .expires(EXPIRES)
            .messages()
            .await;
        let mut messages = match request {
            Ok(messages) => messages,
            Err(error) => {
                outcome = Err(PullError::Request(error.to_string()));
                break;
            }
        };
        loop {
            let full = held.deliveries.len() >= BATCH_MESSAGES;
            let due = full || (!held.deliveries.is_empty() && deadline <= Instant::now());
            tokio::select! {
                biased;
                () = storing.stop.cancelled() => break,
                permit = batches.reserve(), if due => {
                    let Ok(permit) = permit else { outcome = Err(PullError::Closed); break };
                    permit.send(std::mem::take(&mut held));
                }
                message = messages.next(), if !full => match message {
                    Some(Ok(message)) => {
                        if held.deliveries.is_empty() {
                            deadline = Instant::now() + GATHER;
                        }
                        held.push(&storing.life, message);
                    }
                    Some(Err(error)) if is_end_of_batch(&error.to_string()) => break,
                    Some(Err(error)) => { outcome = Err(PullError::Ended(error.to_string())); break }
                    None => break,
                },
                () = tokio::time::sleep_until(deadline), if !due && !held.deliveries.is_empty() => {}
            }
        }
        // What was delivered already would else come again only after the time to acknowledge has passed.
        if storing.stop.is_cancelled() || outcome.is_err() {
            while let Some(Some(Ok(message))) = messages.next().now_or_never() {
                held.push(&storing.life, message);
            }
        }
    }
    if !held.deliveries.is_empty() {
        outcome = outcome.and(hand_on(batches, &mut held).await);
    }
    outcome
}

async fn hand_on(batches: &mpsc::Sender<Held>, held: &mut Held) -> Result<(), PullError> {
    batches.send(std::mem::take(held)).await.map_err(|_| PullError::Closed)
}

/// The server ends a request whose bytes are used up with an error that is none.
fn is_end_of_batch(error: &str) -> bool {
    ["MaxBytes", "Batch Completed"].iter().any(|words| error.contains(words))
}

impl Held {
    fn push(&mut self, life: &Life, message: async_nats::jetstream::Message) {
        let placed = message.info().map(|info| (info.stream_sequence, info.published));
        match placed {
            Ok((sequence, stored_at)) => {
                // Whatever it shows is suspected from here on; whether it may be stored is asked when it is.
                life.handed(sequence, Timestamp::new(stored_at));
                let (message, acker) = message.split();
                self.deliveries.push(Delivery {
                    subject: message.subject.to_string(),
                    headers: message.headers,
                    payload: message.payload,
                    stored_at,
                    sequence,
                });
                self.ackers.push(acker);
            }
            // Not a message of the stream: somebody else wrote to our inbox.
            Err(error) => tracing::warn!(error = %error, "a message without a place in the stream is ignored"),
        }
    }
}
