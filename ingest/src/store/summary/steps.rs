//! Steps: each container of each pod of a step, when it spoke and how it ended.

use std::collections::BTreeMap;

use deadpool_postgres::Transaction;
use message::Kind;
use time::OffsetDateTime;

use crate::cursor::Cursor;
use crate::store::StoreError;
use crate::stored::StoredMessage;

const UPSERT: &str = "INSERT INTO workflow_comms.run_steps AS step \
    (workflow_namespace, run_key, step_id, pod, container, attempt, messages, first_at, last_at, last_epoch, last_seq, ended, \
     exit_code) \
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::integer[], $7::bigint[], \
        $8::timestamptz[], $9::timestamptz[], $10::bigint[], $11::bigint[], $12::boolean[], $13::integer[]) \
    ON CONFLICT (workflow_namespace, run_key, step_id, pod, container) DO UPDATE SET \
      attempt = coalesce(excluded.attempt, step.attempt), \
      messages = step.messages + excluded.messages, \
      first_at = least(step.first_at, excluded.first_at), \
      last_at = greatest(step.last_at, excluded.last_at), \
      last_epoch = greatest(step.last_epoch, excluded.last_epoch), \
      last_seq = CASE WHEN (excluded.last_epoch, excluded.last_seq) > (step.last_epoch, step.last_seq) \
                 THEN excluded.last_seq ELSE step.last_seq END, \
      ended = step.ended OR excluded.ended, \
      exit_code = coalesce(excluded.exit_code, step.exit_code)";

/// What a batch says of one container of a step.
struct Delta {
    attempt: Option<i32>,
    messages: i64,
    first_at: OffsetDateTime,
    last_at: OffsetDateTime,
    last: Cursor,
    ended: bool,
    exit_code: Option<i32>,
}

type Key = (String, String, String, String, String);

/// Adds what these messages say of their steps, in the order of the steps' keys.
pub(super) async fn add(transaction: &Transaction<'_>, new: &[&StoredMessage]) -> Result<(), StoreError> {
    let deltas = deltas(new);
    if deltas.is_empty() {
        return Ok(());
    }
    let key = |part: fn(&Key) -> &String| -> Vec<&str> { deltas.keys().map(|key| part(key).as_str()).collect() };
    let namespaces = key(|key| &key.0);
    let runs = key(|key| &key.1);
    let steps = key(|key| &key.2);
    let pods = key(|key| &key.3);
    let containers = key(|key| &key.4);
    let attempts: Vec<Option<i32>> = deltas.values().map(|delta| delta.attempt).collect();
    let messages: Vec<i64> = deltas.values().map(|delta| delta.messages).collect();
    let firsts: Vec<OffsetDateTime> = deltas.values().map(|delta| delta.first_at).collect();
    let lasts: Vec<OffsetDateTime> = deltas.values().map(|delta| delta.last_at).collect();
    let epochs: Vec<i64> = deltas.values().map(|delta| delta.last.epoch).collect();
    let sequences: Vec<i64> = deltas.values().map(|delta| delta.last.sequence).collect();
    let ended: Vec<bool> = deltas.values().map(|delta| delta.ended).collect();
    let exit_codes: Vec<Option<i32>> = deltas.values().map(|delta| delta.exit_code).collect();
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
            ],
        )
        .await
        .map_err(StoreError::of("count the steps"))?;
    Ok(())
}

fn deltas(new: &[&StoredMessage]) -> BTreeMap<Key, Delta> {
    let mut deltas: BTreeMap<Key, Delta> = BTreeMap::new();
    for stored in new {
        let message = &stored.message;
        let Some(step_id) = message.step_id.clone() else { continue };
        let (namespace, run) = super::run_of(stored);
        let (pod, container) = (message.pod.clone().unwrap_or_default(), message.container.clone().unwrap_or_default());
        let at = stored.created_at.moment();
        let delta = deltas.entry((namespace, run, step_id, pod, container)).or_insert(Delta {
            attempt: None,
            messages: 0,
            first_at: at,
            last_at: at,
            last: stored.cursor,
            ended: false,
            exit_code: None,
        });
        delta.attempt = delta.attempt.or(message.attempt.and_then(|attempt| i32::try_from(attempt).ok()));
        delta.messages += 1;
        delta.first_at = delta.first_at.min(at);
        delta.last_at = delta.last_at.max(at);
        delta.last = delta.last.max(stored.cursor);
        if message.kind.as_str() == Kind::STEP_END {
            delta.ended = true;
            let code = message.attrs.get("exit_code").and_then(serde_json::Value::as_i64);
            delta.exit_code = code.and_then(|code| i32::try_from(code).ok()).or(delta.exit_code);
        }
    }
    deltas
}
