//! Answers to the stream for what is committed, and for what is given back. They are sent by a task of their own: storing
//! goes on while the stream is away.
//!
//! A message is acknowledged in the turn that it was asked for in, never later: an acknowledgement names a sequence alone, so
//! that of a message of a stream that has lost its end since would acknowledge another message, which nobody has stored. What
//! is committed in a later turn is given back instead: it comes again, is known, and is acknowledged then.

use std::sync::Arc;
use std::time::Duration;

use async_nats::Client;
use async_nats::connection::State;
use async_nats::jetstream::AckKind;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::extend::Reply;
use super::life::Life;

/// How many batches may wait for their answers to be sent.
const WAITING: usize = 4;
/// How often it is looked whether the stream is there again.
const LOOK: Duration = Duration::from_millis(50);

/// Answers of one batch.
#[derive(Debug)]
pub(super) struct Answers {
    pub(super) replies: Vec<Reply>,
    pub(super) kind: AckKind,
}

/// Where answers are handed to [`Sender::send`].
pub(super) fn channel() -> (mpsc::Sender<Answers>, mpsc::Receiver<Answers>) {
    mpsc::channel(WAITING)
}

/// Sends answers.
pub(super) struct Sender {
    pub(super) client: Client,
    pub(super) life: Arc<Life>,
    pub(super) stop: CancellationToken,
}

impl Sender {
    /// Sends answers until nobody has any more. A lost answer only means that the message comes again, and then it is there
    /// already.
    pub(super) async fn send(self, mut answers: mpsc::Receiver<Answers>) {
        while let Some(Answers { replies, kind }) = answers.recv().await {
            for reply in replies {
                // What is handed over while the connection is down is sent over the next one, in another turn.
                if !self.is_connected().await {
                    break;
                }
                let kind = if matches!(kind, AckKind::Ack) && reply.turn != self.life.turn() { AckKind::Nak(None) } else { kind };
                if let Err(error) = self.client.publish(reply.subject, kind.into()).await {
                    tracing::debug!(error = %error, "an answer to the stream was not sent");
                    break;
                }
            }
        }
    }

    /// Waits for the connection; false where this replica stops before that.
    async fn is_connected(&self) -> bool {
        while self.client.connection_state() != State::Connected {
            if self.stop.is_cancelled() {
                return false;
            }
            super::pause(&self.stop, LOOK).await;
        }
        true
    }
}
