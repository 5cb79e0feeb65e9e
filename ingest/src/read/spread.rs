//! How the messages of a run lie in time, and what its agents say that they used: for the whole run, whatever its length.
//!
//! Every message of the run is read for it, once, so that it has the time of a search and no more; pages do without where that
//! is not enough.

use std::collections::{BTreeMap, HashMap};

use deadpool_postgres::Pool;
use message::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::runs::RunSummary;
use super::{ReadError, ask};
use crate::cursor::Cursor;

/// Parts of time that a run is cut into.
pub const BARS: i32 = 120;

/// A run over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Spread {
    /// Where the first bar begins.
    pub from: Timestamp,
    /// Where the last one ends.
    pub to: Timestamp,
    /// Those in which something was stored, in order.
    pub bars: Vec<Bar>,
    /// What was used.
    pub tokens: Tokens,
}

/// A part of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bar {
    /// Which of them, from 0.
    pub number: i32,
    /// How many messages.
    pub messages: i64,
    /// How many of kind `error`.
    pub errors: i64,
    /// Position of its first message.
    pub first: Cursor,
}

/// Tokens, as far as logs tell. A log may count from its beginning each time, so the highest that each log says is its count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tokens {
    /// Read by models.
    pub input: i64,
    /// Written by them.
    pub output: i64,
}

impl Bar {
    /// Another part of the same bar.
    fn add(&mut self, part: Self) {
        self.messages += part.messages;
        self.errors += part.errors;
        self.first = self.first.min(part.first);
    }
}

impl Spread {
    /// When a bar begins, where bars are counted from 0.
    #[must_use]
    pub fn begin(&self, number: i32) -> Timestamp {
        let length = self.to.unix_micros() - self.from.unix_micros();
        let begin = self.from.unix_micros() + length * i64::from(number) / i64::from(BARS);
        Timestamp::from_unix_micros(begin).unwrap_or(self.from)
    }
}

/// The spread of a run.
///
/// # Errors
/// When PostgreSQL cannot answer, or not in time.
pub async fn of_run(pool: &Pool, run: &RunSummary) -> Result<Spread, ReadError> {
    let mut client = pool.get().await?;
    let of_run = if message::identity::names_nothing(&run.uid) {
        "verified AND workflow_namespace = $1 AND workflow_name = $2 AND workflow_uid IN ('', 'unknown')"
    } else {
        "verified AND workflow_namespace = $1 AND workflow_uid = $2"
    };
    let of_run = format!("{of_run} AND stream_ts BETWEEN $3 AND $4");
    let id = crate::api::runs::own_id(run);
    // A bar is at least a millisecond long, so that those of a run that said one thing have a length.
    let to = run.last_at.unix_micros().max(run.first_at.unix_micros() + i64::from(BARS) * 1_000);
    let to = Timestamp::from_unix_micros(to).unwrap_or(run.last_at);
    let (first, last, end) = (run.first_at.moment(), run.last_at.moment(), to.moment());

    let seconds = |of: &str| format!("date_part('epoch', {of})");
    let number = |name: &str| format!("CASE WHEN used ->> '{name}' ~ '^[0-9]{{1,15}}$' THEN (used ->> '{name}')::bigint END");
    let told = |of: &str| format!("CASE WHEN used IS NOT NULL THEN {of} END");
    // Rows that tell nothing of tokens share one group in their bar.
    let sql = format!(
        "SELECT number, count(*) AS messages, count(*) FILTER (WHERE kind = 'error') AS errors, min(ARRAY[epoch, stream_seq]) AS first, \
         {pod} AS pod, {container} AS container, {agent} AS agent, {label} AS label, \
         max({input}) AS input, max({output}) AS output FROM (\
         SELECT least(width_bucket({at}, {from}, {to}, $6), $6) - 1 AS number, kind, epoch, stream_seq, pod, container, agent_id, source, \
         CASE WHEN kind = 'status' THEN attrs -> 'usage' END AS used \
         FROM workflow_comms.agent_messages WHERE {of_run}) told GROUP BY 1, 5, 6, 7, 8",
        pod = told("pod"),
        container = told("container"),
        agent = told("agent_id"),
        label = told("source ->> 'label'"),
        input = number("input_tokens"),
        output = number("output_tokens"),
        at = seconds("stream_ts"),
        from = seconds("$3::timestamptz"),
        to = seconds("$5::timestamptz"),
    );
    let parameters: [&(dyn ToSql + Sync); 6] = [&run.namespace, &id, &first, &last, &end, &BARS];
    let rows = ask(&mut client, &sql, &parameters, true).await?;
    gathered(run.first_at, to, &rows)
}

/// A log, as far as it can be told from others: pod, container, agent and label of its source.
type Log = [Option<String>; 4];

/// Bars of all their groups, and tokens of all logs.
fn gathered(from: Timestamp, to: Timestamp, rows: &[Row]) -> Result<Spread, ReadError> {
    let mut bars: BTreeMap<i32, Bar> = BTreeMap::new();
    let mut logs: HashMap<Log, Tokens> = HashMap::new();
    for row in rows {
        let part = bar(row)?;
        bars.entry(part.number).and_modify(|bar| bar.add(part)).or_insert(part);
        let log = [row.try_get("pod")?, row.try_get("container")?, row.try_get("agent")?, row.try_get("label")?];
        let tokens = logs.entry(log).or_default();
        let count = |name: &str| row.try_get::<_, Option<i64>>(name).map(Option::unwrap_or_default);
        tokens.input = tokens.input.max(count("input")?);
        tokens.output = tokens.output.max(count("output")?);
    }
    let tokens = logs.into_values().fold(Tokens::default(), |sum, log| Tokens {
        input: sum.input.saturating_add(log.input),
        output: sum.output.saturating_add(log.output),
    });
    Ok(Spread { from, to, bars: bars.into_values().collect(), tokens })
}

fn bar(row: &Row) -> Result<Bar, ReadError> {
    let first: Vec<i64> = row.try_get("first")?;
    let at = |index: usize| first.get(index).copied().unwrap_or_default();
    Ok(Bar {
        number: row.try_get("number")?,
        messages: row.try_get("messages")?,
        errors: row.try_get("errors")?,
        first: Cursor { epoch: at(0), sequence: at(1) },
    })
}
