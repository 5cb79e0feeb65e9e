//! Stores what was gathered, however long `PostgreSQL` is away, and acknowledges what is committed.
//!
//! Two tasks do so side by side, each with a batch of its own. No order between them is needed: of copies of one message the
//! lowest cursor wins, whichever is stored first. What the tables refuse, or what must wait, holds up its own batch alone.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, RandomState};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::AckKind;
use message::Timestamp;
use tokio::sync::{Mutex, mpsc};
use tokio::time::Instant;

use super::answer::Answers;
use super::gather::Held;
use super::life::Suspicion;
use super::trouble::Trouble;
use super::{Storing, pause};
use crate::batch::{Batch, Delivery, Likely};
use crate::cursor::Cursor;
use crate::epochs::Epochs;
use crate::store::clock::DatabaseClock;
use crate::store::error::Remedy;
use crate::store::insert::{Inserted, insert};
use crate::store::partitions::Partitions;
use crate::store::{StoreError, epochs};

const SHORTEST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(5);
/// After something stood in the way of a new row, so many batches are written row by row.
const MIXED: u32 = 50;
/// How long a stopping replica goes on trying; then others get what it holds.
const LAST_TRIES: Duration = Duration::from_secs(5);
/// When they get it: while `PostgreSQL` is away, stopping replicas would else hand it round as fast as they can.
const GIVEN_BACK: Duration = Duration::from_secs(2);

/// One task that stores, and what it remembers between batches.
pub(super) struct Keeper {
    storing: Storing,
    answers: mpsc::Sender<Answers>,
    trouble: Trouble,
    epochs: Option<Epochs>,
    partitions: Partitions,
    clock: DatabaseClock,
    likely: Likely,
    /// For how many batches more something is expected to be there already.
    mixed: u32,
}

impl Keeper {
    pub(super) fn new(storing: Storing, answers: mpsc::Sender<Answers>, trouble: Trouble) -> Self {
        let partitions = Partitions::new(storing.retention_days);
        Self {
            storing,
            answers,
            trouble,
            epochs: None,
            partitions,
            clock: DatabaseClock::default(),
            likely: Likely::New,
            mixed: 0,
        }
    }

    /// Stores batches until there are no more.
    pub(super) async fn run(mut self, batches: Arc<Mutex<mpsc::Receiver<Held>>>) {
        loop {
            let next = batches.lock().await.recv().await;
            let Some(held) = next else { return };
            self.keep(held).await;
        }
    }

    /// Stores a batch, the lowest positions first, or gives back what cannot be stored before this replica ends; whether all
    /// of it is stored.
    pub(super) async fn keep(&mut self, held: Held) -> bool {
        let stop = self.storing.stop.clone();
        let whole = 0..held.deliveries.len();
        let mut open = Vec::from([whole]);
        let out_of_time = async {
            stop.cancelled().await;
            tokio::time::sleep(LAST_TRIES).await;
        };
        let is_stored = tokio::select! {
            () = self.keep_all(&held, &mut open) => true,
            () = out_of_time => false,
        };
        if !is_stored {
            tracing::warn!("stopping with messages that could not be stored; others get them");
            for range in open {
                self.answer(&held, range, AckKind::Nak(Some(GIVEN_BACK))).await;
            }
        }
        is_stored
    }

    /// Stores what is open, halving it around what `PostgreSQL` refuses.
    async fn keep_all(&mut self, held: &Held, open: &mut Vec<Range<usize>>) {
        let mut delay = SHORTEST_DELAY;
        while let Some(range) = open.last().cloned() {
            let deliveries = &held.deliveries[range.clone()];
            let error = match self.try_once(deliveries, None).await {
                Ok(()) => {
                    delay = SHORTEST_DELAY;
                    open.pop();
                    self.answer(held, range, AckKind::Ack).await;
                    continue;
                }
                Err(error) => error,
            };
            self.storing.metrics.failed(error.label());
            if let StoreError::PlaceTaken(Cursor { sequence, .. }, at) = error {
                self.storing.life.suspect(Suspicion::Taken { sequence, at });
            }
            match error.remedy() {
                Remedy::ReadEpochs => {
                    self.epochs = None;
                    continue;
                }
                Remedy::Bisect if range.len() > 1 => {
                    open.pop();
                    open.extend(halves(&range));
                    continue;
                }
                Remedy::Bisect => {
                    // One message that the tables refuse: its bytes are kept beside them.
                    if self.try_once(deliveries, Some(&error)).await.is_ok() {
                        open.pop();
                        self.answer(held, range, AckKind::Ack).await;
                        continue;
                    }
                }
                Remedy::Retry => {
                    // Whatever was known may be what is wrong.
                    self.partitions.forget();
                    self.epochs = None;
                }
            }
            let line = service::causes::in_one_line(&error);
            tracing::debug!(error = line, "not stored yet, trying again");
            self.trouble.tell(line);
            self.wait(jittered(delay)).await;
            delay = (delay * 2).min(LONGEST_DELAY);
        }
    }

    /// Waits before the next try; a replica that is told to stop tries again soon.
    async fn wait(&self, delay: Duration) {
        if self.storing.stop.is_cancelled() {
            tokio::time::sleep(delay.min(LAST_TRIES / 10)).await;
        } else {
            pause(&self.storing.stop, delay).await;
        }
    }

    /// One transaction. With a reason, the messages go to the dead letters for it.
    async fn try_once(&mut self, deliveries: &[Delivery], refused: Option<&StoreError>) -> Result<(), StoreError> {
        let handed = deliveries.iter().map(|delivery| (delivery.sequence, Timestamp::new(delivery.stored_at)));
        self.storing.life.admit(handed).await?;
        let epochs = match &self.epochs {
            Some(epochs) => epochs.clone(),
            None => self.epochs.insert(epochs::read(&self.storing.pool).await?).clone(),
        };
        let now = self.clock.now(&self.storing.pool).await?;
        let batch = match refused {
            Some(error) => {
                let dead = deliveries.iter().map(|delivery| delivery.dead_letter(&epochs, "refused", error)).collect();
                Batch { dead, ..Batch::default() }
            }
            None => Batch { likely: self.likely, ..Batch::read(deliveries, &epochs, self.partitions.oldest_day(now)) },
        };
        self.partitions.ensure(&self.storing.pool, &batch.days(), now).await?;
        let begun = Instant::now();
        let inserted = insert(&self.storing.pool, &batch, &epochs).await?;
        self.trouble.is_over();
        self.expect(&inserted);
        self.storing.metrics.stored(&batch, &inserted, begun.elapsed());
        if !inserted.dead.is_empty() {
            let classes: BTreeSet<&str> = inserted.dead.iter().copied().collect();
            let classes: Vec<&str> = classes.into_iter().collect();
            let count = inserted.dead.len();
            tracing::warn!(dead_letters.count = count, dead_letters.classes = classes.join(","), "dead letters stored");
        }
        Ok(())
    }

    /// What follows is likely to be what was stored last: delivered again, or said again, as that was.
    fn expect(&mut self, inserted: &Inserted) {
        self.mixed = if inserted.clashed { MIXED } else { self.mixed.saturating_sub(1) };
        self.likely = match self.mixed {
            _ if inserted.repeated > inserted.rows => Likely::Known,
            0 => Likely::New,
            _ => Likely::Mixed,
        };
    }

    async fn answer(&self, held: &Held, range: Range<usize>, kind: AckKind) {
        let answers = Answers { replies: held.ours.replies(range), kind };
        if self.answers.send(answers).await.is_err() {
            tracing::debug!("nobody sends answers any more; the messages come again");
        }
    }
}

fn halves(range: &Range<usize>) -> [Range<usize>; 2] {
    let middle = range.start + range.len() / 2;
    [middle..range.end, range.start..middle]
}

/// Between the half and the whole, so that replicas do not come all at once. The keys of a hasher are random for each one
/// made.
fn jittered(delay: Duration) -> Duration {
    let share = u32::try_from(RandomState::new().hash_one(0) % 512).unwrap_or(0);
    delay / 2 + delay * share / 1_024
}
