//! Pulls messages and gathers them into batches: full ones under load, early ones when little is said.

use std::time::Duration;

use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::consumer::pull::Batch;
use futures_util::StreamExt as _;
use message::Timestamp;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Storing;
use super::budget::{Budget, REQUEST_BYTES, Room};
use super::copies::{self, Copy};
use super::extend::{Extender, Ours, Reply};
use super::life::Life;
use crate::batch::Delivery;

/// A batch has at most so many messages: more make no insert faster.
pub(super) const BATCH_MESSAGES: usize = 500;
/// How long the first message of a batch waits for others.
const GATHER: Duration = Duration::from_millis(50);
/// How long the server holds a request. Heartbeats are not asked for: this client's batch does not wake for a message
/// that follows one. A request that got lost is made again after this time.
const EXPIRES: Duration = Duration::from_secs(5);
/// After so many requests that brought nothing, the server is asked whether there is nothing.
const EMPTY_REQUESTS: u32 = 3;

/// A request that is given up is read on until nothing came for so long, or until this long has passed.
const SILENCE: Duration = Duration::from_millis(200);
const LONGEST_END: Duration = Duration::from_secs(2);

/// Messages that are ours until they are acknowledged. An open request is always read to its end, and what it brings is
/// handed on or given back: what is delivered to nobody comes again only after the time to acknowledge has passed.
#[derive(Debug)]
pub(super) struct Held {
    /// The messages.
    pub(super) deliveries: Vec<Delivery>,
    /// Extended meanwhile, in the same order.
    pub(super) ours: Ours,
    room: Option<Room>,
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
    /// The stream has messages for us, and requests bring none.
    #[error("{0} messages wait in the stream, and requests bring none")]
    Stalled(u64),
    /// Nobody stores any more.
    #[error("storing has ended")]
    Closed,
    /// Told to stop.
    #[error("told to stop")]
    Stopped,
}

impl PullError {
    /// A word for metrics.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Request(_) => "request",
            Self::Ended(_) => "ended",
            Self::Stalled(_) => "stalled",
            Self::Closed | Self::Stopped => "stopped",
        }
    }
}

/// Why pulling ended, and whether it brought anything before.
#[derive(Debug)]
pub(super) struct Pulled {
    pub(super) why: PullError,
    pub(super) messages: u64,
}

/// Pulls with one bound consumer.
pub(super) struct Puller<'a> {
    pub(super) storing: &'a Storing,
    pub(super) consumer: &'a PullConsumer,
    pub(super) batches: &'a mpsc::Sender<Held>,
    pub(super) budget: &'a Budget,
    pub(super) extender: &'a Extender,
    /// Copies that must wait go there, into no batch.
    pub(super) copies: &'a mpsc::Sender<Copy>,
}

/// What is gathered.
struct Gathering<'a> {
    puller: Puller<'a>,
    held: Held,
    deadline: Instant,
    messages: u64,
    /// The turn that the open request was made in.
    turn: u64,
}

impl Puller<'_> {
    /// Pulls until it cannot go on; what was delivered by then is handed on.
    pub(super) async fn pull(self) -> Pulled {
        let held = Held::new(self.extender);
        let mut gathering = Gathering { puller: self, held, deadline: Instant::now(), messages: 0, turn: 0 };
        let why = gathering.run().await;
        let mut pulled = Pulled { why, messages: gathering.messages };
        if !gathering.held.deliveries.is_empty() && gathering.puller.batches.send(gathering.held).await.is_err() {
            pulled.why = PullError::Closed;
        }
        pulled
    }
}

impl Gathering<'_> {
    async fn run(&mut self) -> PullError {
        let mut empty = 0;
        let mut is_oversized = false;
        loop {
            let before = self.messages;
            match self.request(is_oversized).await {
                // Bytes ended a request that brought nothing: the next message is larger than all of them.
                Ok(End::Bytes) => is_oversized = self.messages == before,
                Ok(End::Time) => is_oversized = false,
                Err(error) => return error,
            }
            empty = if self.messages == before && !is_oversized { empty + 1 } else { 0 };
            if empty >= EMPTY_REQUESTS {
                empty = 0;
                if let Err(error) = self.check_empty().await {
                    return error;
                }
            }
        }
    }

    /// Makes a request when there is room for what it may bring, and reads it to its end.
    async fn request(&mut self, is_oversized: bool) -> Result<End, PullError> {
        let budget = self.puller.budget.clone();
        let mut room = if is_oversized {
            // Its room is what we hold too.
            self.hand_on().await?;
            self.meanwhile(budget.all()).await?
        } else {
            if self.held.is_full() {
                self.hand_on().await?;
            }
            self.meanwhile(budget.of_request()).await?
        };
        let most = if is_oversized { 1 } else { BATCH_MESSAGES - self.held.deliveries.len() };
        let request = self.puller.consumer.batch().max_messages(most).expires(EXPIRES);
        let request = if is_oversized { request } else { request.max_bytes(REQUEST_BYTES) };
        self.turn = self.puller.storing.life.turn();
        let mut batch = request.messages().await.map_err(|error| PullError::Request(error.to_string()))?;
        let end = self.read(&mut batch, &mut room).await;
        if end.is_err() {
            self.read_out(&mut batch, &mut room).await;
        }
        end
    }

    async fn read(&mut self, batch: &mut Batch, room: &mut Room) -> Result<End, PullError> {
        loop {
            match self.meanwhile(batch.next()).await? {
                Some(Ok(message)) => self.push(message, room).await,
                Some(Err(error)) if is_end_of_bytes(&error.to_string()) => return Ok(End::Bytes),
                Some(Err(error)) if is_end(&error.to_string()) => return Ok(End::Time),
                Some(Err(error)) => return Err(PullError::Ended(error.to_string())),
                None => return Ok(End::Time),
            }
        }
    }

    /// Reads what an open request still brings: the server knows that nobody waits for it only when it is told.
    async fn read_out(&mut self, batch: &mut Batch, room: &mut Room) {
        let until = Instant::now() + LONGEST_END;
        while let Ok(Some(Ok(message))) = tokio::time::timeout_at(until.min(Instant::now() + SILENCE), batch.next()).await {
            self.push(message, room).await;
        }
    }

    /// Waits for something, and meanwhile hands on what is due.
    async fn meanwhile<T>(&mut self, wanted: impl Future<Output = T>) -> Result<T, PullError> {
        tokio::pin!(wanted);
        loop {
            let is_waiting = !self.held.deliveries.is_empty();
            let is_due = self.held.is_full() || (is_waiting && self.deadline <= Instant::now());
            tokio::select! {
                biased;
                () = self.puller.storing.stop.cancelled() => return Err(PullError::Stopped),
                permit = self.puller.batches.reserve(), if is_due => {
                    let permit = permit.map_err(|_| PullError::Closed)?;
                    permit.send(std::mem::replace(&mut self.held, Held::new(self.puller.extender)));
                }
                value = &mut wanted => return Ok(value),
                () = tokio::time::sleep_until(self.deadline), if is_waiting && !is_due => {}
            }
        }
    }

    async fn hand_on(&mut self) -> Result<(), PullError> {
        if self.held.deliveries.is_empty() {
            return Ok(());
        }
        tokio::select! {
            () = self.puller.storing.stop.cancelled() => Err(PullError::Stopped),
            permit = self.puller.batches.reserve() => {
                let permit = permit.map_err(|_| PullError::Closed)?;
                permit.send(std::mem::replace(&mut self.held, Held::new(self.puller.extender)));
                Ok(())
            }
        }
    }

    async fn push(&mut self, message: async_nats::jetstream::Message, room: &mut Room) {
        self.messages += 1;
        let storing = self.puller.storing;
        let Some((delivery, reply)) = taken(&storing.life, self.turn, message) else { return };
        if delivery.is_resent() && !copies::is_decidable(&delivery, &storing.settled.borrow()) {
            if self.puller.copies.send(Copy { delivery, reply }).await.is_err() {
                tracing::debug!("nobody holds copies any more; it comes again");
            }
            return;
        }
        if self.held.deliveries.is_empty() {
            self.deadline = Instant::now() + GATHER;
        }
        self.held.push(delivery, reply, room);
    }

    /// Requests brought nothing for a while; is there nothing? Others may hold all that may be held at once.
    async fn check_empty(&self) -> Result<(), PullError> {
        let info = self.puller.consumer.get_info().await.map_err(|error| PullError::Request(error.to_string()))?;
        let most = info.config.max_ack_pending;
        let may_be_delivered = most <= 0 || i64::try_from(info.num_ack_pending).unwrap_or(i64::MAX) < most;
        if info.num_pending > 0 && may_be_delivered { Err(PullError::Stalled(info.num_pending)) } else { Ok(()) }
    }
}

/// How a request ended.
enum End {
    /// It brought all it was asked for, or its time was up.
    Time,
    /// The next message did not fit into what was left of its bytes.
    Bytes,
}

/// The server ends a request whose bytes are used up with an error that is none.
fn is_end_of_bytes(error: &str) -> bool {
    error.contains("MaxBytes")
}

fn is_end(error: &str) -> bool {
    error.contains("Batch Completed")
}

impl Held {
    fn new(extender: &Extender) -> Self {
        Self { deliveries: Vec::new(), ours: extender.open(), room: None }
    }

    fn is_full(&self) -> bool {
        let bytes = self.room.as_ref().map_or(0, Room::bytes);
        self.deliveries.len() >= BATCH_MESSAGES || bytes >= REQUEST_BYTES
    }

    /// Copies that can be decided together. They have room of their own.
    pub(super) fn of_copies(extender: &Extender, copies: impl IntoIterator<Item = Copy>) -> Self {
        let mut held = Self::new(extender);
        for Copy { delivery, reply } in copies {
            held.deliveries.push(delivery);
            held.ours.push(reply);
        }
        held
    }

    fn push(&mut self, delivery: Delivery, reply: Reply, room: &mut Room) {
        match (&mut self.room, room.split(&delivery)) {
            (Some(room), Some(part)) => room.merge(part),
            (mine, part) => *mine = mine.take().or(part),
        }
        self.deliveries.push(delivery);
        self.ours.push(reply);
    }
}

/// A message, and where to answer for it.
fn taken(life: &Life, turn: u64, message: async_nats::jetstream::Message) -> Option<(Delivery, Reply)> {
    let placed = message.info().map(|info| (info.stream_sequence, info.published));
    let (placed, reply) = match (placed, message.message.reply.clone()) {
        (Ok(placed), Some(reply)) => (placed, reply),
        // Not a message of the stream: somebody else wrote to our inbox.
        (placed, _) => {
            let error = placed.err().map(|error| error.to_string()).unwrap_or_default();
            tracing::warn!(error, "a message without a place in the stream is ignored");
            return None;
        }
    };
    let (sequence, stored_at) = placed;
    // Whatever it shows is suspected from here on; whether it may be stored is asked when it is.
    life.handed(sequence, Timestamp::new(stored_at));
    let message = message.message;
    let delivery = Delivery {
        subject: message.subject.to_string(),
        headers: message.headers,
        payload: message.payload,
        stored_at,
        sequence,
    };
    Some((delivery, Reply { subject: reply, stored_at, turn }))
}
