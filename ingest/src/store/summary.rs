//! What is known of runs, their steps and their sources, from the messages that are new.

pub mod recount;
mod runs;
mod sources;
mod steps;

use deadpool_postgres::Transaction;
use futures_util::future::join3;

use crate::cursor::Cursor;
use crate::store::StoreError;
use crate::stored::StoredMessage;

/// What a batch changes of what is known.
#[derive(Clone, Copy)]
struct Change<'a> {
    stored: &'a StoredMessage,
    /// Whether it is a row now; else it was one, and its original took its place.
    is_row: bool,
}

impl Change<'_> {
    fn count(self) -> i64 {
        if self.is_row { 1 } else { -1 }
    }
}

/// Adds what new messages say, and of messages that took the place of a copy, what the copy did not. A message that nobody
/// vouches for says nothing of a run.
pub(super) async fn add(
    transaction: &Transaction<'_>,
    new: &[&StoredMessage],
    replaced: &[(&StoredMessage, StoredMessage)],
) -> Result<(), StoreError> {
    let new = new.iter().map(|stored| Change { stored, is_row: true });
    let replaced =
        replaced.iter().flat_map(|(stored, copy)| [Change { stored, is_row: true }, Change { stored: copy, is_row: false }]);
    let changes: Vec<Change<'_>> = new.chain(replaced).filter(|change| change.stored.verified).collect();
    if changes.is_empty() {
        return Ok(());
    }
    // On the wire one follows the other, in this order, without waiting for its answer.
    let (runs, steps, sources) =
        join3(runs::add(transaction, &changes), steps::add(transaction, &changes), sources::add(transaction, &changes)).await;
    runs.and(steps).and(sources)
}

/// Positions as two columns; 0 where there is none.
fn positions(cursors: impl Iterator<Item = Option<Cursor>>) -> (Vec<i64>, Vec<i64>) {
    cursors.map(Option::unwrap_or_default).map(|cursor| (cursor.epoch, cursor.sequence)).unzip()
}
