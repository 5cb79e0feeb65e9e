//! Messages that could not be read or stored, kept with their bytes.

use std::collections::HashSet;

use bytes::Bytes;
use deadpool_postgres::Transaction;
use time::OffsetDateTime;

use crate::store::StoreError;

/// A message that could not be read or stored.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    /// Life of the stream.
    pub epoch: i64,
    /// Sequence in the stream.
    pub sequence: i64,
    /// When the stream stored it.
    pub stored_at: OffsetDateTime,
    /// Subject it was published to.
    pub subject: String,
    /// Its headers, a JSON object of lists of texts.
    pub headers: Option<String>,
    /// Its body.
    pub payload: Bytes,
    /// A word for what is wrong.
    pub class: &'static str,
    /// What is wrong, with every cause.
    pub error: String,
}

const INSERT: &str = "INSERT INTO workflow_comms.dead_letters \
    (epoch, stream_seq, stream_ts, subject, headers, payload, class, error, stream_ns) \
    SELECT epoch, seq, ts, subject, headers::json, payload, class, error, ns \
    FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[], $4::text[], $5::text[], $6::bytea[], $7::text[], $8::text[], \
        $9::smallint[]) \
      AS row (epoch, seq, ts, subject, headers, payload, class, error, ns) \
    ON CONFLICT DO NOTHING RETURNING epoch, stream_seq";

/// Stores them, in the order given, which must be that of their cursors. Gives the classes of those that are new.
pub(super) async fn add(transaction: &Transaction<'_>, dead: &[DeadLetter]) -> Result<Vec<&'static str>, StoreError> {
    if dead.is_empty() {
        return Ok(Vec::new());
    }
    let action = StoreError::of;
    let insert = transaction.prepare_cached(INSERT).await.map_err(action("store dead letters"))?;
    let epochs: Vec<i64> = dead.iter().map(|letter| letter.epoch).collect();
    let sequences: Vec<i64> = dead.iter().map(|letter| letter.sequence).collect();
    let times: Vec<OffsetDateTime> = dead.iter().map(|letter| letter.stored_at).collect();
    let rests: Vec<i16> = dead.iter().map(|letter| beyond_microseconds(letter.stored_at)).collect();
    let subjects: Vec<&str> = dead.iter().map(|letter| letter.subject.as_str()).collect();
    let headers: Vec<Option<&str>> = dead.iter().map(|letter| letter.headers.as_deref()).collect();
    let payloads: Vec<&[u8]> = dead.iter().map(|letter| letter.payload.as_ref()).collect();
    let classes: Vec<&str> = dead.iter().map(|letter| letter.class).collect();
    let errors: Vec<&str> = dead.iter().map(|letter| letter.error.as_str()).collect();
    let added = transaction
        .query(&insert, &[&epochs, &sequences, &times, &subjects, &headers, &payloads, &classes, &errors, &rests])
        .await
        .map_err(action("store dead letters"))?;
    let place = |row: &tokio_postgres::Row| Ok((row.try_get(0)?, row.try_get(1)?));
    let added: HashSet<(i64, i64)> = added.iter().map(place).collect::<Result<_, _>>().map_err(action("store dead letters"))?;
    Ok(dead.iter().filter(|letter| added.contains(&(letter.epoch, letter.sequence))).map(|letter| letter.class).collect())
}

/// How many of these are not there.
pub(super) async fn missing(transaction: &Transaction<'_>, dead: &[DeadLetter]) -> Result<usize, StoreError> {
    if dead.is_empty() {
        return Ok(0);
    }
    let looking = || StoreError::of("look for dead letters");
    let epochs: Vec<i64> = dead.iter().map(|letter| letter.epoch).collect();
    let sequences: Vec<i64> = dead.iter().map(|letter| letter.sequence).collect();
    let times: Vec<OffsetDateTime> = dead.iter().map(|letter| letter.stored_at).collect();
    let sql = "SELECT count(*) FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[]) AS row (epoch, seq, ts) \
        WHERE NOT EXISTS (SELECT FROM workflow_comms.dead_letters AS dead \
            WHERE dead.epoch = row.epoch AND dead.stream_seq = row.seq AND dead.stream_ts = row.ts)";
    let row = transaction.query_one(sql, &[&epochs, &sequences, &times]).await.map_err(looking())?;
    let missing: i64 = row.try_get(0).map_err(looking())?;
    Ok(usize::try_from(missing).unwrap_or_default())
}

/// The nanoseconds that a column leaves out.
fn beyond_microseconds(moment: OffsetDateTime) -> i16 {
    i16::try_from(moment.nanosecond() % 1_000).unwrap_or_default()
}
