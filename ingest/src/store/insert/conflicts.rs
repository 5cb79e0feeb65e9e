//! Dead letters of what said something else than a copy that stood for its original. Now that the original is the row, they
//! are compared with that: what says the same is only another copy of it, and no dead letter.

use deadpool_postgres::Transaction;
use message::Received;
use time::{Duration, OffsetDateTime};

use super::fates::{CONFLICT, Conflict, Fates};
use crate::cursor::Cursor;
use crate::store::StoreError;
use crate::stored::{StoredMessage, same_words};

/// Nothing at or below the watermark is replaced, so these are few. What an operator has dealt with stays as it is.
const FIND: &str = "SELECT epoch, stream_seq, stream_ts, stream_ns, subject, payload FROM workflow_comms.dead_letters \
    WHERE class = $1 AND (epoch, stream_seq) > ($2, $3) AND starts_with(error, $4) AND resolved_at IS NULL \
    ORDER BY epoch, stream_seq, stream_ts FOR UPDATE";

const WITHDRAW: &str = "DELETE FROM workflow_comms.dead_letters WHERE epoch = $1 AND stream_seq = $2 AND stream_ts = $3";

const RENAME: &str = "UPDATE workflow_comms.dead_letters SET error = $4 || substr(error, length($5) + 1) \
    WHERE epoch = $1 AND stream_seq = $2 AND stream_ts = $3";

/// Judges anew what was compared with a copy, by the original that has taken its place.
pub(super) async fn judge_anew(
    transaction: &Transaction<'_>,
    copy: Cursor,
    original: &StoredMessage,
    fates: &mut Fates,
) -> Result<(), StoreError> {
    let action = || StoreError::of("compare dead letters with the original");
    let (before, now) = (Conflict(copy).to_string(), Conflict(original.cursor).to_string());
    let own = original.cursor;
    let find = transaction.prepare_cached(FIND).await.map_err(action())?;
    let letters = transaction.query(&find, &[&CONFLICT, &own.epoch, &own.sequence, &before]).await.map_err(action())?;
    for letter in &letters {
        let (epoch, sequence): (i64, i64) =
            (letter.try_get("epoch").map_err(action())?, letter.try_get("stream_seq").map_err(action())?);
        let stored_at: OffsetDateTime = letter.try_get("stream_ts").map_err(action())?;
        let rest: i16 = letter.try_get("stream_ns").map_err(action())?;
        let received = Received {
            subject: letter.try_get("subject").map_err(action())?,
            payload: letter.try_get("payload").map_err(action())?,
            stored_at: stored_at + Duration::nanoseconds(i64::from(rest)),
            sequence: u64::try_from(sequence).unwrap_or_default(),
        };
        let said = StoredMessage::decode(epoch, &received).ok();
        if said.is_some_and(|said| same_words((&said.message).into(), (&original.message).into())) {
            transaction.execute(WITHDRAW, &[&epoch, &sequence, &stored_at]).await.map_err(action())?;
            fates.passed.push(Cursor { epoch, sequence });
        } else {
            transaction.execute(RENAME, &[&epoch, &sequence, &stored_at, &now, &before]).await.map_err(action())?;
        }
    }
    Ok(())
}
