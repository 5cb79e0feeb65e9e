//! From the reader to the stream, in order: one window of messages on their way, one answer for each.
//!
//! Messages are sent only while connected. When one is refused, or a connection is lost with messages on their way,
//! sending stops until all of them are settled, and goes on from the oldest that is not stored; copies are marked. The
//! ledger moves only by the stream's word.

pub mod acknowledged;
pub mod bucket;
pub mod connection;
pub mod order;
pub mod retry;
pub mod saving;
mod setting_aside;
pub mod window;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use message::PodIdentity;

use crate::ledger::Ledger;
use crate::metrics::Metrics;
use crate::reader::{Next, Outgoing, Reader};
use acknowledged::{Acknowledged, Loss};
use bucket::Bucket;
use connection::{Answered, Connection};
use order::{Order, StreamPlace};
use retry::{Answer, Class, Refusal};
use saving::Saving;
use window::{Limits, Window};

/// Messages and bytes on their way: beyond 256 messages nothing is gained on any network that a pod has, and 1 MiB bounds
/// the memory that an outage can take.
pub const LIMITS: Limits = Limits { messages: 256, bytes: 1024 * 1024 };
/// A message that is not answered for this long is given up and sent again.
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// How often it is looked for lost connections and unanswered messages while something is on its way.
pub const CHECK: Duration = Duration::from_millis(100);

/// What is in the window.
#[derive(Debug)]
struct Item {
    next: Next,
    /// Whether the stream may use the message id to tell copies.
    with_id: bool,
    /// Where the stream has it, once it has told.
    place: Option<StreamPlace>,
}

/// The publisher.
#[derive(Debug)]
pub struct Publisher {
    pod: Arc<PodIdentity>,
    metrics: Metrics,
    window: Window<Item>,
    bucket: Bucket,
    /// When to go on after a refusal, and how many refusals came without anything stored between them.
    go_on_at: Option<Instant>,
    refusals: u32,
    /// A reason that was told already.
    told: Option<String>,
    set_aside: u64,
    acknowledged: Acknowledged,
    order: Order,
    /// What is to be told as soon as there is room for it.
    words: VecDeque<Outgoing>,
    /// The server refuses us, and only a person can change that: one message at a time asks whether one has.
    alarmed: bool,
    /// Nothing new is sent, so that the connection can be left when everything on it is answered.
    resting: bool,
    /// Whether somebody waits for the end: nothing is delayed any more than it must be.
    draining: bool,
}

impl Publisher {
    /// A publisher for messages of this pod.
    #[must_use]
    pub fn new(pod: Arc<PodIdentity>, metrics: Metrics, bucket: Bucket) -> Self {
        Self {
            pod,
            metrics,
            window: Window::new(LIMITS),
            bucket,
            go_on_at: None,
            refusals: 0,
            told: None,
            set_aside: 0,
            acknowledged: Acknowledged::default(),
            order: Order::default(),
            words: VecDeque::new(),
            alarmed: false,
            resting: false,
            draining: false,
        }
    }

    /// Fills the window from the reader, as far as it has room and by at most so many. Gives by how many.
    pub fn fill(&mut self, reader: &mut Reader, ledger: &mut Ledger, saving: &mut Saving, most: usize) -> usize {
        let mut made = 0;
        while made < most && self.window.has_room() {
            made += 1;
            if let Some(word) = self.words.pop_front() {
                self.push(Next::Message(word));
                continue;
            }
            match reader.next(ledger) {
                Some(Next::Sync) => saving.save_now(ledger, &self.metrics),
                Some(next) => {
                    if let Next::Message(outgoing) = &next
                        && outgoing.is_gap()
                    {
                        self.metrics.gaps.inc();
                    }
                    self.push(next);
                }
                None => {
                    made -= 1;
                    break;
                }
            }
        }
        self.settle(ledger);
        made
    }

    /// Whether nothing is on its way or waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.window.is_empty() && self.words.is_empty()
    }

    /// Sends nothing more until there is another connection. Says whether everything on this one is answered.
    pub fn rest(&mut self) -> bool {
        self.resting = true;
        self.window.is_settled()
    }

    /// Nothing is delayed from now on.
    pub fn drain(&mut self) {
        self.draining = true;
        self.bucket.lift();
        self.go_on_at = self.go_on_at.map(|at| at.min(Instant::now() + CHECK));
    }

    /// The messages that are not stored.
    pub fn unstored(&self) -> impl Iterator<Item = &Outgoing> {
        let in_window = self.window.unstored().filter_map(|item| match &item.next {
            Next::Message(outgoing) => Some(outgoing),
            _ => None,
        });
        in_window.chain(&self.words)
    }

    /// Sends what may be sent now; gives how long to wait before more may be, where something waits for time to pass.
    pub fn send(&mut self, connection: &Connection, saving: &Saving) -> Option<Duration> {
        let now = Instant::now();
        self.expire(now);
        if self.resting || !connection.is_connected() {
            return None;
        }
        if self.window.is_holding() {
            let wait = self.go_on(now);
            if wait.is_some() {
                return wait;
            }
        }
        while let Some(number) = self.window.next_to_send() {
            if self.alarmed && !self.window.is_settled() {
                return Some(CHECK);
            }
            let wait = self.bucket.wait(now);
            if !wait.is_zero() {
                self.throttled();
                return Some(wait);
            }
            if !self.send_one(connection, number, saving.is_failing()) {
                return Some(CHECK);
            }
        }
        None
    }

    /// Takes an answer.
    pub fn answered(&mut self, answered: Answered, ledger: &mut Ledger) {
        let Answered { number, attempt, answer } = answered;
        match answer {
            Answer::Stored { duplicate: true, .. } if self.was_never_sent_before(number) => {
                // Something else has its id. It would be lost, so it goes without: ids are compared again where it is stored.
                self.metrics.false_duplicates.inc();
                tracing::error!(message.number = number, "the stream took a message for a copy that was never sent before");
                if let Some(entry) = self.window.entry_mut(number) {
                    entry.item.with_id = false;
                    if let Next::Message(outgoing) = &mut entry.item.next {
                        outgoing.resend = true;
                    }
                }
                self.window.refused(number, attempt);
                self.go_on_at = Some(Instant::now());
            }
            Answer::Stored { sequence, duplicate } => {
                self.stored(number, sequence, duplicate);
                self.settle(ledger);
            }
            Answer::Refused(refusal) => self.refused(number, attempt, &refusal),
        }
        self.metrics.in_flight.set(i64::try_from(self.window.len()).unwrap_or(i64::MAX));
    }

    /// A connection is there.
    pub fn connected(&mut self) {
        self.resting = false;
        self.metrics.connects.inc();
        self.metrics.connected.set(1);
        self.go_on_at = None;
    }

    /// The connection is over, and with it the answers to what was on its way.
    pub fn connection_lost(&mut self) {
        self.metrics.connected.set(0);
        self.window.connection_lost();
    }

    /// The server complained about something that it does not answer for. A publish that is not permitted is never
    /// answered: without this it would only be late, and sent again and again.
    pub fn complained(&mut self, complaint: String) {
        let about = |item: &Item| match &item.next {
            Next::Message(outgoing) => retry::forbids(&complaint, &outgoing.subject),
            _ => false,
        };
        if let Some((number, attempt)) = self.window.find_sent(about) {
            self.refused(number, attempt, &Refusal { class: Class::Alarm, reason: complaint });
        } else {
            self.tell(Class::Alarm, complaint);
        }
    }

    fn push(&mut self, next: Next) {
        let bytes = if let Next::Message(outgoing) = &next { Some(outgoing.payload.len()) } else { None };
        let item = Item { next, with_id: true, place: None };
        match bytes {
            Some(bytes) => self.window.push(item, bytes),
            None => self.window.push_stored(item),
        }
    }

    /// Sends one message, unless the client takes nothing more: it then holds what a server that is stuck does not read.
    fn send_one(&mut self, connection: &Connection, number: u64, mark: bool) -> bool {
        self.set_aside_if_too_large(connection, number);
        let Some(entry) = self.window.entry_mut(number) else { return true };
        let attempt = entry.attempts + 1;
        let Next::Message(outgoing) = &mut entry.item.next else { return true };
        outgoing.resend |= mark;
        let Some(sent) = connection.send(outgoing, number, attempt, entry.item.with_id) else { return false };
        self.bucket.take(outgoing.payload.len());
        if attempt > 1 {
            self.metrics.resends.inc();
        }
        self.window.sent(number, Instant::now());
        if let Err(error) = sent {
            let reason = format!("{error:#}");
            self.refused(number, attempt, &Refusal { class: Class::Retry, reason });
            return false;
        }
        true
    }

    fn stored(&mut self, number: u64, sequence: u64, duplicate: bool) {
        if let Some(entry) = self.window.entry_mut(number)
            && let Next::Message(outgoing) = &entry.item.next
        {
            let loss = self.acknowledged.stored(outgoing, sequence, duplicate);
            entry.item.place.get_or_insert(StreamPlace { lost: self.acknowledged.lost(), sequence });
            if let Some(loss) = loss {
                self.tell_loss(&loss);
            }
        }
        self.window.stored(number);
        self.refusals = 0;
        self.told = None;
        self.alarmed = false;
    }

    /// What the stream had acknowledged and does not have any more, by source and range. It is not sent again by itself:
    /// the positions are acknowledged, and the bytes may be gone.
    fn tell_loss(&mut self, loss: &Loss) {
        self.metrics.streams_lost.inc();
        tracing::error!(
            stream.sequence = loss.sequence,
            stream.last_sequence = loss.last_sequence,
            lost = loss.to_string(),
            "the stream's sequence runs backwards: what it had acknowledged is gone"
        );
        self.words.extend(loss.gaps(&self.pod));
    }

    /// Says once that the rate holds sending back; how long, the metric tells.
    fn throttled(&mut self) {
        if self.metrics.throttled.get() == 0 {
            tracing::info!("more is said than may be sent: sending is held back");
        }
        self.metrics.throttled.set(i64::try_from(self.bucket.throttled().as_millis()).unwrap_or(i64::MAX).max(1));
    }

    fn refused(&mut self, number: u64, attempt: u32, refusal: &Refusal) {
        if !self.window.refused(number, attempt) {
            return;
        }
        self.metrics.refusals.inc();
        match refusal.class {
            Class::SetAside => self.set_aside(number, &refusal.reason),
            Class::Alarm => self.alarmed = true,
            Class::Retry => {}
        }
        self.tell(refusal.class, refusal.reason.clone());
        self.hold(refusal.class);
    }

    fn hold(&mut self, class: Class) {
        if self.go_on_at.is_none() {
            self.refusals = self.refusals.saturating_add(1);
            let delay = retry::delay(class, self.refusals, service::nats::random_fraction());
            let delay = if self.draining { delay.min(CHECK) } else { delay };
            self.go_on_at = Some(Instant::now() + delay);
        }
    }

    /// Says why nothing moves, once for each reason until something moves again.
    fn tell(&mut self, class: Class, reason: String) {
        if self.told.as_ref() == Some(&reason) {
            return;
        }
        match class {
            Class::Alarm => tracing::error!(reason, "the server refuses messages; a setting must be changed"),
            Class::Retry | Class::SetAside => tracing::info!(reason, "a message was not stored, sending again"),
        }
        self.told = Some(reason);
    }

    /// After a refusal: goes on when everything is settled and the wait is over; else says how long that may take.
    fn go_on(&mut self, now: Instant) -> Option<Duration> {
        if !self.window.is_settled() {
            return Some(CHECK);
        }
        let wait = self.go_on_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        if !wait.is_zero() {
            return Some(wait);
        }
        self.go_on_at = None;
        self.window.go_on();
        None
    }

    /// Gives up what was not answered in time.
    fn expire(&mut self, now: Instant) {
        if let Some(before) = now.checked_sub(ANSWER_TIME)
            && self.window.expire(before) > 0
        {
            self.metrics.refusals.inc();
            self.tell(Class::Retry, "messages were not answered in time".to_owned());
            self.hold(Class::Retry);
        }
    }

    fn was_never_sent_before(&self, number: u64) -> bool {
        self.window
            .entry(number)
            .is_some_and(|entry| entry.attempts == 1 && matches!(&entry.item.next, Next::Message(outgoing) if !outgoing.resend))
    }

    /// Moves the ledger over everything that is stored, up to the first that is not.
    fn settle(&mut self, ledger: &mut Ledger) {
        while let Some(item) = self.window.pop_stored() {
            match item.next {
                Next::Message(outgoing) => {
                    self.metrics.published.inc();
                    self.metrics.published_bytes.inc_by(outgoing.payload.len() as u64);
                    if let (Some(key), Some(place)) = (outgoing.source, item.place)
                        && outgoing.is_said()
                    {
                        self.metrics.late.inc_by(self.order.next(key, place));
                    }
                    if let (Some(key), Some(place)) = (outgoing.source, outgoing.then) {
                        ledger.acknowledge(key, place);
                    }
                }
                Next::Moved(key, place) => ledger.acknowledge(key, place),
                Next::Closed(key) => ledger.close(key),
                Next::Told(container) => ledger.step_told(&container),
                Next::Sync => {}
            }
        }
    }
}
