//! Messages that are stored anew although their places are settled: from the stream once more, or from the dead letters.
//!
//! What an operator restores is history only: it appears in lists from then on, and no viewer that has passed its place is
//! shown it. So that nobody sees a message move either, any copy that is a row stays the row, whichever cursor is lower.

use std::collections::{BTreeSet, HashSet};

use deadpool_postgres::Transaction;

use super::{Fates, Lives, columns, known, late};
use crate::batch::fold::fold;
use crate::batch::{Batch, Row};
use crate::epochs::Epochs;
use crate::store::dead_letter::DeadLetter;
use crate::store::{StoreError, summary};
use crate::stored::StoredMessage;

/// What storing anew did.
#[derive(Debug, Default)]
pub struct Again {
    /// How many are rows again.
    pub rows: usize,
    /// Namespaces and keys of the runs that these are of.
    pub runs: BTreeSet<(String, String)>,
    /// How many were there already, as rows, as dead letters or by a copy of theirs.
    pub there: usize,
    /// What says something else than the row of its id.
    pub conflicts: Vec<DeadLetter>,
}

/// Writes what has neither row nor dead letter, and no copy that is a row. Of messages whose places are known to hold a
/// dead letter (`is_letter`), that letter does not count. The days must have partitions. Dead letters are given back, not
/// written.
///
/// # Errors
/// When `PostgreSQL` is away or refuses, or a life of the stream was added since the batch was read.
pub async fn write_again(
    transaction: &Transaction<'_>,
    batch: &Batch<'_>,
    epochs: &Epochs,
    is_letter: bool,
) -> Result<Again, StoreError> {
    // The lives as they are: a batch that was read with others would have other cursors.
    Lives::lock(transaction, epochs).await?;
    let rows: Vec<&Row<'_>> = batch.rows.iter().collect();
    let found = late::find(transaction, &rows, !is_letter).await?;
    let mut again = Again { there: found.len(), ..Again::default() };
    let rows: Vec<&Row<'_>> =
        rows.into_iter().enumerate().filter(|(index, _)| !found.contains(index)).map(|(_, row)| row).collect();
    let groups = fold(&rows);
    let mut fates = Fates::default();
    let firsts: Vec<&StoredMessage> = groups.iter().map(|group| &group.first.stored).collect();
    let copies = known::copies(transaction, &firsts).await?;
    let mut open = Vec::new();
    for (index, group) in groups.into_iter().enumerate() {
        match copies.get(&index) {
            Some(row) => fates.copies(group.all(), row, epochs),
            None => open.push(group),
        }
    }
    let firsts: Vec<&StoredMessage> = open.iter().map(|group| &group.first.stored).collect();
    let inserted = if firsts.is_empty() { HashSet::new() } else { columns::insert(transaction, &firsts).await? };
    let mut new = Vec::new();
    for group in open {
        let stored = &group.first.stored;
        if !inserted.contains(&(stored.cursor, stored.message.id)) {
            // Somebody stored a copy of it meanwhile: the next try finds that.
            return Err(StoreError::Moved(stored.cursor));
        }
        new.push(stored);
        fates.copies(group.copies.iter().copied(), stored, epochs);
    }
    summary::add(transaction, &new, &[]).await?;
    again.rows = new.len();
    again.runs = new.iter().filter(|stored| stored.verified).map(|stored| summary::run_of(stored)).collect();
    again.there += fates.repeated;
    again.conflicts = fates.dead;
    again.conflicts.sort_by_key(|letter| (letter.epoch, letter.sequence));
    Ok(again)
}
