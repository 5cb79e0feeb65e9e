//! What comes when everything up to its place is settled: no row may appear there any more, because viewers have passed it.
//!
//! Nearly always it was delivered again and is there. Else it was held by a replica for so long that the stream discarded it
//! and its place was given up: it is kept beside the rows, with its bytes.

use std::collections::HashSet;

use deadpool_postgres::Transaction;
use time::OffsetDateTime;

use super::{Fates, Lives, known};
use crate::batch::Row;
use crate::cursor::Cursor;
use crate::epochs::Epochs;
use crate::store::{Lock, StoreError};
use crate::stored::same_words;

/// A message came after its place was settled.
#[derive(Debug, thiserror::Error)]
#[error("everything up to its place was settled before it came")]
pub(super) struct Late;

const FIND: &str = "SELECT key.n \
    FROM unnest($1::integer[], $2::timestamptz[], $3::bigint[], $4::bigint[]) AS key (n, ts, epoch, seq) \
    WHERE EXISTS (SELECT FROM workflow_comms.agent_messages AS m \
            WHERE m.stream_ts = key.ts AND m.epoch = key.epoch AND m.stream_seq = key.seq) \
        OR $5 AND EXISTS (SELECT FROM workflow_comms.dead_letters AS dead \
            WHERE dead.epoch = key.epoch AND dead.stream_seq = key.seq AND dead.class <> 'discarded')";

/// Takes one sequence out of the range of discarded ones that covers it, and leaves the two rests of it.
const CUT: &str = "DELETE FROM workflow_comms.dead_letters \
    WHERE class = 'discarded' AND epoch = $1 AND stream_seq <= $2 \
        AND CASE WHEN class = 'discarded' THEN error::bigint >= $2 END \
    RETURNING stream_seq, error::bigint, stream_ts";

const REST: &str = "INSERT INTO workflow_comms.dead_letters (epoch, stream_seq, stream_ts, subject, payload, class, error) \
    VALUES ($1, $2, $3, '', '', 'discarded', $4::bigint::text)";

/// Takes out what is settled already. Gives the others.
pub(super) async fn set_aside<'a, 'b>(
    transaction: &Transaction<'_>,
    rows: &'b [Row<'a>],
    lives: &Lives,
    epochs: &Epochs,
    fates: &mut Fates,
) -> Result<Vec<&'b Row<'a>>, StoreError> {
    let (settled, open): (Vec<&Row<'_>>, Vec<_>) = rows.iter().partition(|row| lives.is_settled(row.stored.cursor));
    if settled.is_empty() {
        return Ok(open);
    }
    fates.repeated += settled.len();
    let there = find(transaction, &settled, true).await?;
    let strangers: Vec<&Row<'_>> =
        settled.into_iter().enumerate().filter(|(index, _)| !there.contains(index)).map(|(_, row)| row).collect();
    let messages: Vec<_> = strangers.iter().map(|row| &row.stored).collect();
    let copied = known::lower_copies(transaction, &messages).await?;
    let (mut late, mut contested) = (Vec::new(), Vec::new());
    for (index, row) in strangers.into_iter().enumerate() {
        match copied.get(&index) {
            None => late.push(row),
            Some(original) if !same_words((&row.stored.message).into(), (&original.message).into()) => {
                contested.push((row, original));
            }
            // A copy needs no place of its own.
            Some(_) => {}
        }
    }
    fates.repeated -= late.len() + contested.len();
    give_up(transaction, late, epochs, fates).await?;
    contested.sort_by_key(|(row, _)| row.stored.cursor);
    cut_out(transaction, contested.iter().map(|(row, _)| row.stored.cursor)).await?;
    for (row, original) in contested {
        fates.copies(std::iter::once(row), original, epochs);
    }
    Ok(open)
}

/// Takes out what has its own fate in the tables already, as a row or as a dead letter. Inserting would find the same, and
/// costs more the more of them there are.
pub(super) async fn set_aside_known<'a, 'b>(
    transaction: &Transaction<'_>,
    rows: Vec<&'b Row<'a>>,
    fates: &mut Fates,
) -> Result<Vec<&'b Row<'a>>, StoreError> {
    if rows.is_empty() {
        return Ok(rows);
    }
    let there = find(transaction, &rows, true).await?;
    fates.repeated += there.len();
    Ok(rows.into_iter().enumerate().filter(|(index, _)| !there.contains(index)).map(|(_, row)| row).collect())
}

/// Makes them dead letters, and no longer part of what is told as discarded.
pub(super) async fn give_up(
    transaction: &Transaction<'_>,
    mut late: Vec<&Row<'_>>,
    epochs: &Epochs,
    fates: &mut Fates,
) -> Result<(), StoreError> {
    late.sort_by_key(|row| row.stored.cursor);
    cut_out(transaction, late.iter().map(|row| row.stored.cursor)).await?;
    fates.dead.extend(late.iter().map(|row| row.delivery.dead_letter(epochs, "late", &Late)));
    Ok(())
}

/// Takes positions, in their order, out of what is told as discarded.
async fn cut_out(transaction: &Transaction<'_>, places: impl ExactSizeIterator<Item = Cursor>) -> Result<(), StoreError> {
    if places.len() == 0 {
        return Ok(());
    }
    let action = StoreError::of;
    // Two that cut the same range at once would each leave what the other took.
    let lock = "SELECT pg_advisory_xact_lock($1)";
    transaction.execute(lock, &[&Lock::Discarded.key()]).await.map_err(action("lock what is told as discarded"))?;
    let cut = transaction.prepare_cached(CUT).await.map_err(action("cut a discarded range"))?;
    let rest = transaction.prepare_cached(REST).await.map_err(action("cut a discarded range"))?;
    for cursor in places {
        let found = transaction.query(&cut, &[&cursor.epoch, &cursor.sequence]).await;
        for range in found.map_err(action("cut a discarded range"))? {
            let read = |index| range.try_get::<_, i64>(index).map_err(action("cut a discarded range"));
            let (first, last) = (read(0)?, read(1)?);
            let told: OffsetDateTime = range.try_get(2).map_err(action("cut a discarded range"))?;
            for (from, to) in [(first, cursor.sequence - 1), (cursor.sequence + 1, last)] {
                if from <= to {
                    let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 4] = [&cursor.epoch, &from, &told, &to];
                    transaction.execute(&rest, &parameters).await.map_err(action("cut a discarded range"))?;
                }
            }
        }
    }
    Ok(())
}

/// Those that are there: as a row, or, where that counts, as a dead letter. By index.
pub(super) async fn find(
    transaction: &Transaction<'_>,
    rows: &[&Row<'_>],
    with_letters: bool,
) -> Result<HashSet<usize>, StoreError> {
    let action = StoreError::of;
    let numbers: Vec<i32> = (0..i32::try_from(rows.len()).unwrap_or(i32::MAX)).collect();
    let times: Vec<OffsetDateTime> = rows.iter().map(|row| row.stored.created_at.moment()).collect();
    let epochs: Vec<i64> = rows.iter().map(|row| row.stored.cursor.epoch).collect();
    let sequences: Vec<i64> = rows.iter().map(|row| row.stored.cursor.sequence).collect();
    let find = transaction.prepare_cached(FIND).await.map_err(action("look for what was delivered again"))?;
    let found = transaction.query(&find, &[&numbers, &times, &epochs, &sequences, &with_letters]).await;
    let number = |row: &tokio_postgres::Row| {
        let number: i32 = row.try_get(0)?;
        Ok(usize::try_from(number).unwrap_or(usize::MAX))
    };
    found
        .map_err(action("look for what was delivered again"))?
        .iter()
        .map(number)
        .collect::<Result<_, _>>()
        .map_err(action("look for what was delivered again"))
}
