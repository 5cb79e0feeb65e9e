//! Finds what a filter matches in bounded steps: what matches little must look at much, and whoever asks for it neither waits
//! without end nor holds a connection for long.
//!
//! A step looks at so many messages at most, and tells how far it looked; the next one goes on from there, with any
//! connection. Steps become longer while they are quick, and shorter where one was too slow.

use std::time::Duration;

use deadpool_postgres::Pool;
use time::OffsetDateTime;
use tokio::time::Instant;

use super::just_below;
use super::walks::{self, Direction, Question};
use crate::cursor::Cursor;
use crate::read::{ReadError, row};

/// How long is looked for what one request asks for: then it is told what was found and how far that goes.
const TOGETHER: Duration = Duration::from_secs(2);
/// How long a step may take. The index gives what is next in order whatever the statistics say: to sort all that there is, or
/// to read all of a table, has no bound. What is switched off counts as dear, and for dear statements code would be compiled.
const LIMITS: &str = "SET LOCAL statement_timeout = '700ms'; SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off; \
    SET LOCAL enable_seqscan = off; SET LOCAL jit = off";
/// A step that takes less is followed by one that looks at twice as much.
const QUICK: Duration = Duration::from_millis(50);
/// How many messages the first step looks at, each of its walks its share.
const FIRST_STEP: usize = 1_000;
/// The longest step.
const LONGEST_STEP: usize = 16_000;
/// What is looked at in any case: messages may be as long as a mebibyte, and are searched for a text.
const SHORTEST_STEP: usize = 8;

/// Where a message is: its partition and its position.
pub(super) type Place = (OffsetDateTime, Cursor);

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// In the order of the walk.
    pub(super) places: Vec<Place>,
    /// All that matches up to here is in it; nothing where everything was looked at.
    pub(super) reached: Option<Cursor>,
}

/// The next so many messages that match, or those that were found in time.
pub(super) async fn find(
    pool: &Pool,
    mut question: Question<'_>,
    direction: Direction,
    wanted: usize,
) -> Result<Found, ReadError> {
    let begun = Instant::now();
    let mut found = Found::default();
    let mut length = FIRST_STEP;
    loop {
        let step_begun = Instant::now();
        match step(pool, &question, direction, wanted - found.places.len(), length).await {
            Ok(step) => {
                found.places.extend(step.places);
                found.reached = step.reached;
                let Some(reached) = step.reached.filter(|_| found.places.len() < wanted) else { return Ok(found) };
                match direction {
                    Direction::Ascending => question.bounds.after = reached,
                    Direction::Descending => question.bounds.up_to = just_below(reached),
                }
                if step_begun.elapsed() < QUICK {
                    length = (2 * length).min(LONGEST_STEP);
                }
            }
            Err(ReadError::TooLong(_)) if length > SHORTEST_STEP && begun.elapsed() < TOGETHER => {
                length = (length / 8).max(SHORTEST_STEP);
            }
            Err(ReadError::TooLong(_)) if found.reached.is_some() => return Ok(found),
            Err(error) => return Err(error),
        }
        if found.reached.is_some() && begun.elapsed() >= TOGETHER {
            return Ok(found);
        }
    }
}

async fn step(
    pool: &Pool,
    question: &Question<'_>,
    direction: Direction,
    wanted: usize,
    length: usize,
) -> Result<Found, ReadError> {
    let [wanted, length] = [wanted, (length / question.walks().max(1)).max(1)].map(|n| i64::try_from(n).unwrap_or(i64::MAX));
    let mut client = pool.get().await?;
    let transaction = client.transaction().await?;
    transaction.batch_execute(LIMITS).await?;
    let statement = transaction.prepare_cached(&walks::step(direction)).await?;
    let rows = transaction.query(&statement, &question.of_step(&wanted, &length)).await?;
    transaction.commit().await?;
    let mut found = Found::default();
    for row in &rows {
        let cursor = row::cursor(row, "epoch", "stream_seq")?;
        if row.try_get("matches")? {
            found.places.push((row.try_get("stream_ts")?, cursor));
        } else {
            found.reached = Some(cursor);
        }
    }
    match direction {
        Direction::Ascending => found.places.sort_unstable_by_key(|(_, cursor)| *cursor),
        Direction::Descending => found.places.sort_unstable_by_key(|(_, cursor)| std::cmp::Reverse(*cursor)),
    }
    Ok(found)
}
