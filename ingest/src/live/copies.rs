//! Settles what the ring alone cannot know: whether a copy that was sent again is the message. Once everything up to the
//! copy is committed the table knows: the copy is the message if its own cursor has a row. Where ids below the ring are
//! missing, anything may be a copy; the table tells these ids too, once it holds everything below the ring, and from there on
//! what comes is shown at once again.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use super::Shared;
use super::ids::RECALLED;
use crate::cursor::Cursor;
use crate::read;

/// How many are asked for at once.
const BATCH: usize = 1_000;
/// How long to wait before asking again a table that did not answer.
const RETRY: Duration = Duration::from_millis(500);

/// Decides as the watermark rises and copies come, for ever.
pub(super) async fn decide(shared: &Shared) {
    let mut settled = shared.settled.clone();
    let mut changes = shared.changes.subscribe();
    loop {
        let watermark = settled.borrow_and_update().watermark;
        changes.borrow_and_update();
        let waiting = shared.ring().waiting(watermark, BATCH);
        let missing_to = shared.ids().missing_to().filter(|base| *base <= watermark);
        if waiting.is_empty() && missing_to.is_none() {
            tokio::select! {
                Ok(()) = settled.changed() => {}
                Ok(()) = changes.changed() => {}
                else => return,
            }
            continue;
        }
        let decided = if waiting.is_empty() { Ok(()) } else { settle(shared, waiting).await };
        // Also while copies come without end.
        let recalled = if let Some(base) = missing_to { recall(shared, base).await } else { Ok(()) };
        if let Err(error) = decided.and(recalled) {
            tracing::info!(error = &error as &dyn std::error::Error, "cannot settle copies yet, trying again");
            tokio::time::sleep(RETRY).await;
        }
    }
}

async fn settle(shared: &Shared, waiting: Vec<Cursor>) -> Result<(), read::ReadError> {
    let shown = verdicts(shared, &waiting).await?;
    shared.change(|ring| {
        for cursor in waiting {
            let is_message = shown.contains(&cursor);
            if !is_message {
                shared.metrics.copies.inc();
            }
            ring.decide(cursor, is_message);
        }
    });
    Ok(())
}

/// Learns the ids that were missing below the ring, unless it began anew meanwhile.
async fn recall(shared: &Shared, base: Cursor) -> Result<(), read::ReadError> {
    let newest = read::messages::newest_ids(&shared.pools.storing, base, RECALLED).await?;
    {
        let mut ids = shared.ids();
        ids.recall(&newest);
        if ids.missing_to() == Some(base) {
            ids.fill(base, base);
            tracing::info!(ring.base = %base, "everything below the ring is stored");
        }
    }
    // Who is below the ring may be read for from the stream now.
    shared.change(|_| ());
    Ok(())
}

async fn verdicts(shared: &Shared, waiting: &[Cursor]) -> Result<HashSet<Cursor>, read::ReadError> {
    let mut by_epoch: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for cursor in waiting {
        by_epoch.entry(cursor.epoch).or_default().push(cursor.sequence);
    }
    let mut shown = HashSet::new();
    for (epoch, sequences) in by_epoch {
        let present = read::messages::present(&shared.pools.storing, epoch, &sequences).await?;
        shown.extend(present.into_iter().map(|sequence| Cursor { epoch, sequence }));
    }
    Ok(shown)
}
