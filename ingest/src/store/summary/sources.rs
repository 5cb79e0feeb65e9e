//! Sources: how many of the numbered messages of each generation came, so that a missing one shows.

use std::collections::BTreeMap;

use deadpool_postgres::Transaction;
use message::Kind;

use crate::store::StoreError;
use crate::stored::StoredMessage;

const UPSERT: &str = "INSERT INTO workflow_comms.run_sources AS source \
    (workflow_namespace, run_key, pod_uid, label, generation, highest_seq, messages, ended, complete) \
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], \
        $8::boolean[], $9::boolean[]) \
    ON CONFLICT (workflow_namespace, run_key, pod_uid, label, generation) DO UPDATE SET \
      highest_seq = greatest(source.highest_seq, excluded.highest_seq), \
      messages = source.messages + excluded.messages, \
      ended = source.ended OR excluded.ended, \
      complete = coalesce(excluded.complete, source.complete)";

/// What a batch says of one source generation.
#[derive(Default)]
struct Delta {
    highest_seq: i64,
    messages: i64,
    ended: bool,
    complete: Option<bool>,
}

type Key = (String, String, String, String, i64);

/// Adds what these messages say of their sources, in the order of the sources' keys.
pub(super) async fn add(transaction: &Transaction<'_>, new: &[&StoredMessage]) -> Result<(), StoreError> {
    let deltas = deltas(new);
    if deltas.is_empty() {
        return Ok(());
    }
    let key = |part: fn(&Key) -> &String| -> Vec<&str> { deltas.keys().map(|key| part(key).as_str()).collect() };
    let namespaces = key(|key| &key.0);
    let runs = key(|key| &key.1);
    let pods = key(|key| &key.2);
    let labels = key(|key| &key.3);
    let generations: Vec<i64> = deltas.keys().map(|key| key.4).collect();
    let highest: Vec<i64> = deltas.values().map(|delta| delta.highest_seq).collect();
    let messages: Vec<i64> = deltas.values().map(|delta| delta.messages).collect();
    let ended: Vec<bool> = deltas.values().map(|delta| delta.ended).collect();
    let complete: Vec<Option<bool>> = deltas.values().map(|delta| delta.complete).collect();
    let upsert = transaction.prepare_cached(UPSERT).await.map_err(StoreError::of("count the sources"))?;
    transaction
        .execute(&upsert, &[&namespaces, &runs, &pods, &labels, &generations, &highest, &messages, &ended, &complete])
        .await
        .map_err(StoreError::of("count the sources"))?;
    Ok(())
}

fn deltas(new: &[&StoredMessage]) -> BTreeMap<Key, Delta> {
    let mut deltas: BTreeMap<Key, Delta> = BTreeMap::new();
    for stored in new {
        let message = &stored.message;
        let Some(source) = &message.source else { continue };
        let (namespace, run) = super::run_of(stored);
        let generation = i64::try_from(source.generation).unwrap_or(i64::MAX);
        let key = (namespace, run, source.pod_uid.clone(), source.label.clone(), generation);
        let delta = deltas.entry(key).or_default();
        if let Some(seq) = message.seq.and_then(|seq| i64::try_from(seq).ok()) {
            delta.highest_seq = delta.highest_seq.max(seq);
            delta.messages += 1;
        }
        if message.kind.as_str() == Kind::SOURCE_END {
            delta.ended = true;
            delta.complete = message.attrs.get("complete").and_then(serde_json::Value::as_bool).or(delta.complete);
        }
    }
    deltas
}
