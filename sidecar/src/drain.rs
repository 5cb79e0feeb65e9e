//! The main loop, and the end of it: when the step is over, everything is read, sent and answered for, or told as unsent,
//! before a deadline.

use std::sync::Arc;
use std::time::{Duration, Instant};

use service::signals::Stop;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use crate::ledger::Ledger;
use crate::metrics::{Metrics, Oldest, gauge};
use crate::publish::connection::{Connecting, Connection, Hints};
use crate::publish::saving::Saving;
use crate::publish::{CHECK, Publisher};
use crate::reader::{Outgoing, Reader};
use crate::socket::intake::Intake;

/// How often files are looked at whatever is heard of them.
const POLL: Duration = Duration::from_millis(250);
/// The shortest time between two searches for new files.
const SEARCH_PAUSE: Duration = Duration::from_millis(100);
/// Messages that are made before they are handed to the connection: few, so that making and sending go on side by side.
const BATCH: usize = 32;
/// Rounds of making, sending and taking answers before anything else is looked at.
const ROUNDS: usize = 256;
/// How long connections may take to hand over what they had read, once the step has ended.
const LAST_RECORDS: Duration = Duration::from_millis(500);

/// How long the words of the end alone wait for a connection: a step that said nothing is not held for them.
const LONELY_WORDS: Duration = Duration::from_secs(2);

/// Everything that moves records.
#[derive(Debug)]
pub struct Pump {
    /// Makes messages.
    pub reader: Reader,
    /// Sends them.
    pub publisher: Publisher,
    /// What is acknowledged.
    pub ledger: Ledger,
    /// Writes the checkpoint.
    pub saving: Saving,
    /// Takes records until the end.
    pub intake: Intake,
    /// Numbers.
    pub metrics: Metrics,
    /// Told when there may be something to read.
    pub readable: Arc<Notify>,
    /// What the client says.
    pub hints: Arc<Hints>,
    /// Makes connections.
    pub connecting: Connecting,
    /// Which message is the oldest that is not acknowledged.
    pub oldest: Oldest,
}

impl Pump {
    /// Reads and publishes until it is told to stop, then to the end of everything, at most for `drain_time` and not after
    /// it is told a second time.
    pub async fn run(mut self, signals: &Stop, connections: TaskTracker, drain_time: Duration) {
        let stop = &signals.stop;
        let mut connection = None;
        let mut searched_at = None;
        while !stop.is_cancelled() {
            self.search(&mut searched_at);
            let wait = self.turn(&mut connection).await;
            self.renew(&mut connection);
            self.saving.save_when_due(&mut self.ledger, &self.metrics);
            let save_in = self.saving.wait(&self.ledger, Instant::now()).unwrap_or(POLL);
            let wait = wait.min(POLL).min(save_in.max(Duration::from_millis(1)));
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = self.happening(&mut connection) => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
        let told_to_stop_at = Instant::now();
        let mut deadline = told_to_stop_at + drain_time;
        connections.close();
        // Those that wait for room in a full spool get it from what is sent meanwhile.
        let handed_over = connections.wait();
        tokio::pin!(handed_over);
        let hand_over_by = tokio::time::Instant::now() + LAST_RECORDS.min(drain_time / 2);
        self.publisher.drain();
        let mut handing_over = true;
        loop {
            if handing_over {
                self.reader.discover(&mut self.ledger);
            }
            let wait = self.turn(&mut connection).await;
            let is_over = self.reader.is_finished() && self.publisher.is_empty();
            if is_over || Instant::now() >= deadline || signals.at_once.is_cancelled() {
                break;
            }
            if connection.is_none() && self.has_only_last_words() {
                deadline = deadline.min(told_to_stop_at + LONELY_WORDS);
            }
            self.saving.save_when_due(&mut self.ledger, &self.metrics);
            let wait = wait.min(CHECK).min(deadline.saturating_duration_since(Instant::now()));
            tokio::select! {
                () = &mut handed_over, if handing_over => handing_over = false,
                () = tokio::time::sleep_until(hand_over_by), if handing_over => handing_over = false,
                () = signals.at_once.cancelled() => {}
                () = self.happening(&mut connection) => {}
                () = tokio::time::sleep(wait) => {}
            }
            if !handing_over {
                // What is accepted would be read no more: who still writes gets no answer, and sends again elsewhere.
                self.intake.close();
                self.reader.finish();
            }
        }
        self.end(connection).await;
    }

    /// One round: read, send, take answers. Gives how long nothing will be to do unless something happens.
    async fn turn(&mut self, connection: &mut Option<Connection>) -> Duration {
        // A bounded number of rounds, so that stopping and saving are never starved.
        for _ in 0..ROUNDS {
            let made = self.publisher.fill(&mut self.reader, &mut self.ledger, &mut self.saving, BATCH);
            let Some(connection) = connection.as_mut() else {
                if made < BATCH {
                    return POLL;
                }
                continue;
            };
            if let Some(complaint) = self.hints.take_error() {
                self.publisher.complained(complaint);
            }
            let mut wait = self.publisher.send(connection, &self.saving).unwrap_or(POLL);
            // What was sent goes out while the next is made: the server is not kept waiting for a full window.
            tokio::task::yield_now().await;
            let mut answered = false;
            while let Some(answer) = connection.answer_now() {
                self.publisher.answered(answer, &mut self.ledger);
                answered = true;
            }
            if !answered && made < BATCH {
                if !self.publisher.is_empty() {
                    wait = wait.min(CHECK);
                }
                return wait;
            }
        }
        Duration::ZERO
    }

    /// Waits until there may be something to do.
    async fn happening(&mut self, connection: &mut Option<Connection>) {
        let Some(connected) = connection else {
            tokio::select! {
                made = self.connecting.next() => {
                    *connection = Some(made);
                    self.publisher.connected();
                }
                () = self.readable.notified() => {}
            }
            return;
        };
        tokio::select! {
            answered = connected.answer() => if let Some(answered) = answered {
                self.publisher.answered(answered, &mut self.ledger);
            } else {
                *connection = None;
                self.publisher.connection_lost();
            },
            () = self.readable.notified() => {}
            () = self.hints.changed.notified() => {}
        }
    }

    /// A certificate or token that was renewed is used from now on: the connection is left as soon as everything on it is answered.
    fn renew(&mut self, connection: &mut Option<Connection>) {
        if connection.is_some() && self.connecting.has_new_credentials(Instant::now()) && self.publisher.rest() {
            tracing::info!("the credentials of the connection were renewed, making another");
            *connection = None;
            self.publisher.connection_lost();
        }
    }

    /// Looks for new files, now and then.
    fn search(&mut self, searched_at: &mut Option<Instant>) {
        if searched_at.is_none_or(|at| at.elapsed() >= SEARCH_PAUSE) {
            self.reader.discover(&mut self.ledger);
            *searched_at = Some(Instant::now());
            self.look();
        }
    }

    /// Brings the numbers up to date that nobody else counts.
    fn look(&mut self) {
        let (files, spool) = self.reader.behind(&self.ledger);
        self.metrics.files_behind.set(gauge(files));
        self.metrics.spool_behind.set(gauge(spool));
        self.metrics.spool_held.set(gauge(self.intake.spool().held()));
        let (followed, watching) = self.reader.files();
        self.metrics.files_followed.set(i64::try_from(followed).unwrap_or(i64::MAX));
        self.metrics.watching.set(i64::from(watching));
        let oldest = self.publisher.unstored().next().map(|outgoing| outgoing.id);
        let age = self.oldest.age(oldest, Instant::now());
        self.metrics.oldest_unacknowledged.set(age.as_secs_f64());
        let behind = self.saving.behind_since().map_or(Duration::ZERO, |at| at.elapsed());
        self.metrics.checkpoint_age.set(behind.as_secs_f64());
        self.metrics.seen.set(&self.reader.counts());
    }

    /// Whether nothing that a step said is left, only what is said of its end.
    fn has_only_last_words(&self) -> bool {
        self.reader.is_finished() && self.publisher.unstored().all(Outgoing::is_of_the_end)
    }

    async fn end(mut self, connection: Option<Connection>) {
        if let Some(connection) = &connection {
            connection.flush().await;
        }
        self.saving.save_now(&mut self.ledger, &self.metrics);
        let unsent = self.unsent();
        self.look();
        let counts = self.reader.counts();
        let metrics = &self.metrics;
        tracing::info!(
            read.lines = counts.lines,
            read.parse_errors = counts.parse_errors,
            read.redactions = counts.redactions.values().sum::<u64>(),
            published.messages = metrics.published.get(),
            published.bytes = metrics.published_bytes.get(),
            resent.messages = metrics.resends.get(),
            set_aside.messages = metrics.set_aside.get(),
            late.messages = metrics.late.get(),
            gaps = metrics.gaps.get(),
            connects = metrics.connects.get(),
            throttled.milliseconds = metrics.throttled.get(),
            "in all"
        );
        let published = metrics.published.get();
        if unsent.is_empty() {
            tracing::info!(published.messages = published, "everything was sent");
        } else {
            tracing::error!(
                published.messages = published,
                unsent = unsent.join(", "),
                "the time is over before everything was sent"
            );
        }
    }

    /// What the stream does not have, by source: `label generation start..end`.
    fn unsent(&self) -> Vec<String> {
        let mut ranges: Vec<(String, u64, u64, u64)> = Vec::new();
        for outgoing in self.publisher.unstored() {
            let source = &outgoing.speaker.source;
            match ranges.iter_mut().find(|(label, generation, ..)| *label == source.label && *generation == source.generation) {
                Some((_, _, _, end)) => *end = (*end).max(outgoing.end),
                None => ranges.push((source.label.clone(), source.generation, outgoing.start, outgoing.end)),
            }
        }
        let sent = ranges.into_iter().map(|(label, generation, start, end)| format!("{label} {generation} {start}..{end}"));
        sent.chain(self.reader.unread(&self.ledger).into_iter().map(|(label, start)| format!("{label} {start}.."))).collect()
    }
}
