//! Stores what was gathered, however long `PostgreSQL` is away, and acknowledges what is committed.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use async_nats::jetstream::AckKind;
use async_nats::jetstream::message::Acker;
use message::Timestamp;
use time::OffsetDateTime;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::gather::Held;
use super::life::Suspicion;
use super::{POSTGRES_CONDITION, Storing};
use crate::batch::{Batch, Delivery};
use crate::epochs::Epochs;
use crate::store::epochs;
use crate::store::error::Remedy;
use crate::store::partitions::Partitions;
use crate::store::{StoreError, insert::insert};

/// Twice within the shortest time to acknowledge that the stream's definition allows (60 s).
const EXTEND: Duration = Duration::from_secs(20);
const SHORTEST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(5);
/// How long a stopping replica goes on trying; then others get what it holds.
const LAST_TRIES: Duration = Duration::from_secs(5);

/// What storing remembers between batches.
struct Keeper {
    storing: Storing,
    epochs: Option<Epochs>,
    partitions: Partitions,
}

/// Stores batches until there are no more.
pub(super) async fn run(storing: Storing, mut batches: mpsc::Receiver<Held>) {
    let partitions = Partitions::new(storing.retention_days);
    let mut keeper = Keeper { storing, epochs: None, partitions };
    while let Some(held) = batches.recv().await {
        keeper.keep(&held).await;
    }
}

impl Keeper {
    /// Stores a batch, halving it around what `PostgreSQL` refuses; meanwhile it stays ours.
    async fn keep(&mut self, held: &Held) {
        let extend_from = Instant::now() + EXTEND;
        let mut extend = tokio::time::interval_at(extend_from, EXTEND);
        let work = self.keep_all(held);
        tokio::pin!(work);
        loop {
            tokio::select! {
                () = &mut work => return,
                _ = extend.tick() => answer(&held.ackers, AckKind::Progress).await,
            }
        }
    }

    async fn keep_all(&mut self, held: &Held) {
        let whole = 0..held.deliveries.len();
        let mut open = Vec::from([whole]);
        let mut delay = SHORTEST_DELAY;
        let mut last_try = None;
        while let Some(range) = open.pop() {
            let error = match self.try_once(&held.deliveries[range.clone()], None).await {
                Ok(()) => {
                    delay = SHORTEST_DELAY;
                    answer(&held.ackers[range], AckKind::Ack).await;
                    continue;
                }
                Err(error) => error,
            };
            self.storing.metrics.failed(error.label());
            if let StoreError::PlaceTaken(_, at) = error {
                self.storing.life.suspect(Suspicion::Backwards { at });
            }
            match error.remedy() {
                Remedy::ReadEpochs => {
                    self.epochs = None;
                    open.push(range);
                    continue;
                }
                Remedy::Bisect if range.len() > 1 => {
                    open.extend(halves(&range));
                    continue;
                }
                Remedy::Bisect => {
                    // One message that the tables refuse: its bytes are kept beside them.
                    if self.try_once(&held.deliveries[range.clone()], Some(&error)).await.is_ok() {
                        answer(&held.ackers[range], AckKind::Ack).await;
                        continue;
                    }
                }
                Remedy::Retry => {
                    // Whatever was known may be what is wrong.
                    self.partitions.forget();
                    self.epochs = None;
                }
            }
            open.push(range);
            let line = service::causes::in_one_line(&error);
            self.storing.readiness.fail(POSTGRES_CONDITION, line.clone());
            if self.storing.stop.is_cancelled() {
                let until = *last_try.get_or_insert_with(|| Instant::now() + LAST_TRIES);
                if Instant::now() >= until {
                    tracing::warn!(error = line, "stopping with messages that could not be stored; others get them");
                    for range in open {
                        answer(&held.ackers[range], AckKind::Nak(None)).await;
                    }
                    return;
                }
            }
            tracing::debug!(error = line, "not stored yet, trying again");
            tokio::time::sleep(delay).await;
            delay = (delay * 2).min(LONGEST_DELAY);
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
        let now = OffsetDateTime::now_utc();
        let batch = match refused {
            Some(error) => {
                let dead = deliveries.iter().map(|delivery| delivery.dead_letter(&epochs, "refused", error)).collect();
                Batch { dead, ..Batch::default() }
            }
            None => Batch::read(deliveries, &epochs, self.partitions.oldest_day(now)),
        };
        self.partitions.ensure(&self.storing.pool, &batch.days(), now).await?;
        let begun = Instant::now();
        let inserted = insert(&self.storing.pool, &batch, &epochs).await?;
        self.storing.readiness.hold(POSTGRES_CONDITION);
        self.storing.metrics.stored(&batch, &inserted, begun.elapsed());
        if !inserted.dead.is_empty() {
            let classes: BTreeSet<&str> = inserted.dead.iter().copied().collect();
            let classes: Vec<&str> = classes.into_iter().collect();
            let count = inserted.dead.len();
            tracing::warn!(dead_letters.count = count, dead_letters.classes = classes.join(","), "dead letters stored");
        }
        Ok(())
    }
}

fn halves(range: &Range<usize>) -> [Range<usize>; 2] {
    let middle = range.start + range.len() / 2;
    [middle..range.end, range.start..middle]
}

/// Answers the server. A lost answer only means that the message comes again, and then it is there already.
async fn answer(ackers: &[Acker], kind: AckKind) {
    for acker in ackers {
        if let Err(error) = acker.ack_with(kind).await {
            tracing::debug!(error = %error, "an answer to the stream was not sent");
            return;
        }
    }
}
