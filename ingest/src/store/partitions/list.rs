//! The partitions that there are.

use time::{Date, Month};
use tokio_postgres::GenericClient;

use crate::store::StoreError;

/// A partition, or a table that was one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// Name of the table, without its schema.
    pub name: String,
    /// Its day.
    pub day: Date,
    /// What it takes on disk, with its indexes.
    pub bytes: i64,
    /// Whether it is a partition.
    pub state: LeafState,
    /// Whether it was decided that it is dropped.
    pub is_leaving: bool,
}

/// How a table belongs to the messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeafState {
    /// It is a partition.
    Attached,
    /// Its detaching began, and did not end: who reads now does not see it.
    Detaching,
    /// It is a table of its own.
    Detached,
}

/// The mark of a partition that is to be dropped. It stays with the table when it is detached, so that whoever comes after a
/// replica that was killed knows what to do, and a table that a person detached to keep it is left alone.
pub(super) const LEAVING: &str = "agent-comms: dropped by retention";

const SQL: &str = "SELECT leaf.relname::text, coalesce(pg_total_relation_size(leaf.oid), 0), part.inhrelid IS NOT NULL, \
    coalesce(part.inhdetachpending, false), coalesce(obj_description(leaf.oid, 'pg_class'), '') \
    FROM pg_class AS leaf JOIN pg_namespace AS space ON space.oid = leaf.relnamespace \
    LEFT JOIN pg_inherits AS part ON part.inhrelid = leaf.oid AND part.inhparent = 'workflow_comms.agent_messages'::regclass \
    WHERE space.nspname = 'workflow_comms' AND leaf.relkind = 'r' AND leaf.relname ~ '^agent_messages_[0-9]{8}$' \
    ORDER BY leaf.relname";

/// All of them, oldest first.
///
/// # Errors
/// When `PostgreSQL` is away.
pub async fn leaves(client: &impl GenericClient) -> Result<Vec<Leaf>, StoreError> {
    let action = || StoreError::of("list the partitions");
    let mut leaves = Vec::new();
    for row in client.query(SQL, &[]).await.map_err(action())? {
        let name: String = row.try_get(0).map_err(action())?;
        let Some(day) = day_of(&name) else { continue };
        let (attached, detaching): (bool, bool) = (row.try_get(2).map_err(action())?, row.try_get(3).map_err(action())?);
        let state = match (attached, detaching) {
            (true, false) => LeafState::Attached,
            (true, true) => LeafState::Detaching,
            (false, _) => LeafState::Detached,
        };
        let mark: &str = row.try_get(4).map_err(action())?;
        leaves.push(Leaf { day, bytes: row.try_get(1).map_err(action())?, state, is_leaving: mark == LEAVING, name });
    }
    Ok(leaves)
}

fn day_of(name: &str) -> Option<Date> {
    let digits = name.get(name.len().checked_sub(8)?..)?;
    let number = |from: usize, to: usize| digits.get(from..to)?.parse::<u16>().ok();
    let month = Month::try_from(u8::try_from(number(4, 6)?).ok()?).ok()?;
    Date::from_calendar_date(i32::from(number(0, 4)?), month, u8::try_from(number(6, 8)?).ok()?).ok()
}
