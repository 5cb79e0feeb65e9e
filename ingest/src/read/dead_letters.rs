//! Dead letters: messages that could not be read or stored, and what the stream discarded before it was stored.

use deadpool_postgres::Pool;
use message::Timestamp;
use serde_json::Value;
use time::OffsetDateTime;
use tokio_postgres::Row;
use tokio_postgres::types::{Json, ToSql};

use crate::cursor::Cursor;
use crate::read::{ReadError, row};

/// Which dead letters, newest first.
#[derive(Debug, Clone, Default)]
pub struct DeadLetterQuery {
    /// Only of these classes, where any are given.
    pub classes: Vec<String>,
    /// Also those that became messages when they were read anew.
    pub with_resolved: bool,
    /// Only those below this position.
    pub before: Option<Cursor>,
    /// How many at most; those of one position are never parted.
    pub limit: usize,
}

/// A dead letter without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterSummary {
    /// Its position; of what was discarded, the first position.
    pub cursor: Cursor,
    /// When the stream stored it; of what was discarded, when that was found.
    pub created_at: Timestamp,
    /// A word for what is wrong.
    pub class: String,
    /// Subject it was published to; empty for what was discarded.
    pub subject: String,
    /// What is wrong, with every cause; of what was discarded, the last sequence in digits.
    pub error: String,
    /// How long its body is.
    pub payload_bytes: i64,
    /// How often it was read anew.
    pub attempts: i32,
    /// When it was last read anew.
    pub retried_at: Option<Timestamp>,
    /// Since when it is a message.
    pub resolved_at: Option<Timestamp>,
}

/// A part of the list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeadLetterPage {
    /// Newest first.
    pub letters: Vec<DeadLetterSummary>,
    /// Where the list goes on: the next [`DeadLetterQuery::before`]; nothing at its end.
    pub next: Option<Cursor>,
}

/// A dead letter with its body.
#[derive(Debug, Clone, PartialEq)]
pub struct WholeDeadLetter {
    /// What lists show.
    pub summary: DeadLetterSummary,
    /// Its headers: lists of texts by name.
    pub headers: Option<Value>,
    /// Its body, as it was published.
    pub payload: Vec<u8>,
}

impl DeadLetterSummary {
    /// Of what was discarded, the last sequence of the range.
    #[must_use]
    pub fn discarded_to(&self) -> Option<i64> {
        if self.class == DISCARDED { self.error.parse().ok() } else { None }
    }
}

/// The class of ranges that the stream discarded.
pub const DISCARDED: &str = "discarded";

const COLUMNS: &str = "epoch, stream_seq, stream_ts, class, subject, error, octet_length(payload)::bigint AS payload_bytes, \
    attempts, retried_at, resolved_at";

const WANTED: &str = "FROM workflow_comms.dead_letters \
    WHERE (cardinality($1::text[]) = 0 OR class = ANY($1)) AND ($2 OR resolved_at IS NULL) AND (epoch, stream_seq) < ($3, $4)";

/// A page of the list.
///
/// # Errors
/// When PostgreSQL cannot answer.
pub async fn list(pool: &Pool, query: &DeadLetterQuery) -> Result<DeadLetterPage, ReadError> {
    let client = pool.get().await?;
    let sql = format!("SELECT {COLUMNS} {WANTED} ORDER BY epoch DESC, stream_seq DESC FETCH FIRST $5 ROWS WITH TIES");
    let statement = client.prepare_cached(&sql).await?;
    let before = query.before.unwrap_or(Cursor { epoch: i64::MAX, sequence: i64::MAX });
    let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
    let mut parameters: [&(dyn ToSql + Sync); 5] =
        [&query.classes, &query.with_resolved, &before.epoch, &before.sequence, &limit];
    let rows = client.query(&statement, &parameters).await?;
    let letters: Vec<DeadLetterSummary> = rows.iter().map(summary).collect::<Result<_, _>>()?;
    let Some(last) = letters.last().map(|letter| letter.cursor).filter(|_| letters.len() >= query.limit) else {
        return Ok(DeadLetterPage { letters, next: None });
    };
    (parameters[2], parameters[3]) = (&last.epoch, &last.sequence);
    let statement = client.prepare_cached(&format!("SELECT EXISTS (SELECT {WANTED})")).await?;
    let is_more: bool = client.query_one(&statement, &parameters[..4]).await?.try_get(0)?;
    Ok(DeadLetterPage { letters, next: is_more.then_some(last) })
}

/// The dead letters of one position, with their bodies: none, one, or several where the stream broke there.
///
/// # Errors
/// When PostgreSQL cannot answer.
pub async fn at(pool: &Pool, cursor: Cursor) -> Result<Vec<WholeDeadLetter>, ReadError> {
    let client = pool.get().await?;
    let sql = format!(
        "SELECT {COLUMNS}, headers, payload FROM workflow_comms.dead_letters \
         WHERE epoch = $1 AND stream_seq = $2 ORDER BY stream_ts"
    );
    let statement = client.prepare_cached(&sql).await?;
    let rows = client.query(&statement, &[&cursor.epoch, &cursor.sequence]).await?;
    let whole = |row: &Row| {
        let headers: Option<Json<Value>> = row.try_get("headers")?;
        Ok(WholeDeadLetter {
            summary: summary(row)?,
            headers: headers.map(|Json(headers)| headers),
            payload: row.try_get("payload")?,
        })
    };
    rows.iter().map(whole).collect()
}

fn summary(row: &Row) -> Result<DeadLetterSummary, ReadError> {
    let moment = |column: &str| {
        let moment: Option<OffsetDateTime> = row.try_get(column)?;
        Ok::<_, ReadError>(moment.map(Timestamp::new))
    };
    Ok(DeadLetterSummary {
        cursor: row::cursor(row, "epoch", "stream_seq")?,
        created_at: row::timestamp(row, "stream_ts")?,
        class: row.try_get("class")?,
        subject: row.try_get("subject")?,
        error: row.try_get("error")?,
        payload_bytes: row.try_get("payload_bytes")?,
        attempts: row.try_get("attempts")?,
        retried_at: moment("retried_at")?,
        resolved_at: moment("resolved_at")?,
    })
}

/// How many are not resolved: at most a thousand are counted.
///
/// # Errors
/// When PostgreSQL cannot answer.
pub async fn open(pool: &Pool) -> Result<i64, ReadError> {
    let client = pool.get().await?;
    let sql = "SELECT count(*) FROM (SELECT FROM workflow_comms.dead_letters WHERE resolved_at IS NULL LIMIT 1000) open";
    let statement = client.prepare_cached(sql).await?;
    Ok(client.query_one(&statement, &[]).await?.try_get(0)?)
}
