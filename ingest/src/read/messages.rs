//! Messages of runs and of the shared channel, in cursor order.

use deadpool_postgres::Pool;
use message::Timestamp;
use time::OffsetDateTime;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::cursor::Cursor;
use crate::filter::Filter;
use crate::read::{ReadError, ask, row};
use crate::stored::StoredMessage;

/// How many bytes of texts one answer holds at most, and one message more: what somebody asks for is bounded by memory,
/// not by a number of messages that may each be large.
pub const PAGE_BYTES: i64 = 4 << 20;

/// The oldest messages after a position.
#[derive(Debug, Clone, Default)]
pub struct Slice {
    /// Oldest first.
    pub messages: Vec<StoredMessage>,
    /// Whether there are more.
    pub more: bool,
}

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

/// The oldest messages after a position and not beyond another: at most `limit`, and [`PAGE_BYTES`].
///
/// # Errors
/// When PostgreSQL cannot answer.
pub async fn after(pool: &Pool, filter: &Filter, after: Cursor, up_to: Cursor, limit: usize) -> Result<Slice, ReadError> {
    pick(pool, filter, Bounds { after, up_to }, Direction::Ascending, limit).await
}

/// The newest messages not beyond a position, and below `before` where it is given: at most `limit`, and [`PAGE_BYTES`].
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
    let up_to = before.map_or(up_to, |cursor| up_to.min(just_below(cursor)));
    newest(pool, filter, FIRST, up_to, limit).await
}

/// The newest messages after a position and not beyond another: at most `limit`, and [`PAGE_BYTES`].
///
/// # Errors
/// When PostgreSQL cannot answer.
pub async fn newest(pool: &Pool, filter: &Filter, after: Cursor, up_to: Cursor, limit: usize) -> Result<Page, ReadError> {
    let bounds = Bounds { after, up_to };
    let Slice { mut messages, more } = pick(pool, filter, bounds, Direction::Descending, limit).await?;
    messages.reverse();
    Ok(Page { messages, older: more })
}

/// The position of the oldest of the newest `limit` messages not beyond another position; nothing where none matches. Those of
/// runs in `hidden` namespaces are not counted.
///
/// # Errors
/// When PostgreSQL cannot answer.
pub async fn oldest_of_newest(
    pool: &Pool,
    filter: &Filter,
    hidden: &[String],
    up_to: Cursor,
    limit: usize,
) -> Result<Option<Cursor>, ReadError> {
    let client = pool.get().await?;
    let walks = walks(Direction::Descending, "AND workflow_namespace <> ALL($19::text[])");
    let sql = format!("{walks} SELECT epoch, stream_seq FROM page ORDER BY epoch, stream_seq LIMIT 1");
    let statement = client.prepare_cached(&sql).await?;
    let question = Question::new(filter, Bounds { after: FIRST, up_to }, limit);
    let mut parameters = question.parameters().to_vec();
    parameters.push(&hidden);
    let found = client.query_opt(&statement, &parameters).await?;
    found.map(|row| row::cursor(&row, "epoch", "stream_seq")).transpose()
}

/// A message with up to `context` neighbours on each side, of those that match. Nothing beyond `up_to` is told.
///
/// # Errors
/// When PostgreSQL cannot answer.
pub async fn around(
    pool: &Pool,
    message: StoredMessage,
    filter: &Filter,
    context: usize,
    up_to: Cursor,
) -> Result<Surroundings, ReadError> {
    let cursor = message.cursor;
    let Page { mut messages, older } = before(pool, filter, Some(cursor), up_to, context).await?;
    let newer = after(pool, filter, cursor, up_to, context).await?;
    messages.push(message);
    messages.extend(newer.messages);
    Ok(Surroundings { messages, older, newer: newer.more })
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

/// Namespace, id and position of the newest messages not beyond a position, newest first.
///
/// # Errors
/// When PostgreSQL cannot answer.
pub async fn newest_ids(pool: &Pool, up_to: Cursor, limit: usize) -> Result<Vec<(String, Uuid, Cursor)>, ReadError> {
    let client = pool.get().await?;
    let sql = "SELECT workflow_namespace, id, epoch, stream_seq FROM workflow_comms.agent_messages \
               WHERE (epoch, stream_seq) <= ($1, $2) ORDER BY epoch DESC, stream_seq DESC LIMIT $3";
    let statement = client.prepare_cached(sql).await?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = client.query(&statement, &[&up_to.epoch, &up_to.sequence, &limit]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?, row::cursor(row, "epoch", "stream_seq")?))).collect()
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

/// Before every message.
pub const FIRST: Cursor = Cursor { epoch: i64::MIN, sequence: 0 };

/// The position up to which everything is below this one.
#[must_use]
pub fn just_below(cursor: Cursor) -> Cursor {
    Cursor { sequence: cursor.sequence - 1, ..cursor }
}

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

impl Direction {
    fn order(self) -> &'static str {
        match self {
            Self::Ascending => "epoch, stream_seq",
            Self::Descending => "epoch DESC, stream_seq DESC",
        }
    }
}

/// Walks, for each run and each way to find it, one index in cursor order, and merges what these walks found. A plain `OR`
/// would read every message of a run to sort them. `of_runs` narrows those of runs further. What they found, no more than `$12`, is the table `page`.
fn walks(direction: Direction, of_runs: &str) -> String {
    let order = direction.order();
    let walk = |condition: &str| {
        format!(
            "SELECT stream_ts, epoch, stream_seq FROM workflow_comms.agent_messages WHERE {condition} \
             AND (epoch, stream_seq) > ($3, $4) AND (epoch, stream_seq) <= ($5, $6) \
             AND stream_ts >= coalesce($13::timestamptz, '-infinity') AND stream_ts < coalesce($14::timestamptz, 'infinity') \
             AND ($7::text IS NULL OR workflow_namespace = $7) \
             AND (cardinality($8::text[]) = 0 OR kind = ANY($8)) AND (cardinality($9::text[]) = 0 OR agent_id = ANY($9)) \
             AND (cardinality($10::text[]) = 0 OR role = ANY($10)) \
             AND (cardinality($15::text[]) = 0 OR step_id = ANY($15)) AND (cardinality($16::text[]) = 0 OR stage = ANY($16)) \
             AND ($11::text IS NULL OR content ILIKE $11) \
             AND (cardinality($17::text[]) = 0 OR content IS NULL OR content NOT ILIKE ALL($17::text[])) \
             AND ($18::text IS NULL OR content ~* $18) \
             ORDER BY {order} LIMIT $12"
        )
    };
    let by_uid = walk(&format!("verified AND workflow_uid = run.id AND workflow_uid NOT IN ('', 'unknown') {of_runs}"));
    let by_run_id = walk(&format!("verified AND run_id = run.id {of_runs}"));
    let by_name = walk(&format!(
        "verified AND workflow_namespace = known.workflow_namespace AND workflow_name = run.id \
         AND workflow_uid IN ('', 'unknown') {of_runs}"
    ));
    let general = walk("$2 AND channel = 'general'");
    format!(
        "WITH found AS (\
         SELECT walk.* FROM unnest($1::text[]) AS run (id) CROSS JOIN LATERAL ({by_uid}) walk \
         UNION SELECT walk.* FROM unnest($1::text[]) AS run (id) CROSS JOIN LATERAL ({by_run_id}) walk \
         UNION SELECT walk.* FROM unnest($1::text[]) AS run (id) \
         JOIN workflow_comms.runs known ON known.workflow_name = run.id AND known.run_key = 'name:' || run.id \
         CROSS JOIN LATERAL ({by_name}) walk \
         UNION ({general})), \
         page AS (SELECT * FROM found ORDER BY {order} LIMIT $12)"
    )
}

/// Of what was found, the messages before which there are less than `$19` bytes, and how many were found in all.
fn statement(direction: Direction) -> String {
    format!(
        "{walks} SELECT * FROM (SELECT {columns}, count(*) OVER () AS found, sum({weight}) OVER \
         (ORDER BY {order} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before \
         FROM page JOIN workflow_comms.agent_messages m USING (stream_ts, epoch, stream_seq)) weighed \
         WHERE bytes_before IS NULL OR bytes_before < $19 ORDER BY {order}",
        walks = walks(direction, ""),
        columns = row::COLUMNS,
        weight = row::WEIGHT,
        order = direction.order(),
    )
}

/// What the walks are asked, in the form that the driver takes.
struct Question<'a> {
    filter: &'a Filter,
    bounds: Bounds,
    pattern: Option<String>,
    without: Vec<String>,
    limit: i64,
    since: Option<OffsetDateTime>,
    until: Option<OffsetDateTime>,
}

impl<'a> Question<'a> {
    fn new(filter: &'a Filter, bounds: Bounds, limit: usize) -> Self {
        let pattern = filter.text.as_deref().map(like_pattern);
        let without = filter.without.iter().map(|text| like_pattern(text)).collect();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let [since, until] = [filter.since, filter.until].map(|time| time.map(Timestamp::moment));
        Self { filter, bounds, pattern, without, limit, since, until }
    }

    fn parameters(&self) -> [&(dyn ToSql + Sync); 18] {
        [
            &self.filter.runs,
            &self.filter.general,
            &self.bounds.after.epoch,
            &self.bounds.after.sequence,
            &self.bounds.up_to.epoch,
            &self.bounds.up_to.sequence,
            &self.filter.namespace,
            &self.filter.kinds,
            &self.filter.agents,
            &self.filter.roles,
            &self.pattern,
            &self.limit,
            &self.since,
            &self.until,
            &self.filter.steps,
            &self.filter.stages,
            &self.without,
            &self.filter.regex,
        ]
    }
}

async fn pick(pool: &Pool, filter: &Filter, bounds: Bounds, direction: Direction, limit: usize) -> Result<Slice, ReadError> {
    let mut client = pool.get().await?;
    // One more is looked for, which says whether there are more.
    let question = Question::new(filter, bounds, limit.saturating_add(1));
    let mut parameters = question.parameters().to_vec();
    parameters.push(&PAGE_BYTES);
    let rows = ask(&mut client, &statement(direction), &parameters, filter.is_search()).await?;
    let found: i64 = rows.first().map_or(Ok(0), |row| row.try_get("found"))?;
    let messages: Vec<StoredMessage> = rows.iter().take(limit).map(row::stored).collect::<Result<_, _>>()?;
    let more = i64::try_from(messages.len()).is_ok_and(|told| told < found);
    Ok(Slice { messages, more })
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

/// Where a message stands: in its run, or in the shared channel where no run is vouched for.
#[must_use]
pub fn neighbourhood(message: &StoredMessage) -> Filter {
    if !message.verified {
        return Filter { general: true, ..Filter::default() };
    }
    let run = &message.message.run;
    let id = if message::identity::names_nothing(&run.uid) { &run.name } else { &run.uid };
    Filter { runs: vec![id.clone()], namespace: Some(run.namespace.clone()), ..Filter::default() }
}
