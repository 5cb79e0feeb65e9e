//! Runs: the list, one of them, and how each stands.

mod forgotten;
pub mod state;
mod summary;

use std::borrow::Cow;
use std::time::Duration;

use deadpool_postgres::Pool;
use message::identity::names_nothing;
use message::{RunIdentity, RunKey, Timestamp};
use tokio_postgres::types::ToSql;

use crate::cursor::Cursor;
use crate::read::messages::like_pattern;
use crate::read::{ReadError, ask, row};

pub use forgotten::{ForgottenRun, forgotten};
pub use state::RunState;
pub use summary::{RunSummary, StepSummary};

/// Which runs, newest first.
#[derive(Debug, Clone, Default)]
pub struct RunQuery {
    /// Only runs that stand so, where any are given.
    pub states: Vec<RunState>,
    /// Only runs whose name, uid, run id, agents or preview hold this text, case aside.
    pub text: Option<String>,
    /// Only this namespace.
    pub namespace: Option<String>,
    /// Only these namespaces, where some may not be read.
    pub readable: Option<Vec<String>>,
    /// Only runs whose last message is below this position.
    pub before: Option<Cursor>,
    /// How many at most.
    pub limit: usize,
}

/// A part of the list.
#[derive(Debug, Clone, Default)]
pub struct RunPage {
    /// Newest first, by their last message.
    pub runs: Vec<RunSummary>,
    /// Where the list goes on: the next [`RunQuery::before`]; nothing at its end.
    pub next: Option<Cursor>,
    /// Whether it ended for having looked at many runs that are not wanted, and not because it was full.
    pub partial: bool,
}

/// How many runs are looked at for one page when only some states or a text are wanted: the state is not in the table, since
/// time alone changes it, and a text may stand anywhere.
const MOST_LOOKED_AT: i64 = 5_000;
const CHUNK: usize = 500;
/// After every run.
const LAST: Cursor = Cursor { epoch: i64::MAX, sequence: i64::MAX };

/// A page of the list.
///
/// # Errors
/// When PostgreSQL cannot answer.
pub async fn list(pool: &Pool, query: &RunQuery) -> Result<RunPage, ReadError> {
    let chooses = !query.states.is_empty() || query.text.is_some();
    let floor = if chooses { floor(pool, query).await? } else { None };
    let chunk = if query.states.is_empty() { query.limit.saturating_add(1) } else { CHUNK };
    let mut page = RunPage { next: query.before, ..RunPage::default() };
    loop {
        let found = chunk_of(pool, query, page.next, floor, chunk).await?;
        let at_end = found.len() < chunk;
        for run in found {
            if page.runs.len() == query.limit {
                return Ok(page);
            }
            page.next = Some(run.last);
            if query.states.is_empty() || query.states.contains(&run.state) {
                page.runs.push(run);
            }
        }
        if at_end {
            return Ok(RunPage { next: floor, partial: floor.is_some(), ..page });
        }
    }
}

/// The last run that a page looks at; nothing where that is the last of all.
async fn floor(pool: &Pool, query: &RunQuery) -> Result<Option<Cursor>, ReadError> {
    let mut client = pool.get().await?;
    let sql = "SELECT last_epoch, last_seq FROM workflow_comms.runs WHERE (last_epoch, last_seq) < ($1, $2) \
               AND ($3::text IS NULL OR workflow_namespace = $3) AND ($5::text[] IS NULL OR workflow_namespace = ANY($5)) \
               ORDER BY last_epoch DESC, last_seq DESC OFFSET $4 LIMIT 1";
    let before = query.before.unwrap_or(LAST);
    let skipped = MOST_LOOKED_AT - 1;
    let parameters: [&(dyn ToSql + Sync); 5] = [&before.epoch, &before.sequence, &query.namespace, &skipped, &query.readable];
    let found = ask(&mut client, sql, &parameters, query.text.is_some()).await?;
    found.first().map(|row| row::cursor(row, "last_epoch", "last_seq")).transpose()
}

/// The runs of this uid, or of this name where its uid is unknown, or of an outer system's id: one of each namespace, the
/// latest where an outer system's id names several in one.
///
/// # Errors
/// When PostgreSQL cannot answer.
pub async fn by_id(pool: &Pool, id: &str, namespace: Option<&str>) -> Result<Vec<RunSummary>, ReadError> {
    let condition = "(r.workflow_uid = $1 AND $1 NOT IN ('', 'unknown') OR r.run_id = $1 \
         OR r.workflow_name = $1 AND r.run_key = 'name:' || $1) AND ($2::text IS NULL OR r.workflow_namespace = $2)";
    let runs = select(pool, condition, 100, &[&id, &namespace], false).await?;
    let mut each: Vec<RunSummary> = Vec::new();
    for run in runs {
        let own = |run: &RunSummary| run.uid == id || (run.key.uid.is_empty() && run.name == id);
        match each.iter_mut().find(|other| other.namespace == run.namespace) {
            None => each.push(run),
            // Rows come newest first: only a run's own id beats a later run that has it as an alias.
            Some(other) if own(&run) && !own(other) => *other = run,
            Some(_) => {}
        }
    }
    Ok(each)
}

/// Every namespace of which a run is known, in alphabetical order.
///
/// # Errors
/// When PostgreSQL cannot answer.
pub async fn namespaces(pool: &Pool) -> Result<Vec<String>, ReadError> {
    // From one to the next by the index: the cost is that of the namespaces, not that of the runs.
    let sql = "WITH RECURSIVE known AS (\
         (SELECT workflow_namespace AS name FROM workflow_comms.runs ORDER BY workflow_namespace LIMIT 1) UNION ALL \
         SELECT (SELECT r.workflow_namespace FROM workflow_comms.runs r WHERE r.workflow_namespace > known.name \
         ORDER BY r.workflow_namespace LIMIT 1) FROM known WHERE known.name IS NOT NULL) \
         SELECT name FROM known WHERE name IS NOT NULL";
    let client = pool.get().await?;
    let statement = client.prepare_cached(sql).await?;
    client.query(&statement, &[]).await?.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// The runs of these keys, those that are known.
///
/// # Errors
/// When PostgreSQL cannot answer.
pub async fn by_keys(pool: &Pool, keys: &[RunKey]) -> Result<Vec<RunSummary>, ReadError> {
    let (namespaces, texts): (Vec<&str>, Vec<String>) = keys.iter().map(|key| (key.namespace.as_str(), key_text(key))).unzip();
    let condition = "(r.workflow_namespace, r.run_key) IN (SELECT * FROM unnest($1::text[], $2::text[]))";
    select(pool, condition, keys.len(), &[&namespaces, &texts], false).await
}

/// The runs whose last message is at or below a position and that say nothing since, for less than `shorter_than` by the
/// clock of the database, with how long that is. Of these the newest, and not more of all runs below than `limit` are looked at.
///
/// # Errors
/// When PostgreSQL cannot answer.
pub async fn silent(
    pool: &Pool,
    up_to: Cursor,
    shorter_than: Duration,
    limit: usize,
) -> Result<Vec<(RunKey, Duration)>, ReadError> {
    let client = pool.get().await?;
    let sql = "SELECT workflow_namespace, workflow_name, workflow_uid, greatest(extract(epoch FROM silence), 0)::float8 \
               FROM (SELECT *, now() - last_at AS silence FROM workflow_comms.runs WHERE (last_epoch, last_seq) <= ($1, $2) \
               ORDER BY last_epoch DESC, last_seq DESC LIMIT $4) newest WHERE silence < make_interval(secs => $3)";
    let statement = client.prepare_cached(sql).await?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let parameters: [&(dyn ToSql + Sync); 4] = [&up_to.epoch, &up_to.sequence, &shorter_than.as_secs_f64(), &limit];
    let rows = client.query(&statement, &parameters).await?;
    let silent = |row: &tokio_postgres::Row| {
        let run = RunIdentity { namespace: row.try_get(0)?, name: row.try_get(1)?, uid: row.try_get(2)? };
        Ok((run.key(), Duration::from_secs_f64(row.try_get(3)?)))
    };
    rows.iter().map(silent).collect()
}

/// A run's key as the tables hold it.
#[must_use]
pub fn key_text(key: &RunKey) -> String {
    if key.uid.is_empty() { key_of_name(&key.name) } else { key.uid.clone() }
}

/// The namespace and the key of a run, as the tables hold them: nothing is copied where its uid is known.
#[must_use]
pub fn key_of(run: &RunIdentity) -> (&str, Cow<'_, str>) {
    let key = if names_nothing(&run.uid) { Cow::Owned(key_of_name(&run.name)) } else { Cow::Borrowed(run.uid.as_str()) };
    (&run.namespace, key)
}

fn key_of_name(name: &str) -> String {
    format!("name:{name}")
}

async fn chunk_of(
    pool: &Pool,
    query: &RunQuery,
    before: Option<Cursor>,
    floor: Option<Cursor>,
    limit: usize,
) -> Result<Vec<RunSummary>, ReadError> {
    let (before, floor) = (before.unwrap_or(LAST), floor.unwrap_or_default());
    let pattern = query.text.as_deref().map(like_pattern);
    let condition = "(r.last_epoch, r.last_seq) < ($1, $2) AND (r.last_epoch, r.last_seq) >= ($5, $6) \
         AND ($3::text IS NULL OR r.workflow_namespace = $3) \
         AND ($4::text IS NULL OR r.workflow_name ILIKE $4 OR r.workflow_uid ILIKE $4 OR r.run_id ILIKE $4 \
         OR r.preview ILIKE $4 OR r.agents::text ILIKE $4) AND ($7::text[] IS NULL OR r.workflow_namespace = ANY($7))";
    let parameters: [&(dyn ToSql + Sync); 7] =
        [&before.epoch, &before.sequence, &query.namespace, &pattern, &floor.epoch, &floor.sequence, &query.readable];
    select(pool, condition, limit, &parameters, pattern.is_some()).await
}

/// Runs under a condition, newest first, each with its steps and its state as of now by the clock of the database.
async fn select(
    pool: &Pool,
    condition: &str,
    limit: usize,
    parameters: &[&(dyn ToSql + Sync)],
    is_search: bool,
) -> Result<Vec<RunSummary>, ReadError> {
    let mut client = pool.get().await?;
    let sql = format!(
        "SELECT r.*, now() AS read_at FROM workflow_comms.runs r WHERE {condition} \
         ORDER BY r.last_epoch DESC, r.last_seq DESC LIMIT ${}",
        parameters.len() + 1
    );
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut parameters = parameters.to_vec();
    parameters.push(&limit);
    let rows = ask(&mut client, &sql, &parameters, is_search).await?;
    let Some(first) = rows.first() else {
        return Ok(Vec::new());
    };
    let now: Timestamp = row::timestamp(first, "read_at")?;
    let mut runs = rows.iter().map(summary::run).collect::<Result<Vec<_>, _>>()?;

    let (namespaces, keys): (Vec<&str>, Vec<String>) =
        runs.iter().map(|run| (run.namespace.as_str(), key_text(&run.key))).unzip();
    let sql = "SELECT s.*, place.number FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS place (namespace, key, number) \
               JOIN workflow_comms.run_steps s ON s.workflow_namespace = place.namespace AND s.run_key = place.key \
               ORDER BY place.number, s.first_at, s.step_id, s.last_epoch, s.last_seq";
    let statement = client.prepare_cached(sql).await?;
    let rows = client.query(&statement, &[&namespaces, &keys]).await?;
    let mut parts: Vec<Vec<summary::Part>> = runs.iter().map(|_| Vec::new()).collect();
    for row in &rows {
        let number: i64 = row.try_get("number")?;
        if let Some(parts) = usize::try_from(number - 1).ok().and_then(|index| parts.get_mut(index)) {
            parts.push(summary::part(row)?);
        }
    }
    let sql = "SELECT place.number, sum(greatest(s.highest_seq - s.messages, 0))::bigint AS missing, \
               count(*) FILTER (WHERE s.ended AND s.complete IS FALSE) AS incomplete \
               FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS place (namespace, key, number) \
               JOIN workflow_comms.run_sources s ON s.workflow_namespace = place.namespace AND s.run_key = place.key \
               GROUP BY place.number";
    let statement = client.prepare_cached(sql).await?;
    for row in client.query(&statement, &[&namespaces, &keys]).await? {
        let number: i64 = row.try_get("number")?;
        if let Some(run) = usize::try_from(number - 1).ok().and_then(|index| runs.get_mut(index)) {
            run.missing = row.try_get("missing")?;
            run.incomplete_sources = row.try_get("incomplete")?;
        }
    }
    for (run, parts) in runs.iter_mut().zip(parts) {
        run.steps = summary::steps(&parts);
        run.state = state::of_run(&run.steps, run.outcome.as_deref(), run.last_at, now);
    }
    Ok(runs)
}
