//! One transaction a batch: messages, what is known of their runs, dead letters.
//!
//! Invariants, whatever replica stores what and in which order:
//! - one row for each namespace and id, and it is the copy with the lowest cursor; unmarked copies on another day than their
//!   original are the exception, which only a publisher that hides them can make;
//! - no row appears or changes at or below the watermark, but for what an operator restores (see [`again`]);
//! - each acknowledged position above the watermark is a row, a dead letter or a noted copy, and only one of them;
//! - stored twice, a batch changes nothing.

pub mod again;
mod bulk;
mod columns;
mod conflicts;
mod copies;
mod fates;
mod known;
mod late;
mod passed;

use deadpool_postgres::{Pool, Transaction};
use futures_util::future::join;

use crate::batch::{Batch, Likely, fold::fold};
use crate::cursor::Cursor;
use crate::epochs::Epochs;
use crate::store::{Lock, StoreError, dead_letter, summary};
use columns::Way;
use fates::Fates;

/// What a transaction did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inserted {
    /// Messages that are new.
    pub rows: usize,
    /// Messages that took the place of a copy of theirs.
    pub replaced: usize,
    /// Messages that were there: redelivered, or copies.
    pub repeated: usize,
    /// The classes of the dead letters that are new.
    pub dead: Vec<&'static str>,
    /// Whether something stood in the way of a new message: others that follow may find the same.
    pub clashed: bool,
}

/// Stores a batch that was read with these lives of the stream.
///
/// # Errors
/// When `PostgreSQL` is away or refuses, or a life of the stream was added since; nothing is stored then.
pub async fn insert(pool: &Pool, batch: &Batch<'_>, epochs: &Epochs) -> Result<Inserted, StoreError> {
    let mut client = pool.get().await?;
    let transaction = client.transaction().await.map_err(StoreError::of("begin"))?;
    let inserted = write(&transaction, batch, epochs).await?;
    transaction.commit().await.map_err(StoreError::of("commit"))?;
    Ok(inserted)
}

/// Writes a batch; nothing is stored before the transaction is committed.
///
/// # Errors
/// As [`insert`].
pub async fn write(transaction: &Transaction<'_>, batch: &Batch<'_>, epochs: &Epochs) -> Result<Inserted, StoreError> {
    let lives = Lives::lock(transaction, epochs).await?;
    let mut fates = Fates { dead: batch.dead.clone(), ..Fates::default() };
    fates.passed.extend(batch.expired.iter().filter(|cursor| !lives.is_settled(**cursor)));
    let mut rows = late::set_aside(transaction, &batch.rows, &lives, epochs, &mut fates).await?;
    if batch.likely == Likely::Known {
        rows = late::set_aside_known(transaction, rows, &mut fates).await?;
    }
    let groups = copies::set_aside(transaction, fold(&rows), epochs, &mut fates).await?;
    // Two days are two tables: rows that go there together do not go in the order of their keys.
    let way = if batch.likely == Likely::New && batch.days().len() == 1 { Way::Together } else { Way::Each };
    let written = copies::write(transaction, groups, way, epochs, &mut fates).await?;
    passed::forget(transaction, &fates.conflicts()).await?;
    passed::note(transaction, &mut fates.passed).await?;
    summary::add(transaction, &written.new, &written.replaced).await?;
    fates.dead.sort_by_key(|letter| (letter.epoch, letter.sequence));
    let dead = dead_letter::add(transaction, &fates.dead).await?;
    Ok(Inserted {
        rows: written.new.len(),
        replaced: written.replaced.len(),
        repeated: fates.repeated,
        dead,
        clashed: written.clashed,
    })
}

/// The lives of the stream and how far each is settled.
#[derive(Debug)]
struct Lives(Vec<Cursor>);

impl Lives {
    /// No life is added while a batch is being written, so its cursors are the same on every replica.
    async fn lock(transaction: &Transaction<'_>, epochs: &Epochs) -> Result<Self, StoreError> {
        let action = StoreError::of;
        let lock = "SELECT pg_advisory_xact_lock_shared($1)";
        let lock = transaction.prepare_cached(lock).await.map_err(action("lock the lives of the stream"))?;
        // Of a life that has ended, nothing more becomes a row.
        let read = "SELECT epoch, CASE WHEN settled THEN 9223372036854775807 ELSE watermark END, kept_from \
                    FROM workflow_comms.stream_epochs ORDER BY epoch";
        let read = transaction.prepare_cached(read).await.map_err(action("read the lives of the stream"))?;
        // On the wire one follows the other without waiting for its answer.
        let key = Lock::Epochs.key();
        let (locked, rows) = join(transaction.execute(&lock, &[&key]), transaction.query(&read, &[])).await;
        locked.map_err(action("lock the lives of the stream"))?;
        let watermark = |row: &tokio_postgres::Row| Ok(Cursor { epoch: row.try_get(0)?, sequence: row.try_get(1)? });
        let rows = rows.map_err(action("read the lives of the stream"))?;
        let watermarks: Vec<Cursor> =
            rows.iter().map(watermark).collect::<Result<_, _>>().map_err(action("read the lives of the stream"))?;
        // Nor is a day dropped meanwhile: what belongs to one that is gone must not become a row.
        let kept =
            |row: &tokio_postgres::Row| Ok(epochs.get(row.try_get(0)?).map(|epoch| epoch.kept_from) == Some(row.try_get(2)?));
        let kept: Vec<bool> = rows.iter().map(kept).collect::<Result<_, _>>().map_err(action("read the lives of the stream"))?;
        if watermarks.last().is_some_and(|newest| newest.epoch == epochs.newest()) && !kept.contains(&false) {
            Ok(Self(watermarks))
        } else {
            Err(StoreError::EpochChanged)
        }
    }

    /// Whether everything up to a position is settled.
    fn is_settled(&self, cursor: Cursor) -> bool {
        self.0.iter().any(|watermark| watermark.epoch == cursor.epoch && cursor.sequence <= watermark.sequence)
    }
}
