//! The lives of the stream. Every replica maps a message to the same life, because only its store time decides. Pure: the
//! rows are read by whoever needs them, with [`QUERY`].

use message::Timestamp;
use time::OffsetDateTime;
use tokio_postgres::Row;

use crate::cursor::Cursor;

/// Reads every life, oldest first.
pub const QUERY: &str = "SELECT epoch, CASE WHEN isfinite(starts_at) THEN starts_at END AS starts_at, first_seq \
    FROM workflow_comms.stream_epochs ORDER BY epoch";

/// One life of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Epoch {
    /// Its number.
    pub epoch: i64,
    /// When it starts; nothing for the first, which starts before all time.
    pub starts_at: Option<Timestamp>,
    /// The first sequence that belongs to it; 0 where it is not known.
    pub first_sequence: i64,
}

/// Every life of the stream, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Epochs(pub Vec<Epoch>);

impl Epochs {
    /// Only the first life, as before any break of the stream.
    #[must_use]
    pub fn first() -> Self {
        Self(vec![Epoch { epoch: 1, starts_at: None, first_sequence: 0 }])
    }

    /// What [`QUERY`] gave.
    ///
    /// # Errors
    /// When a column is not what it should be.
    pub fn of_rows(rows: &[Row]) -> Result<Self, tokio_postgres::Error> {
        let epoch = |row: &Row| {
            Ok(Epoch {
                epoch: row.try_get("epoch")?,
                starts_at: row.try_get::<_, Option<OffsetDateTime>>("starts_at")?.map(Timestamp::new),
                first_sequence: row.try_get("first_seq")?,
            })
        };
        rows.iter().map(epoch).collect::<Result<_, _>>().map(Self)
    }

    /// The life that a message stored at this moment belongs to: the last that starts not after it.
    #[must_use]
    pub fn of_moment(&self, moment: Timestamp) -> i64 {
        let found = self.0.iter().rev().find(|epoch| epoch.starts_at.is_none_or(|start| start <= moment));
        found.or(self.0.first()).map_or(1, |epoch| epoch.epoch)
    }

    /// The newest life.
    #[must_use]
    pub fn newest(&self) -> i64 {
        self.0.last().map_or(1, |epoch| epoch.epoch)
    }

    /// One life, where it is known.
    #[must_use]
    pub fn get(&self, epoch: i64) -> Option<&Epoch> {
        self.0.iter().find(|known| known.epoch == epoch)
    }

    /// Whether everything after a position can still be told, and if not, why.
    #[must_use]
    pub fn refusal(&self, cursor: Cursor) -> Option<&'static str> {
        match self.get(cursor.epoch) {
            None => Some("unknown_epoch"),
            Some(epoch) if cursor.sequence < epoch.first_sequence - 1 => Some("expired"),
            Some(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
