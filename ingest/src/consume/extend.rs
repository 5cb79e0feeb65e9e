//! Tells the stream that messages are still being worked on, so that nobody else gets them: gathered, waiting, being stored
//! or held back alike.
//!
//! It is a task of its own, so that it waits for nobody and nobody for it: with the stream away, only extending stands still.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::AckKind;
use async_nats::{Client, Subject};
use time::OffsetDateTime;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How many times within the time to acknowledge: two may get lost.
const TIMES: u32 = 3;
/// No more often than this, however short that time is.
const SHORTEST: Duration = Duration::from_millis(100);

/// Where messages that are ours are known until they are not. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Extender {
    ours: Arc<Mutex<Vec<Weak<Replies>>>>,
    every: watch::Sender<Duration>,
}

/// Messages that are extended until this is dropped, by where to answer for each.
#[derive(Debug)]
pub(super) struct Ours(Arc<Replies>);

type Replies = Mutex<Vec<Reply>>;

/// Where to answer for a message.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) subject: Subject,
    /// When the stream stored the message.
    pub(super) stored_at: OffsetDateTime,
    /// Which turn of [`Life`](super::life::Life) it was asked for in.
    pub(super) turn: u64,
}

impl Extender {
    pub(super) fn new() -> Self {
        Self { ours: Arc::default(), every: watch::Sender::new(SHORTEST) }
    }

    /// Adjusts to the time to acknowledge of the consumer that is bound.
    pub(super) fn set_ack_wait(&self, ack_wait: Duration) {
        self.every.send_replace((ack_wait / TIMES).max(SHORTEST));
    }

    /// No messages yet.
    pub(super) fn open(&self) -> Ours {
        let ours = Ours(Arc::default());
        lock(&self.ours).push(Arc::downgrade(&ours.0));
        ours
    }

    /// Extends what is ours until the token is cancelled.
    pub(super) async fn run(self, client: Client, stop: CancellationToken) {
        let mut every = self.every.subscribe();
        loop {
            let pause = *every.borrow_and_update();
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                Ok(()) = every.changed() => continue,
                () = stop.cancelled() => return,
            }
            if client.connection_state() != State::Connected {
                continue;
            }
            for reply in self.replies() {
                if let Err(error) = client.publish(reply, AckKind::Progress.into()).await {
                    tracing::debug!(error = %error, "a message was not extended");
                    break;
                }
            }
        }
    }

    /// When the stream stored the oldest message that is ours.
    pub(super) fn oldest(&self) -> Option<OffsetDateTime> {
        let mut oldest = None;
        self.each(|reply| oldest = Some(oldest.map_or(reply.stored_at, |oldest: OffsetDateTime| oldest.min(reply.stored_at))));
        oldest
    }

    fn replies(&self) -> Vec<Subject> {
        let mut replies = Vec::new();
        self.each(|reply| replies.push(reply.subject.clone()));
        replies
    }

    fn each(&self, mut look: impl FnMut(&Reply)) {
        lock(&self.ours).retain(|ours| {
            let Some(ours) = ours.upgrade() else { return false };
            lock(&ours).iter().for_each(&mut look);
            true
        });
    }
}

impl Ours {
    /// Adds a message, by where to answer for it.
    pub(super) fn push(&self, reply: Reply) {
        lock(&self.0).push(reply);
    }

    /// Where to answer for some of them, by their place.
    pub(super) fn replies(&self, range: std::ops::Range<usize>) -> Vec<Reply> {
        lock(&self.0).get(range).map(<[_]>::to_vec).unwrap_or_default()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere cannot leave a list half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
