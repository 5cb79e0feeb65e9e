//! Settles what the ring alone cannot know: whether a copy that was sent again is the message. Once everything up to the
//! copy is committed the table knows: the copy is the message if its own cursor has a row.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use super::Shared;
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
        if waiting.is_empty() {
            tokio::select! {
                Ok(()) = settled.changed() => {}
                Ok(()) = changes.changed() => {}
                else => return,
            }
            continue;
        }
        match verdicts(shared, &waiting).await {
            Ok(shown) => shared.change(|ring| {
                for cursor in waiting {
                    let is_message = shown.contains(&cursor);
                    if !is_message {
                        shared.metrics.copies.inc();
                    }
                    ring.decide(cursor, is_message);
                }
            }),
            Err(error) => {
                tracing::info!(error = &error as &dyn std::error::Error, "cannot settle resent copies yet, trying again");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

async fn verdicts(shared: &Shared, waiting: &[Cursor]) -> Result<HashSet<Cursor>, read::ReadError> {
    let mut by_epoch: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for cursor in waiting {
        by_epoch.entry(cursor.epoch).or_default().push(cursor.sequence);
    }
    let mut shown = HashSet::new();
    for (epoch, sequences) in by_epoch {
        let present = read::messages::present(&shared.pool, epoch, &sequences).await?;
        shown.extend(present.into_iter().map(|sequence| Cursor { epoch, sequence }));
    }
    Ok(shown)
}
