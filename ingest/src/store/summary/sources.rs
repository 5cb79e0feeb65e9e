//! Sources: how many of the numbered messages of each generation came, so that a missing one shows.

use std::borrow::Cow;
use std::collections::BTreeMap;

use deadpool_postgres::Transaction;
use message::Kind;

use super::Change;
use crate::cursor::Cursor;
use crate::read::runs::key_of;
use crate::store::StoreError;

const UPSERT: &str = "INSERT INTO workflow_comms.run_sources AS source \
    (workflow_namespace, run_key, pod_uid, label, generation, highest_seq, messages, ended, complete, \
     end_epoch, end_seq) \
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], \
        $8::boolean[], $9::boolean[], $10::bigint[], $11::bigint[]) \
    ON CONFLICT (workflow_namespace, run_key, pod_uid, label, generation) DO UPDATE SET \
      highest_seq = greatest(source.highest_seq, excluded.highest_seq), \
      messages = source.messages + excluded.messages, \
      ended = source.ended OR excluded.ended, \
      complete = CASE WHEN (excluded.end_epoch, excluded.end_seq) > (source.end_epoch, source.end_seq) \
                 THEN excluded.complete ELSE source.complete END, \
      end_epoch = CASE WHEN (excluded.end_epoch, excluded.end_seq) > (source.end_epoch, source.end_seq) \
                  THEN excluded.end_epoch ELSE source.end_epoch END, \
      end_seq = CASE WHEN (excluded.end_epoch, excluded.end_seq) > (source.end_epoch, source.end_seq) \
                THEN excluded.end_seq ELSE source.end_seq END";

/// What a batch says of one source generation.
#[derive(Default)]
struct Delta {
    highest_seq: i64,
    messages: i64,
    /// The end with the highest cursor, and whether it says that everything was read.
    end: Option<(Cursor, Option<bool>)>,
}

type Key<'a> = (&'a str, Cow<'a, str>, &'a str, &'a str, i64);

/// Adds what these messages say of their sources, in the order of the sources' keys.
pub(super) async fn add(transaction: &Transaction<'_>, changes: &[Change<'_>]) -> Result<(), StoreError> {
    let deltas = deltas(changes);
    if deltas.is_empty() {
        return Ok(());
    }
    let namespaces: Vec<&str> = deltas.keys().map(|key| key.0).collect();
    let runs: Vec<&str> = deltas.keys().map(|key| key.1.as_ref()).collect();
    let pods: Vec<&str> = deltas.keys().map(|key| key.2).collect();
    let labels: Vec<&str> = deltas.keys().map(|key| key.3).collect();
    let generations: Vec<i64> = deltas.keys().map(|key| key.4).collect();
    let highest: Vec<i64> = deltas.values().map(|delta| delta.highest_seq).collect();
    let messages: Vec<i64> = deltas.values().map(|delta| delta.messages).collect();
    let ended: Vec<bool> = deltas.values().map(|delta| delta.end.is_some()).collect();
    let complete: Vec<Option<bool>> = deltas.values().map(|delta| delta.end.and_then(|(_, complete)| complete)).collect();
    let (end_epochs, end_sequences) = super::positions(deltas.values().map(|delta| delta.end.map(|(cursor, _)| cursor)));
    let upsert = transaction.prepare_cached(UPSERT).await.map_err(StoreError::of("count the sources"))?;
    transaction
        .execute(
            &upsert,
            &[
                &namespaces,
                &runs,
                &pods,
                &labels,
                &generations,
                &highest,
                &messages,
                &ended,
                &complete,
                &end_epochs,
                &end_sequences,
            ],
        )
        .await
        .map_err(StoreError::of("count the sources"))?;
    Ok(())
}

fn deltas<'a>(changes: &[Change<'a>]) -> BTreeMap<Key<'a>, Delta> {
    let mut deltas: BTreeMap<Key<'a>, Delta> = BTreeMap::new();
    for change in changes {
        let (stored, message) = (change.stored, &change.stored.message);
        let Some(source) = &message.source else { continue };
        let (namespace, run) = key_of(&message.run);
        let generation = i64::try_from(source.generation).unwrap_or(i64::MAX);
        let key = (namespace, run, source.pod_uid.as_str(), source.label.as_str(), generation);
        let delta = deltas.entry(key).or_default();
        if let Some(seq) = message.seq.and_then(|seq| i64::try_from(seq).ok()) {
            delta.highest_seq = delta.highest_seq.max(seq);
            delta.messages += change.count();
        }
        if change.is_row
            && message.kind.as_str() == Kind::SOURCE_END
            && delta.end.is_none_or(|(cursor, _)| cursor < stored.cursor)
        {
            delta.end = Some((stored.cursor, message.attrs.get("complete").and_then(serde_json::Value::as_bool)));
        }
    }
    deltas
}
