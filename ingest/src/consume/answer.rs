//! Answers to the stream for what is committed, and for what is given back. They are sent by a task of their own: storing
//! goes on while the stream is away.

use async_nats::jetstream::AckKind;
use async_nats::{Client, Subject};
use tokio::sync::mpsc;

/// How many batches may wait for their answers to be sent.
const WAITING: usize = 4;

/// Answers of one batch.
#[derive(Debug)]
pub(super) struct Answers {
    pub(super) replies: Vec<Subject>,
    pub(super) kind: AckKind,
}

/// Where answers are handed to [`send`].
pub(super) fn channel() -> (mpsc::Sender<Answers>, mpsc::Receiver<Answers>) {
    mpsc::channel(WAITING)
}

/// Sends answers until nobody has any more. A lost answer only means that the message comes again, and then it is there
/// already.
pub(super) async fn send(client: Client, mut answers: mpsc::Receiver<Answers>) {
    while let Some(Answers { replies, kind }) = answers.recv().await {
        let body: bytes::Bytes = kind.into();
        for reply in replies {
            if let Err(error) = client.publish(reply, body.clone()).await {
                tracing::debug!(error = %error, "an answer to the stream was not sent");
                break;
            }
        }
    }
}
