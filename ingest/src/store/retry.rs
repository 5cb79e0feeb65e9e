//! A dead letter read anew, with what this program knows today, and stored where it belongs.

use async_nats::{HeaderMap, HeaderName, HeaderValue};
use deadpool_postgres::{Pool, Transaction};
use serde_json::Value;
use time::{Duration, OffsetDateTime};
use tokio_postgres::types::Json;

use crate::batch::{Batch, Delivery, Row};
use crate::cursor::Cursor;
use crate::epochs::Epochs;
use crate::read::dead_letters::DISCARDED;
use crate::store::error::Remedy;
use crate::store::insert::again::{Manner, write_again};
use crate::store::{StoreError, epochs, partitions};
use crate::stored::StoredMessage;

/// Which dead letter: its position, and when the stream stored it, since a stream that broke may have given a position twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Letter {
    /// Its position.
    pub cursor: Cursor,
    /// When the stream stored it.
    pub stored_at: OffsetDateTime,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Retried {
    /// It is a message now.
    Stored,
    /// What it says is a message already.
    There,
    /// It is as it was, and why: what is wrong with it today.
    Still {
        /// A word for it.
        class: String,
        /// What is wrong.
        error: String,
    },
    /// It cannot be read anew, ever.
    Never(Never),
}

/// Why a dead letter cannot be read anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Never {
    /// The stream discarded it: nobody has its bytes.
    Discarded,
    /// It became a message before.
    Resolved,
    /// The day it belongs to was dropped.
    Expired,
    /// There is none.
    Missing,
}

/// How often somebody else may come in between.
const TRIES: usize = 3;

/// Reads a dead letter anew and stores it. Counts the attempt, unless it is only to be known what would become of it
/// (`is_dry`).
///
/// # Errors
/// When `PostgreSQL` is away.
pub async fn retry(pool: &Pool, letter: Letter, is_dry: bool) -> Result<Retried, StoreError> {
    let mut tries = 0;
    loop {
        tries += 1;
        let epochs = epochs::read(pool).await?;
        match try_once(pool, letter, &epochs, is_dry).await {
            Err(StoreError::EpochChanged | StoreError::Moved(_)) if tries < TRIES => {}
            Err(error) if error.remedy() == Remedy::Bisect => {
                let error = service::causes::in_one_line(&error);
                return still(pool, letter, "refused", error, is_dry).await;
            }
            done => return done,
        }
    }
}

async fn try_once(pool: &Pool, letter: Letter, epochs: &Epochs, is_dry: bool) -> Result<Retried, StoreError> {
    let mut client = pool.get().await?;
    let transaction = client.transaction().await.map_err(StoreError::of("begin"))?;
    let delivery = match read(&transaction, letter, epochs).await? {
        Ok(delivery) => delivery,
        Err(never) => return Ok(Retried::Never(never)),
    };
    // Its epoch is the one it was told under.
    let stored = match StoredMessage::decode(letter.cursor.epoch, &delivery.received()) {
        Ok(stored) => stored,
        Err(error) => {
            drop(transaction);
            let class = error.class();
            return still(pool, letter, class, service::causes::in_one_line(&error), is_dry).await;
        }
    };
    let batch = Batch { rows: vec![Row { stored, resent: true, delivery: &delivery }], ..Batch::default() };
    let manner = if is_dry { Manner::DryLetter } else { Manner::Letter };
    if !is_dry {
        partitions::make(pool, &batch.days()).await?;
    }
    let again = write_again(&transaction, &batch, epochs, manner).await?;
    if let Some(conflict) = again.conflicts.first() {
        let (class, error) = (conflict.class, conflict.error.clone());
        drop(transaction);
        return still(pool, letter, class, error, is_dry).await;
    }
    let retried = if again.rows == 0 { Retried::There } else { Retried::Stored };
    if is_dry {
        return Ok(retried);
    }
    let resolve = "UPDATE workflow_comms.dead_letters SET attempts = attempts + 1, retried_at = now(), resolved_at = now() \
                   WHERE epoch = $1 AND stream_seq = $2 AND stream_ts = $3";
    let Letter { cursor, stored_at } = letter;
    transaction
        .execute(resolve, &[&cursor.epoch, &cursor.sequence, &stored_at])
        .await
        .map_err(StoreError::of("resolve a dead letter"))?;
    transaction.commit().await.map_err(StoreError::of("commit"))?;
    Ok(retried)
}

/// Reads and locks it, as the stream once delivered it.
async fn read(transaction: &Transaction<'_>, letter: Letter, epochs: &Epochs) -> Result<Result<Delivery, Never>, StoreError> {
    let action = || StoreError::of("read a dead letter");
    let sql = "SELECT class, subject, headers, payload, stream_ns, resolved_at IS NOT NULL AS resolved \
               FROM workflow_comms.dead_letters WHERE epoch = $1 AND stream_seq = $2 AND stream_ts = $3 FOR UPDATE";
    let Letter { cursor, stored_at } = letter;
    let row = transaction.query_opt(sql, &[&cursor.epoch, &cursor.sequence, &stored_at]).await.map_err(action())?;
    let Some(row) = row else { return Ok(Err(Never::Missing)) };
    let class: &str = row.try_get("class").map_err(action())?;
    if class == DISCARDED {
        return Ok(Err(Never::Discarded));
    }
    if row.try_get("resolved").map_err(action())? {
        return Ok(Err(Never::Resolved));
    }
    if epochs.get(cursor.epoch).is_none_or(|epoch| cursor.sequence < epoch.kept_from) {
        return Ok(Err(Never::Expired));
    }
    let headers: Option<Json<Value>> = row.try_get("headers").map_err(action())?;
    let payload: Vec<u8> = row.try_get("payload").map_err(action())?;
    let rest: i16 = row.try_get("stream_ns").map_err(action())?;
    Ok(Ok(Delivery {
        subject: row.try_get("subject").map_err(action())?,
        headers: headers.map(|Json(headers)| header_map(&headers)),
        payload: payload.into(),
        stored_at: stored_at + Duration::nanoseconds(i64::from(rest)),
        sequence: u64::try_from(cursor.sequence).unwrap_or_default(),
    }))
}

/// Notes what is wrong with it today.
async fn still(pool: &Pool, letter: Letter, class: &str, error: String, is_dry: bool) -> Result<Retried, StoreError> {
    if !is_dry {
        let client = pool.get().await?;
        let note = "UPDATE workflow_comms.dead_letters SET attempts = attempts + 1, retried_at = now(), class = $4, error = $5 \
                    WHERE epoch = $1 AND stream_seq = $2 AND stream_ts = $3 AND resolved_at IS NULL";
        let Letter { cursor, stored_at } = letter;
        let error = error.replace('\0', "\u{fffd}");
        client
            .execute(note, &[&cursor.epoch, &cursor.sequence, &stored_at, &class, &error])
            .await
            .map_err(StoreError::of("note an attempt"))?;
    }
    Ok(Retried::Still { class: class.to_owned(), error })
}

fn header_map(headers: &Value) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, values) in headers.as_object().into_iter().flatten() {
        let Ok(name) = name.parse::<HeaderName>() else { continue };
        for value in values.as_array().into_iter().flatten().filter_map(Value::as_str) {
            if let Ok(value) = value.parse::<HeaderValue>() {
                map.append(name.clone(), value);
            }
        }
    }
    map
}
