//! Runs: first and last message, how many of each kind and agent, what was said last, the outer system's verdict.

use std::borrow::Cow;
use std::collections::BTreeMap;

use deadpool_postgres::Transaction;
use message::Kind;
use time::OffsetDateTime;

use super::Change;
use crate::cursor::Cursor;
use crate::read::runs::key_of;
use crate::store::StoreError;
use crate::stored::StoredMessage;

/// How much of a message is shown in the list.
const PREVIEW_CHARACTERS: usize = 240;
/// How much of a verdict is kept: it is a word.
const OUTCOME_CHARACTERS: usize = 120;

/// The counts of one column, those of a batch added. What a publisher names freely may be a new name each time: of more names
/// than this all further ones are counted as one, or the row of a run would grow with everything it says.
macro_rules! added {
    ($column:literal) => {
        concat!(
            $column,
            " = jsonb_strip_nulls(run.",
            $column,
            " || coalesce((SELECT jsonb_object_agg(name, nullif(more + coalesce((run.",
            $column,
            " ->> name)::bigint, 0), 0)) FROM (SELECT CASE WHEN run.",
            $column,
            " ? key OR (SELECT count(*) FROM jsonb_object_keys(run.",
            $column,
            ")) < 256 THEN key ELSE '(others)' END AS name, sum(value::bigint)::bigint AS more FROM jsonb_each_text(excluded.",
            $column,
            ") GROUP BY 1) AS batch), '{}')), "
        )
    };
}

const UPSERT: &str = concat!(
    "INSERT INTO workflow_comms.runs AS run \
    (workflow_namespace, run_key, workflow_name, workflow_uid, run_id, runtime, first_epoch, first_seq, first_at, last_epoch, \
     last_seq, last_at, messages, kinds, agents, outcome, preview, preview_agent, preview_epoch, preview_seq, \
     run_id_epoch, run_id_seq, outcome_epoch, outcome_seq) \
    SELECT ns, key, name, uid, run_id, runtime, first_epoch, first_seq, first_at, last_epoch, last_seq, last_at, messages, \
        kinds::jsonb, agents::jsonb, outcome, preview, preview_agent, preview_epoch, preview_seq, run_id_epoch, run_id_seq, \
        outcome_epoch, outcome_seq \
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::bigint[], \
        $9::timestamptz[], $10::bigint[], $11::bigint[], $12::timestamptz[], $13::bigint[], $14::text[], $15::text[], \
        $16::text[], $17::text[], $18::text[], $19::bigint[], $20::bigint[], $21::bigint[], $22::bigint[], \
        $23::bigint[], $24::bigint[]) \
      AS row (ns, key, name, uid, run_id, runtime, first_epoch, first_seq, first_at, last_epoch, last_seq, last_at, messages, \
        kinds, agents, outcome, preview, preview_agent, preview_epoch, preview_seq, run_id_epoch, run_id_seq, outcome_epoch, \
        outcome_seq) \
    ON CONFLICT (workflow_namespace, run_key) DO UPDATE SET \
      workflow_name = CASE WHEN run.workflow_name IN ('', 'unknown') THEN excluded.workflow_name ELSE run.workflow_name END, \
      run_id = CASE WHEN (excluded.run_id_epoch, excluded.run_id_seq) > (run.run_id_epoch, run.run_id_seq) \
        THEN excluded.run_id ELSE run.run_id END, \
      run_id_epoch = CASE WHEN (excluded.run_id_epoch, excluded.run_id_seq) > (run.run_id_epoch, run.run_id_seq) \
        THEN excluded.run_id_epoch ELSE run.run_id_epoch END, \
      run_id_seq = CASE WHEN (excluded.run_id_epoch, excluded.run_id_seq) > (run.run_id_epoch, run.run_id_seq) \
        THEN excluded.run_id_seq ELSE run.run_id_seq END, \
      runtime = coalesce(run.runtime, excluded.runtime), \
      first_epoch = CASE WHEN (excluded.first_epoch, excluded.first_seq) < (run.first_epoch, run.first_seq) \
                    THEN excluded.first_epoch ELSE run.first_epoch END, \
      first_seq = CASE WHEN (excluded.first_epoch, excluded.first_seq) < (run.first_epoch, run.first_seq) \
                  THEN excluded.first_seq ELSE run.first_seq END, \
      first_at = CASE WHEN (excluded.first_epoch, excluded.first_seq) < (run.first_epoch, run.first_seq) \
                 THEN excluded.first_at ELSE run.first_at END, \
      last_epoch = CASE WHEN (excluded.last_epoch, excluded.last_seq) > (run.last_epoch, run.last_seq) \
                   THEN excluded.last_epoch ELSE run.last_epoch END, \
      last_seq = CASE WHEN (excluded.last_epoch, excluded.last_seq) > (run.last_epoch, run.last_seq) \
                 THEN excluded.last_seq ELSE run.last_seq END, \
      last_at = CASE WHEN (excluded.last_epoch, excluded.last_seq) > (run.last_epoch, run.last_seq) \
                THEN excluded.last_at ELSE run.last_at END, \
      messages = run.messages + excluded.messages, \
      ",
    added!("kinds"),
    added!("agents"),
    "outcome = CASE WHEN (excluded.outcome_epoch, excluded.outcome_seq) > (run.outcome_epoch, run.outcome_seq) \
        THEN excluded.outcome ELSE run.outcome END, \
      outcome_epoch = CASE WHEN (excluded.outcome_epoch, excluded.outcome_seq) > (run.outcome_epoch, run.outcome_seq) \
        THEN excluded.outcome_epoch ELSE run.outcome_epoch END, \
      outcome_seq = CASE WHEN (excluded.outcome_epoch, excluded.outcome_seq) > (run.outcome_epoch, run.outcome_seq) \
        THEN excluded.outcome_seq ELSE run.outcome_seq END, \
      preview = CASE WHEN (excluded.preview_epoch, excluded.preview_seq) > (run.preview_epoch, run.preview_seq) \
                THEN excluded.preview ELSE run.preview END, \
      preview_agent = CASE WHEN (excluded.preview_epoch, excluded.preview_seq) > (run.preview_epoch, run.preview_seq) \
                      THEN excluded.preview_agent ELSE run.preview_agent END, \
      preview_epoch = CASE WHEN (excluded.preview_epoch, excluded.preview_seq) > (run.preview_epoch, run.preview_seq) \
                      THEN excluded.preview_epoch ELSE run.preview_epoch END, \
      preview_seq = CASE WHEN (excluded.preview_epoch, excluded.preview_seq) > (run.preview_epoch, run.preview_seq) \
                    THEN excluded.preview_seq ELSE run.preview_seq END"
);

/// What a batch says of one run.
struct Delta<'a> {
    first: &'a StoredMessage,
    last: &'a StoredMessage,
    run_id: Option<(Cursor, &'a str)>,
    messages: i64,
    kinds: BTreeMap<&'a str, i64>,
    agents: BTreeMap<&'a str, i64>,
    outcome: Option<(Cursor, String)>,
    preview: Option<&'a StoredMessage>,
}

impl<'a> Delta<'a> {
    fn new(stored: &'a StoredMessage) -> Self {
        Self {
            first: stored,
            last: stored,
            run_id: None,
            messages: 0,
            kinds: BTreeMap::new(),
            agents: BTreeMap::new(),
            outcome: None,
            preview: None,
        }
    }

    fn add(&mut self, change: Change<'a>) {
        let (stored, message) = (change.stored, &change.stored.message);
        self.messages += change.count();
        *self.kinds.entry(message.kind.as_str()).or_default() += change.count();
        if !message.kind.is_control() {
            *self.agents.entry(message.agent_id.as_str()).or_default() += change.count();
        }
        if !change.is_row {
            return;
        }
        if stored.cursor < self.first.cursor {
            self.first = stored;
        }
        if stored.cursor > self.last.cursor {
            self.last = stored;
        }
        if let Some(run_id) = &message.run_id
            && self.run_id.is_none_or(|(cursor, _)| cursor < stored.cursor)
        {
            self.run_id = Some((stored.cursor, run_id));
        }
        if message.kind.as_str() == Kind::RUN_OUTCOME
            && let Some(outcome) = outcome(stored)
            && self.outcome.as_ref().is_none_or(|(cursor, _)| *cursor < stored.cursor)
        {
            self.outcome = Some((stored.cursor, outcome));
        }
        if is_shown(stored) && self.preview.is_none_or(|preview| preview.cursor < stored.cursor) {
            self.preview = Some(stored);
        }
    }
}

/// Adds what these messages say of their runs, in the order of the runs' keys.
pub(super) async fn add(transaction: &Transaction<'_>, changes: &[Change<'_>]) -> Result<(), StoreError> {
    let mut deltas: BTreeMap<(&str, Cow<'_, str>), Delta<'_>> = BTreeMap::new();
    for change in changes {
        deltas.entry(key_of(&change.stored.message.run)).or_insert_with(|| Delta::new(change.stored)).add(*change);
    }
    let (mut namespaces, mut keys) = (Vec::new(), Vec::new());
    for (namespace, key) in deltas.keys() {
        namespaces.push(*namespace);
        keys.push(key.as_ref());
    }
    let column = |text: fn(&StoredMessage) -> &str| -> Vec<&str> { deltas.values().map(|delta| text(delta.last)).collect() };
    let names = column(|stored| &stored.message.run.name);
    let uids = column(|stored| &stored.message.run.uid);
    let run_ids: Vec<Option<&str>> = deltas.values().map(|delta| delta.run_id.map(|(_, run_id)| run_id)).collect();
    let runtimes: Vec<Option<&str>> = deltas.values().map(|delta| delta.last.message.runtime.as_deref()).collect();
    let (first_epochs, first_sequences, first_times) = places(deltas.values().map(|delta| delta.first));
    let (last_epochs, last_sequences, last_times) = places(deltas.values().map(|delta| delta.last));
    let counts: Vec<i64> = deltas.values().map(|delta| delta.messages).collect();
    let kinds: Vec<String> = deltas.values().map(|delta| counted(&delta.kinds)).collect();
    let agents: Vec<String> = deltas.values().map(|delta| counted(&delta.agents)).collect();
    let outcomes: Vec<Option<&str>> =
        deltas.values().map(|delta| delta.outcome.as_ref().map(|(_, text)| text.as_str())).collect();
    let previews: Vec<Option<String>> = deltas.values().map(|delta| delta.preview.and_then(preview_text)).collect();
    let preview_agents: Vec<Option<&str>> =
        deltas.values().map(|delta| delta.preview.map(|stored| stored.message.agent_id.as_str())).collect();
    let (preview_epochs, preview_sequences) =
        super::positions(deltas.values().map(|delta| delta.preview.map(|stored| stored.cursor)));
    let (run_id_epochs, run_id_sequences) = super::positions(deltas.values().map(|delta| delta.run_id.map(|(cursor, _)| cursor)));
    let (outcome_epochs, outcome_sequences) =
        super::positions(deltas.values().map(|delta| delta.outcome.as_ref().map(|(cursor, _)| *cursor)));
    let upsert = transaction.prepare_cached(UPSERT).await.map_err(StoreError::of("count the runs"))?;
    transaction
        .execute(
            &upsert,
            &[
                &namespaces,
                &keys,
                &names,
                &uids,
                &run_ids,
                &runtimes,
                &first_epochs,
                &first_sequences,
                &first_times,
                &last_epochs,
                &last_sequences,
                &last_times,
                &counts,
                &kinds,
                &agents,
                &outcomes,
                &previews,
                &preview_agents,
                &preview_epochs,
                &preview_sequences,
                &run_id_epochs,
                &run_id_sequences,
                &outcome_epochs,
                &outcome_sequences,
            ],
        )
        .await
        .map_err(StoreError::of("count the runs"))?;
    Ok(())
}

fn places<'a>(messages: impl Iterator<Item = &'a StoredMessage>) -> (Vec<i64>, Vec<i64>, Vec<OffsetDateTime>) {
    let (mut epochs, mut sequences, mut times) = (Vec::new(), Vec::new(), Vec::new());
    for stored in messages {
        epochs.push(stored.cursor.epoch);
        sequences.push(stored.cursor.sequence);
        times.push(stored.created_at.moment());
    }
    (epochs, sequences, times)
}

fn counted(counts: &BTreeMap<&str, i64>) -> String {
    let object =
        counts.iter().filter(|(_, count)| **count != 0).map(|(name, count)| ((*name).to_owned(), (*count).into())).collect();
    serde_json::Value::Object(object).to_string()
}

/// Whether the list shows it as what was said last: words, not records of the machinery or what tools print.
fn is_shown(stored: &StoredMessage) -> bool {
    let kind = &stored.message.kind;
    let words = stored.message.content.as_deref().is_some_and(|content| !content.trim().is_empty());
    words && !kind.is_control() && !matches!(kind.as_str(), Kind::TOOL_RESULT | Kind::TOOL_CALL)
}

fn preview_text(stored: &StoredMessage) -> Option<String> {
    let text = stored.message.content.as_deref()?.trim();
    Some(text.chars().take(PREVIEW_CHARACTERS).collect())
}

/// The verdict's word: where publishers put it, else what the message says.
fn outcome(stored: &StoredMessage) -> Option<String> {
    let attrs = &stored.message.attrs;
    let word = ["outcome", "status", "result"].iter().find_map(|key| attrs.get(*key)?.as_str());
    let text = word.or(stored.message.content.as_deref())?.trim().replace('\0', "\u{fffd}");
    (!text.is_empty()).then(|| text.chars().take(OUTCOME_CHARACTERS).collect())
}
