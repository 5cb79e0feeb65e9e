//! Steps: each container of each pod of a step, when it spoke and how it ended.

use std::borrow::Cow;
use std::collections::BTreeMap;

use deadpool_postgres::Transaction;
use message::Kind;
use time::OffsetDateTime;

use super::Change;
use crate::cursor::Cursor;
use crate::read::runs::key_of;
use crate::store::StoreError;

const UPSERT: &str = "INSERT INTO workflow_comms.run_steps AS step \
    (workflow_namespace, run_key, step_id, pod, container, attempt, messages, first_at, last_at, last_epoch, last_seq, ended, \
     exit_code, end_epoch, end_seq) \
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::integer[], $7::bigint[], \
        $8::timestamptz[], $9::timestamptz[], $10::bigint[], $11::bigint[], $12::boolean[], $13::integer[], $14::bigint[], \
        $15::bigint[]) \
    ON CONFLICT (workflow_namespace, run_key, step_id, pod, container) DO UPDATE SET \
      attempt = coalesce(excluded.attempt, step.attempt), \
      messages = step.messages + excluded.messages, \
      first_at = least(step.first_at, excluded.first_at), \
      last_at = greatest(step.last_at, excluded.last_at), \
      last_epoch = greatest(step.last_epoch, excluded.last_epoch), \
      last_seq = CASE WHEN (excluded.last_epoch, excluded.last_seq) > (step.last_epoch, step.last_seq) \
                 THEN excluded.last_seq ELSE step.last_seq END, \
      ended = step.ended OR excluded.ended, \
      exit_code = CASE WHEN (excluded.end_epoch, excluded.end_seq) > (step.end_epoch, step.end_seq) \
                  THEN excluded.exit_code ELSE step.exit_code END, \
      end_epoch = CASE WHEN (excluded.end_epoch, excluded.end_seq) > (step.end_epoch, step.end_seq) \
                  THEN excluded.end_epoch ELSE step.end_epoch END, \
      end_seq = CASE WHEN (excluded.end_epoch, excluded.end_seq) > (step.end_epoch, step.end_seq) \
                THEN excluded.end_seq ELSE step.end_seq END";

/// What a batch says of one container of a step.
struct Delta {
    attempt: Option<i32>,
    messages: i64,
    first_at: OffsetDateTime,
    last_at: OffsetDateTime,
    last: Cursor,
    /// The end with the highest cursor, and the exit code it tells.
    end: Option<(Cursor, Option<i32>)>,
}

type Key<'a> = (&'a str, Cow<'a, str>, &'a str, &'a str, &'a str);

/// Adds what these messages say of their steps, in the order of the steps' keys.
pub(super) async fn add(transaction: &Transaction<'_>, changes: &[Change<'_>]) -> Result<(), StoreError> {
    let deltas = deltas(changes);
    if deltas.is_empty() {
        return Ok(());
    }
    let namespaces: Vec<&str> = deltas.keys().map(|key| key.0).collect();
    let runs: Vec<&str> = deltas.keys().map(|key| key.1.as_ref()).collect();
    let steps: Vec<&str> = deltas.keys().map(|key| key.2).collect();
    let pods: Vec<&str> = deltas.keys().map(|key| key.3).collect();
    let containers: Vec<&str> = deltas.keys().map(|key| key.4).collect();
    let attempts: Vec<Option<i32>> = deltas.values().map(|delta| delta.attempt).collect();
    let messages: Vec<i64> = deltas.values().map(|delta| delta.messages).collect();
    let firsts: Vec<OffsetDateTime> = deltas.values().map(|delta| delta.first_at).collect();
    let lasts: Vec<OffsetDateTime> = deltas.values().map(|delta| delta.last_at).collect();
    let epochs: Vec<i64> = deltas.values().map(|delta| delta.last.epoch).collect();
    let sequences: Vec<i64> = deltas.values().map(|delta| delta.last.sequence).collect();
    let ended: Vec<bool> = deltas.values().map(|delta| delta.end.is_some()).collect();
    let exit_codes: Vec<Option<i32>> = deltas.values().map(|delta| delta.end.and_then(|(_, code)| code)).collect();
    let (end_epochs, end_sequences) = super::positions(deltas.values().map(|delta| delta.end.map(|(cursor, _)| cursor)));
    let upsert = transaction.prepare_cached(UPSERT).await.map_err(StoreError::of("count the steps"))?;
    transaction
        .execute(
            &upsert,
            &[
                &namespaces,
                &runs,
                &steps,
                &pods,
                &containers,
                &attempts,
                &messages,
                &firsts,
                &lasts,
                &epochs,
                &sequences,
                &ended,
                &exit_codes,
                &end_epochs,
                &end_sequences,
            ],
        )
        .await
        .map_err(StoreError::of("count the steps"))?;
    Ok(())
}

fn deltas<'a>(changes: &[Change<'a>]) -> BTreeMap<Key<'a>, Delta> {
    let mut deltas: BTreeMap<Key<'a>, Delta> = BTreeMap::new();
    for change in changes {
        let (stored, message) = (change.stored, &change.stored.message);
        let Some(step_id) = message.step_id.as_deref() else { continue };
        let (namespace, run) = key_of(&message.run);
        let (pod, container) = (message.pod.as_deref().unwrap_or_default(), message.container.as_deref().unwrap_or_default());
        let at = stored.created_at.moment();
        let delta = deltas.entry((namespace, run, step_id, pod, container)).or_insert(Delta {
            attempt: None,
            messages: 0,
            first_at: at,
            last_at: at,
            last: stored.cursor,
            end: None,
        });
        delta.attempt = delta.attempt.or(message.attempt.and_then(|attempt| i32::try_from(attempt).ok()));
        delta.messages += change.count();
        delta.first_at = delta.first_at.min(at);
        delta.last_at = delta.last_at.max(at);
        delta.last = delta.last.max(stored.cursor);
        if change.is_row && message.kind.as_str() == Kind::STEP_END && delta.end.is_none_or(|(cursor, _)| cursor < stored.cursor)
        {
            let code = message.attrs.get("exit_code").and_then(serde_json::Value::as_i64);
            delta.end = Some((stored.cursor, code.and_then(|code| i32::try_from(code).ok())));
        }
    }
    deltas
}
