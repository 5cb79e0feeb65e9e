//! Messages of runs and of the shared channel, in cursor order.

mod find;
mod walks;

use deadpool_postgres::Pool;
use time::OffsetDateTime;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::cursor::Cursor;
use crate::filter::Filter;
use crate::read::{ReadError, row};
use crate::stored::StoredMessage;
use walks::{Bounds, Direction, Question};

pub(super) use walks::like_pattern;

/// How many bytes of texts one answer holds at most, and one message more: what somebody asks for is bounded by memory,
/// not by a number of messages that may each be large.
pub const PAGE_BYTES: i64 = 4 << 20;

/// The same of a part of what is told in many: whoever does not take it holds little.
pub const PART_BYTES: i64 = 512 << 10;

/// The oldest messages after a position.
#[derive(Debug, Clone, Default)]
pub struct Slice {
    /// Oldest first.
    pub messages: Vec<StoredMessage>,
    /// Whether there are more, or may be: what matches little is looked for in parts, and a part may hold nothing.
    pub more: bool,
    /// All that matches up to here is told: where a next one begins.
    pub reached: Cursor,
}

/// The newest messages below a position.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Oldest first.
    pub messages: Vec<StoredMessage>,
    /// Whether there are older ones, or may be: what matches little is looked for in parts, and a part may hold nothing.
    pub older: bool,
    /// All that matches from here on is told: the older ones are below it.
    pub reached: Cursor,
}

impl Slice {
    /// Where what follows begins, if anything may.
    #[must_use]
    pub fn next(&self) -> Option<Cursor> {
        self.more.then_some(self.reached)
    }
}

impl Page {
    /// Where what is older ends, if anything may be.
    #[must_use]
    pub fn next(&self) -> Option<Cursor> {
        self.older.then_some(self.reached)
    }
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
    slice(pool, filter, Bounds { after, up_to }, Most { messages: limit, bytes: PAGE_BYTES }).await
}

/// The same for whoever is told of them one after the other and comes back for more: at most [`PART_BYTES`].
///
/// # Errors
/// When PostgreSQL cannot answer.
pub async fn some_after(pool: &Pool, filter: &Filter, after: Cursor, up_to: Cursor, limit: usize) -> Result<Slice, ReadError> {
    slice(pool, filter, Bounds { after, up_to }, Most { messages: limit, bytes: PART_BYTES }).await
}

async fn slice(pool: &Pool, filter: &Filter, bounds: Bounds, most: Most) -> Result<Slice, ReadError> {
    let picked = pick(pool, filter, bounds, Direction::Ascending, most).await?;
    Ok(Slice { messages: picked.messages, more: picked.reached.is_some(), reached: picked.reached.unwrap_or(bounds.up_to) })
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
    let most = Most { messages: limit, bytes: PAGE_BYTES };
    let Picked { mut messages, reached } = pick(pool, filter, Bounds { after, up_to }, Direction::Descending, most).await?;
    messages.reverse();
    Ok(Page { messages, older: reached.is_some(), reached: reached.unwrap_or(after) })
}

/// The newest messages, as far as they were looked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Newest {
    /// The oldest of them; nothing where none matches.
    pub oldest: Option<Cursor>,
    /// How many they are.
    pub count: usize,
    /// They are all that match from here on, and there may be older ones; nothing where that is sure.
    pub reached: Option<Cursor>,
}

/// Which are the newest `limit` messages not beyond a position, or those of them that are found in time. Those of runs in
/// `hidden` namespaces are passed over.
///
/// # Errors
/// When PostgreSQL cannot answer.
pub async fn oldest_of_newest(
    pool: &Pool,
    filter: &Filter,
    hidden: &[String],
    up_to: Cursor,
    limit: usize,
) -> Result<Newest, ReadError> {
    let question = Question::new(filter, hidden, Bounds { after: FIRST, up_to });
    if question.is_narrow() {
        let find::Found { places, reached } = find::find(pool, question, Direction::Descending, limit).await?;
        let oldest = places.last().map(|(_, cursor)| *cursor);
        return Ok(Newest { oldest, count: places.len(), reached: reached.filter(|_| places.len() < limit) });
    }
    let walks = walks::all(Direction::Descending);
    let sql = format!("{walks} SELECT epoch, stream_seq, count(*) OVER () AS count FROM page ORDER BY epoch, stream_seq LIMIT 1");
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut parameters = question.of_all().to_vec();
    parameters.push(&limit);
    let client = pool.get().await?;
    let statement = client.prepare_cached(&sql).await?;
    let Some(found) = client.query_opt(&statement, &parameters).await? else { return Ok(Newest::default()) };
    let count = usize::try_from(found.try_get::<_, i64>("count")?).unwrap_or_default();
    Ok(Newest { oldest: Some(row::cursor(&found, "epoch", "stream_seq")?), count, reached: None })
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
    let Page { mut messages, older, .. } = before(pool, filter, Some(cursor), up_to, context).await?;
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

/// Of what was found, the messages before which there are less than so many bytes, and how many were found in all.
fn within_bytes(direction: Direction, most: &str) -> String {
    format!(
        "SELECT * FROM (SELECT {columns}, count(*) OVER () AS found, sum({weight}) OVER \
         (ORDER BY {order} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before \
         FROM page JOIN workflow_comms.agent_messages m USING (stream_ts, epoch, stream_seq)) weighed \
         WHERE bytes_before IS NULL OR bytes_before < {most} ORDER BY {order}",
        columns = row::COLUMNS,
        weight = row::WEIGHT,
        order = direction.order(),
    )
}

/// Messages in the order of a walk, and how far it went.
struct Picked {
    messages: Vec<StoredMessage>,
    /// All that matches up to here is in them; nothing where that is all that there is.
    reached: Option<Cursor>,
}

/// How much is read.
#[derive(Clone, Copy)]
struct Most {
    messages: usize,
    /// And one message more.
    bytes: i64,
}

async fn pick(pool: &Pool, filter: &Filter, bounds: Bounds, direction: Direction, most: Most) -> Result<Picked, ReadError> {
    let limit = most.messages;
    let question = Question::new(filter, &[], bounds);
    // One more is looked for, which says whether there are more.
    let wanted = limit.saturating_add(1);
    let (rows, reached) = if question.is_narrow() {
        let find::Found { places, reached } = find::find(pool, question, direction, wanted).await?;
        (fetch(pool, &places, direction, most.bytes).await?, reached)
    } else {
        let sql = format!("{} {}", walks::all(direction), within_bytes(direction, "$9"));
        let wanted = i64::try_from(wanted).unwrap_or(i64::MAX);
        let mut parameters = question.of_all().to_vec();
        parameters.extend([&wanted as &(dyn ToSql + Sync), &most.bytes]);
        let client = pool.get().await?;
        let statement = client.prepare_cached(&sql).await?;
        (client.query(&statement, &parameters).await?, None)
    };
    let found: i64 = rows.first().map_or(Ok(0), |row| row.try_get("found"))?;
    let messages: Vec<StoredMessage> = rows.iter().take(limit).map(row::stored).collect::<Result<_, _>>()?;
    let is_cut = i64::try_from(messages.len()).is_ok_and(|told| told < found);
    let last = messages.last().map(|message| message.cursor);
    let reached = if is_cut { last.or(Some(bounds.start(direction))) } else { reached };
    Ok(Picked { messages, reached })
}

/// The messages at these places, no more than so many bytes of them.
async fn fetch(pool: &Pool, places: &[find::Place], direction: Direction, bytes: i64) -> Result<Vec<Row>, ReadError> {
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "WITH page AS (SELECT * FROM unnest($1::timestamptz[], $2::bigint[], $3::bigint[]) AS place (stream_ts, epoch, stream_seq)) {}",
        within_bytes(direction, "$4")
    );
    let times: Vec<OffsetDateTime> = places.iter().map(|(time, _)| *time).collect();
    let (epochs, sequences): (Vec<i64>, Vec<i64>) = places.iter().map(|(_, cursor)| (cursor.epoch, cursor.sequence)).unzip();
    let client = pool.get().await?;
    let statement = client.prepare_cached(&sql).await?;
    Ok(client.query(&statement, &[&times, &epochs, &sequences, &bytes]).await?)
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
