//! Positions that leave neither row nor dead letter: copies, and what is older than what is kept. They are noted until the
//! watermark has passed them, so that what the stream lost can be told from what was not needed.

use deadpool_postgres::Transaction;

use crate::cursor::Cursor;
use crate::store::StoreError;

/// A position has one fate: what became a dead letter in an earlier try stays one.
const NOTE: &str = "INSERT INTO workflow_comms.passed (epoch, stream_seq) \
    SELECT epoch, seq FROM unnest($1::bigint[], $2::bigint[]) AS place (epoch, seq) \
    WHERE NOT EXISTS (SELECT FROM workflow_comms.dead_letters AS dead \
        WHERE dead.epoch = place.epoch AND dead.stream_seq = place.seq AND dead.class <> 'discarded') \
    ON CONFLICT DO NOTHING";

const FORGET: &str = "DELETE FROM workflow_comms.passed USING unnest($1::bigint[], $2::bigint[]) AS place (epoch, seq) \
    WHERE passed.epoch = place.epoch AND passed.stream_seq = place.seq";

/// Notes positions.
pub(super) async fn note(transaction: &Transaction<'_>, places: &mut [Cursor]) -> Result<(), StoreError> {
    places.sort_unstable();
    execute(transaction, NOTE, "note copies", places).await
}

/// Forgets positions that turned out to be dead letters.
pub(super) async fn forget(transaction: &Transaction<'_>, places: &[Cursor]) -> Result<(), StoreError> {
    execute(transaction, FORGET, "forget copies", places).await
}

async fn execute(transaction: &Transaction<'_>, sql: &str, what: &'static str, places: &[Cursor]) -> Result<(), StoreError> {
    if places.is_empty() {
        return Ok(());
    }
    let epochs: Vec<i64> = places.iter().map(|place| place.epoch).collect();
    let sequences: Vec<i64> = places.iter().map(|place| place.sequence).collect();
    let statement = transaction.prepare_cached(sql).await.map_err(StoreError::of(what))?;
    transaction.execute(&statement, &[&epochs, &sequences]).await.map_err(StoreError::of(what))?;
    Ok(())
}
