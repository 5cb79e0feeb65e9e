//! Messages that are stored anew although their places are settled: from the stream once more, or from the dead letters.
//!
//! What an operator restores is history only: it appears in lists from then on, and no viewer that has passed its place is
//! shown it. So that nobody sees a message move either, any copy that is a row stays the row, whichever cursor is lower.

use std::collections::BTreeSet;

use deadpool_postgres::Transaction;

use super::columns::{self, Way};
use super::{Fates, Lives, known, late};
use crate::batch::fold::fold;
use crate::batch::{Batch, Row};
use crate::epochs::Epochs;
use crate::read::runs::key_of;
use crate::store::dead_letter::DeadLetter;
use crate::store::{StoreError, dead_letter, summary};
use crate::stored::StoredMessage;

/// How messages are stored anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// From the stream: what has a dead letter stays one, and what becomes one is stored as such.
    Replay,
    /// From the same, only to know what would become of them: nothing is written.
    DryReplay,
    /// A dead letter itself; it goes on being one where it cannot be stored.
    Letter,
    /// The same, nothing written.
    DryLetter,
}

/// What storing anew did, or would do.
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
    /// How many dead letters are there again.
    pub dead: usize,
}

/// Writes what has neither row nor dead letter, and no copy that is a row. Where it writes, the days must have partitions.
///
/// # Errors
/// When `PostgreSQL` is away or refuses, or a life of the stream was added since the batch was read.
pub async fn write_again(
    transaction: &Transaction<'_>,
    batch: &Batch<'_>,
    epochs: &Epochs,
    manner: Manner,
) -> Result<Again, StoreError> {
    // The lives as they are: a batch that was read with others would have other cursors.
    Lives::lock(transaction, epochs).await?;
    let rows: Vec<&Row<'_>> = batch.rows.iter().collect();
    let with_letters = matches!(manner, Manner::Replay | Manner::DryReplay);
    let found = late::find(transaction, &rows, with_letters).await?;
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
    let new: Vec<&StoredMessage> = open.iter().map(|group| &group.first.stored).collect();
    for group in &open {
        fates.copies(group.copies.iter().copied(), &group.first.stored, epochs);
    }
    again.rows = new.len();
    let verified = new.iter().filter(|stored| stored.verified);
    again.runs = verified
        .map(|stored| {
            let (namespace, key) = key_of(&stored.message.run);
            (namespace.to_owned(), key.into_owned())
        })
        .collect();
    again.there += fates.repeated;
    again.conflicts = fates.dead;
    again.conflicts.sort_by_key(|letter| (letter.epoch, letter.sequence));
    if matches!(manner, Manner::Replay | Manner::Letter) && !new.is_empty() {
        let inserted = columns::insert(transaction, &new, Way::Each).await?;
        // Somebody stored a copy of one meanwhile: the next try finds that.
        if let Some(stored) = new.iter().find(|stored| !inserted.contains(&(stored.cursor, stored.message.id))) {
            return Err(StoreError::Moved(stored.cursor));
        }
        summary::add(transaction, &new, &[]).await?;
    }
    let mut dead: Vec<DeadLetter> = batch.dead.iter().chain(&again.conflicts).cloned().collect();
    dead.sort_by_key(|letter| (letter.epoch, letter.sequence));
    again.dead = match manner {
        Manner::Replay => dead_letter::add(transaction, &dead).await?.len(),
        Manner::DryReplay => dead_letter::missing(transaction, &dead).await?,
        Manner::Letter | Manner::DryLetter => 0,
    };
    Ok(again)
}
