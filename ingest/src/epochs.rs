//! The lives of the stream. Every replica maps a message to the same life, because only its store time decides. Pure: the
//! rows are read by whoever needs them, with [`QUERY`].

use message::Timestamp;
use time::OffsetDateTime;
use tokio_postgres::Row;

use crate::cursor::Cursor;

/// Reads every life, oldest first.
pub const QUERY: &str = "SELECT epoch, CASE WHEN isfinite(starts_at) THEN starts_at END AS starts_at, stream_created, first_seq, \
    watermark, seen_seq, seen_at, lost_to, kept_from, settled FROM workflow_comms.stream_epochs ORDER BY epoch";

/// One life of the stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Epoch {
    /// Its number.
    pub epoch: i64,
    /// When it starts; nothing for the first, which starts before all time.
    pub starts_at: Option<Timestamp>,
    /// When the stream was created that it is a life of, in microseconds; nothing where that is not known.
    pub stream_created: Option<Timestamp>,
    /// The first sequence that belongs to it; 0 where it is not known.
    pub first_sequence: i64,
    /// Everything of it at or below this sequence is committed.
    pub watermark: i64,
    /// The highest sequence that any replica was handed; 0 for none.
    pub seen_sequence: i64,
    /// The latest store time that any replica was handed, of whichever message.
    pub seen_at: Option<Timestamp>,
    /// Something at or below this sequence was discarded by the stream before it was stored; 0 for nothing.
    pub lost_to: i64,
    /// Days below this sequence were dropped; 0 for none.
    pub kept_from: i64,
    /// Whether nothing of it is stored any more, because a later life began.
    pub settled: bool,
}

/// Every life of the stream, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Epochs(pub Vec<Epoch>);

impl Epochs {
    /// Only the first life, as before any break of the stream.
    #[must_use]
    pub fn first() -> Self {
        Self(vec![Epoch { epoch: 1, ..Epoch::default() }])
    }

    /// What [`QUERY`] gave.
    ///
    /// # Errors
    /// When a column is not what it should be.
    pub fn of_rows(rows: &[Row]) -> Result<Self, tokio_postgres::Error> {
        let moment =
            |row: &Row, column: &str| row.try_get::<_, Option<OffsetDateTime>>(column).map(|moment| moment.map(Timestamp::new));
        let epoch = |row: &Row| {
            Ok(Epoch {
                epoch: row.try_get("epoch")?,
                starts_at: moment(row, "starts_at")?,
                stream_created: moment(row, "stream_created")?,
                first_sequence: row.try_get("first_seq")?,
                watermark: row.try_get("watermark")?,
                seen_sequence: row.try_get("seen_seq")?,
                seen_at: moment(row, "seen_at")?,
                lost_to: row.try_get("lost_to")?,
                kept_from: row.try_get("kept_from")?,
                settled: row.try_get("settled")?,
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

    /// Whether a position is among those whose days were dropped.
    #[must_use]
    pub fn is_dropped(&self, cursor: Cursor) -> bool {
        self.get(cursor.epoch).is_some_and(|epoch| cursor.sequence < epoch.kept_from)
    }

    /// Whether any day was dropped.
    #[must_use]
    pub fn has_dropped(&self) -> bool {
        self.0.iter().any(|epoch| epoch.kept_from > 0)
    }

    /// Whether everything after a position can still be told, and if not, why: in its own life, and in each later one.
    #[must_use]
    pub fn refusal(&self, cursor: Cursor) -> Option<&'static str> {
        let Some(own) = self.get(cursor.epoch) else {
            return Some("unknown_epoch");
        };
        if cursor.sequence < own.first_sequence - 1 {
            return Some("expired");
        }
        let later = self.0.iter().filter(|epoch| epoch.epoch >= cursor.epoch);
        let mut told = later.map(|epoch| (epoch, if epoch.epoch == cursor.epoch { cursor.sequence } else { 0 }));
        told.find_map(|(epoch, sequence)| match () {
            () if sequence < epoch.kept_from - 1 => Some("expired"),
            () if sequence < epoch.lost_to => Some("discarded"),
            () => None,
        })
    }
}

#[cfg(test)]
mod tests;
