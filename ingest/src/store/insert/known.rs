//! Rows that are there already, looked up by what makes them copies, by their place or by their position.

use std::collections::HashMap;

use deadpool_postgres::Transaction;
use time::OffsetDateTime;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::columns::Place;
use crate::cursor::Cursor;
use crate::read::row;
use crate::store::StoreError;
use crate::stored::StoredMessage;

/// A partition's index knows its own day only: every day is asked.
fn lower_copies_sql() -> String {
    format!(
        "SELECT DISTINCT ON (key.n) key.n, {} \
         FROM unnest($1::integer[], $2::text[], $3::uuid[], $4::bigint[], $5::bigint[]) AS key (n, ns, id, epoch, seq) \
         JOIN workflow_comms.agent_messages AS m ON m.workflow_namespace = key.ns AND m.id = key.id \
             AND (m.epoch, m.stream_seq) < (key.epoch, key.seq) \
         ORDER BY key.n, m.epoch, m.stream_seq",
        row::COLUMNS
    )
}

fn copies_sql() -> String {
    format!(
        "SELECT DISTINCT ON (key.n) key.n, {} FROM unnest($1::integer[], $2::text[], $3::uuid[]) AS key (n, ns, id) \
         JOIN workflow_comms.agent_messages AS m ON m.workflow_namespace = key.ns AND m.id = key.id \
         ORDER BY key.n, m.epoch, m.stream_seq",
        row::COLUMNS
    )
}

/// In the order of their keys, so that two transactions that lock the same rows do not wait for each other in a circle.
const LOCK: &str = "SELECT key.n, m.stream_ts, m.epoch, m.stream_seq \
    FROM unnest($1::integer[], $2::text[], $3::uuid[], $4::timestamptz[]) AS key (n, ns, id, day) \
    JOIN workflow_comms.agent_messages AS m ON m.workflow_namespace = key.ns AND m.id = key.id \
        AND m.stream_ts >= key.day AND m.stream_ts < key.day + interval '24 hours' \
    ORDER BY key.ns, key.id FOR UPDATE OF m";

fn at_sql() -> String {
    format!(
        "SELECT key.n, {} FROM unnest($1::integer[], $2::timestamptz[], $3::bigint[], $4::bigint[]) AS key (n, ts, epoch, seq) \
         JOIN workflow_comms.agent_messages AS m \
         ON m.stream_ts = key.ts AND m.epoch = key.epoch AND m.stream_seq = key.seq",
        row::COLUMNS
    )
}

/// Of each of these, its copy with the lowest cursor, on any day, where one is lower than itself; by index.
pub(super) async fn lower_copies(
    transaction: &Transaction<'_>,
    messages: &[&StoredMessage],
) -> Result<HashMap<usize, StoredMessage>, StoreError> {
    let (namespaces, ids) = keys(messages);
    let epochs: Vec<i64> = messages.iter().map(|stored| stored.cursor.epoch).collect();
    let sequences: Vec<i64> = messages.iter().map(|stored| stored.cursor.sequence).collect();
    let parameters: [&(dyn ToSql + Sync); 5] = [&numbers(messages), &namespaces, &ids, &epochs, &sequences];
    numbered(transaction, &lower_copies_sql(), &parameters).await
}

/// Of each of these, its row or a copy's on any day, with the lowest cursor; by index.
pub(super) async fn copies(
    transaction: &Transaction<'_>,
    messages: &[&StoredMessage],
) -> Result<HashMap<usize, StoredMessage>, StoreError> {
    if messages.is_empty() {
        return Ok(HashMap::new());
    }
    let (namespaces, ids) = keys(messages);
    numbered(transaction, &copies_sql(), &[&numbers(messages), &namespaces, &ids]).await
}

/// Locks the rows that have the keys of these messages, on the days of these messages. Gives where they are, by index.
pub(super) async fn lock(
    transaction: &Transaction<'_>,
    messages: &[&StoredMessage],
) -> Result<HashMap<usize, Place>, StoreError> {
    let action = StoreError::of;
    let (namespaces, ids) = keys(messages);
    let days: Vec<OffsetDateTime> =
        messages.iter().map(|stored| stored.created_at.moment().date().midnight().assume_utc()).collect();
    let statement = transaction.prepare_cached(LOCK).await.map_err(action("lock copies"))?;
    let rows = transaction.query(&statement, &[&numbers(messages), &namespaces, &ids, &days]).await;
    let place = |row: &tokio_postgres::Row| {
        let cursor = Cursor { epoch: row.try_get(2)?, sequence: row.try_get(3)? };
        Ok((index(row.try_get(0)?), Place { stream_ts: row.try_get(1)?, cursor }))
    };
    rows.map_err(action("lock copies"))?.iter().map(place).collect::<Result<_, _>>().map_err(action("lock copies"))
}

/// The rows at these places, by index.
pub(super) async fn at(transaction: &Transaction<'_>, places: &[Place]) -> Result<HashMap<usize, StoredMessage>, StoreError> {
    let times: Vec<OffsetDateTime> = places.iter().map(|place| place.stream_ts).collect();
    let epochs: Vec<i64> = places.iter().map(|place| place.cursor.epoch).collect();
    let sequences: Vec<i64> = places.iter().map(|place| place.cursor.sequence).collect();
    numbered(transaction, &at_sql(), &[&numbers(places), &times, &epochs, &sequences]).await
}

async fn numbered(
    transaction: &Transaction<'_>,
    sql: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<HashMap<usize, StoredMessage>, StoreError> {
    let action = StoreError::of;
    let statement = transaction.prepare_cached(sql).await.map_err(action("look for copies"))?;
    let rows = transaction.query(&statement, parameters).await.map_err(action("look for copies"))?;
    let mut found = HashMap::with_capacity(rows.len());
    for row in &rows {
        let number = row.try_get("n").map_err(action("look for copies"))?;
        found.insert(index(number), row::stored(row)?);
    }
    Ok(found)
}

fn keys<'a>(messages: &[&'a StoredMessage]) -> (Vec<&'a str>, Vec<Uuid>) {
    messages.iter().map(|stored| stored.key()).unzip()
}

/// A batch has some hundred rows, so none is left out.
fn numbers<T>(items: &[T]) -> Vec<i32> {
    (0..i32::try_from(items.len()).unwrap_or(i32::MAX)).collect()
}

fn index(number: i32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
