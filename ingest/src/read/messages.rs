//! Messages of runs and of the shared channel, in cursor order.

use deadpool_postgres::Pool;
use tokio_postgres::types::ToSql;

use crate::cursor::Cursor;
use crate::filter::Filter;
use crate::read::{ReadError, row};
use crate::stored::StoredMessage;

/// The newest messages below a position.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Oldest first.
    pub messages: Vec<StoredMessage>,
    /// Whether there are older ones.
    pub older: bool,
}

/// A message among its neighbours.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// Oldest first, the message asked for among them.
    pub messages: Vec<StoredMessage>,
    /// Whether there are older ones.
    pub older: bool,
    /// Whether there are newer ones.
    pub newer: bool,
}

/// The oldest `limit` messages after a position and not beyond another, ascending.
///
/// # Errors
/// When PostgreSQL cannot answer.
pub async fn after(
    pool: &Pool,
    filter: &Filter,
    after: Cursor,
    up_to: Cursor,
    limit: usize,
) -> Result<Vec<StoredMessage>, ReadError> {
    pick(pool, filter, Bounds { after, up_to }, Direction::Ascending, limit).await
}

/// The newest `limit` messages not beyond a position, and below `before` where it is given.
///
/// # Errors
/// When PostgreSQL cannot answer.
pub async fn before(
    pool: &Pool,
    filter: &Filter,
    before: Option<Cursor>,
    up_to: Cursor,
    limit: usize,
) -> Result<Page, ReadError> {
    let up_to = before.map_or(up_to, |cursor| up_to.min(Cursor { sequence: cursor.sequence - 1, ..cursor }));
    let bounds = Bounds { after: FIRST, up_to };
    let mut messages = pick(pool, filter, bounds, Direction::Descending, limit.saturating_add(1)).await?;
    let older = messages.len() > limit;
    messages.truncate(limit);
    messages.reverse();
    Ok(Page { messages, older })
}

/// A message with up to `context` neighbours on each side: of its run, or of the shared channel where no run is vouched for.
/// Nothing beyond `up_to` is told, and nothing at all when there is no such message.
///
/// # Errors
/// When PostgreSQL cannot answer.
pub async fn around(pool: &Pool, cursor: Cursor, context: usize, up_to: Cursor) -> Result<Option<Surroundings>, ReadError> {
    let Some(message) = one(pool, cursor, up_to).await? else {
        return Ok(None);
    };
    let filter = neighbourhood(&message);
    let Page { mut messages, older } = before(pool, &filter, Some(cursor), up_to, context).await?;
    let mut newer = after(pool, &filter, cursor, up_to, context.saturating_add(1)).await?;
    let more = newer.len() > context;
    newer.truncate(context);
    messages.push(message);
    messages.append(&mut newer);
    Ok(Some(Surroundings { messages, older, newer: more }))
}

/// The message at a position, unless that is beyond `up_to`.
///
/// # Errors
/// When PostgreSQL cannot answer.
pub async fn one(pool: &Pool, cursor: Cursor, up_to: Cursor) -> Result<Option<StoredMessage>, ReadError> {
    if cursor > up_to {
        return Ok(None);
    }
    let client = pool.get().await?;
    let sql =
        format!("SELECT {} FROM workflow_comms.agent_messages m WHERE m.epoch = $1 AND m.stream_seq = $2 LIMIT 1", row::COLUMNS);
    let statement = client.prepare_cached(&sql).await?;
    client.query_opt(&statement, &[&cursor.epoch, &cursor.sequence]).await?.map(|found| row::stored(&found)).transpose()
}

/// Which of these sequences of an epoch have a row.
///
/// # Errors
/// When PostgreSQL cannot answer.
pub async fn present(pool: &Pool, epoch: i64, sequences: &[i64]) -> Result<Vec<i64>, ReadError> {
    let client = pool.get().await?;
    let sql = "SELECT stream_seq FROM workflow_comms.agent_messages WHERE epoch = $1 AND stream_seq = ANY($2)";
    let statement = client.prepare_cached(sql).await?;
    let rows = client.query(&statement, &[&epoch, &sequences]).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

const FIRST: Cursor = Cursor { epoch: i64::MIN, sequence: 0 };

#[derive(Clone, Copy)]
struct Bounds {
    after: Cursor,
    up_to: Cursor,
}

#[derive(Clone, Copy)]
enum Direction {
    Ascending,
    Descending,
}

/// Walks, for each run and each way to find it, one index in cursor order, and merges what these walks found. A plain `OR`
/// would read every message of a run to sort them.
fn statement(direction: Direction) -> String {
    let (order, page_order) = match direction {
        Direction::Ascending => ("epoch, stream_seq", "page.epoch, page.stream_seq"),
        Direction::Descending => ("epoch DESC, stream_seq DESC", "page.epoch DESC, page.stream_seq DESC"),
    };
    let walk = |condition: &str| {
        format!(
            "SELECT stream_ts, epoch, stream_seq FROM workflow_comms.agent_messages WHERE {condition} \
             AND (epoch, stream_seq) > ($3, $4) AND (epoch, stream_seq) <= ($5, $6) \
             AND ($7::text IS NULL OR workflow_namespace = $7) \
             AND (cardinality($8::text[]) = 0 OR kind = ANY($8)) AND (cardinality($9::text[]) = 0 OR agent_id = ANY($9)) \
             AND (cardinality($10::text[]) = 0 OR role = ANY($10)) AND ($11::text IS NULL OR content ILIKE $11) \
             ORDER BY {order} LIMIT $12"
        )
    };
    let by_uid = walk("verified AND workflow_uid = run.id AND workflow_uid NOT IN ('', 'unknown')");
    let by_run_id = walk("verified AND run_id = run.id");
    let by_name = walk(
        "verified AND workflow_namespace = known.workflow_namespace AND workflow_name = run.id \
         AND workflow_uid IN ('', 'unknown')",
    );
    let general = walk("$2 AND channel = 'general'");
    format!(
        "WITH found AS (\
         SELECT walk.* FROM unnest($1::text[]) AS run (id) CROSS JOIN LATERAL ({by_uid}) walk \
         UNION SELECT walk.* FROM unnest($1::text[]) AS run (id) CROSS JOIN LATERAL ({by_run_id}) walk \
         UNION SELECT walk.* FROM unnest($1::text[]) AS run (id) \
         JOIN workflow_comms.runs known ON known.workflow_name = run.id AND known.run_key = 'name:' || run.id \
         CROSS JOIN LATERAL ({by_name}) walk \
         UNION ({general})), \
         page AS (SELECT * FROM found ORDER BY {order} LIMIT $12) \
         SELECT {columns} FROM page JOIN workflow_comms.agent_messages m \
         ON m.stream_ts = page.stream_ts AND m.epoch = page.epoch AND m.stream_seq = page.stream_seq \
         ORDER BY {page_order}",
        columns = row::COLUMNS,
    )
}

async fn pick(
    pool: &Pool,
    filter: &Filter,
    bounds: Bounds,
    direction: Direction,
    limit: usize,
) -> Result<Vec<StoredMessage>, ReadError> {
    let client = pool.get().await?;
    let statement = client.prepare_cached(&statement(direction)).await?;
    let pattern = filter.text.as_deref().map(like_pattern);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let parameters: [&(dyn ToSql + Sync); 12] = [
        &filter.runs,
        &filter.general,
        &bounds.after.epoch,
        &bounds.after.sequence,
        &bounds.up_to.epoch,
        &bounds.up_to.sequence,
        &filter.namespace,
        &filter.kinds,
        &filter.agents,
        &filter.roles,
        &pattern,
        &limit,
    ];
    client.query(&statement, &parameters).await?.iter().map(row::stored).collect()
}

/// A pattern that finds this text anywhere, each of its characters standing for itself.
pub(super) fn like_pattern(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

fn neighbourhood(message: &StoredMessage) -> Filter {
    if !message.verified {
        return Filter { general: true, ..Filter::default() };
    }
    let run = &message.message.run;
    let id = if message::identity::names_nothing(&run.uid) { &run.name } else { &run.uid };
    Filter { runs: vec![id.clone()], namespace: Some(run.namespace.clone()), ..Filter::default() }
}
