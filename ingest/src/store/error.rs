//! Why something could not be stored, sorted by what to do about it.

use message::Timestamp;
use tokio_postgres::error::SqlState;

use crate::consume::life::Quarantined;
use crate::cursor::Cursor;
use crate::read::ReadError;

/// Why something could not be stored.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No connection was to be had.
    #[error("no connection to postgresql")]
    Connection(#[source] Box<deadpool_postgres::PoolError>),
    /// `PostgreSQL` refused, or went away meanwhile.
    #[error("postgresql did not {action}")]
    Query {
        /// What was asked of it.
        action: &'static str,
        /// What it said.
        #[source]
        source: tokio_postgres::Error,
    },
    /// A life of the stream was added, or days were dropped, meanwhile: the batch must be read again.
    #[error("a life of the stream was added, or days were dropped, meanwhile")]
    EpochChanged,
    /// The stream may have begun another life, of which nothing is known yet.
    #[error(transparent)]
    Quarantined(#[from] Quarantined),
    /// Another message has the position of one that was stored in the stream at this moment: the stream broke, and no life
    /// was added for it yet.
    #[error("another message has the position {0}: the stream broke, and the break is not known yet")]
    PlaceTaken(Cursor, Timestamp),
    /// A row was there and is not any more.
    #[error("the row at {0} was moved meanwhile")]
    Moved(Cursor),
    /// A row holds what this program never writes.
    #[error("a row cannot be read")]
    Row(#[from] ReadError),
}

/// What to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// The same again, later.
    Retry,
    /// The same again, after reading the lives of the stream.
    ReadEpochs,
    /// Part of what was written is the cause: try it in halves.
    Bisect,
}

impl StoreError {
    /// Every [`label`](Self::label).
    pub const LABELS: [&str; 7] = ["epoch", "quarantine", "break", "row", "data", "refused", "connection"];

    /// Names the action that failed, for `map_err`.
    pub(crate) fn of(action: &'static str) -> impl FnOnce(tokio_postgres::Error) -> Self {
        move |source| Self::Query { action, source }
    }

    /// What to do about it. Only what `PostgreSQL` says of the data (classes 21, 22 and 23, a row or a key that is too
    /// long) is the data's fault; whatever else it says, it may say otherwise later.
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Connection(_) | Self::Quarantined(_) | Self::PlaceTaken(..) | Self::Moved(_) | Self::Row(_) => Remedy::Retry,
            Self::EpochChanged => Remedy::ReadEpochs,
            Self::Query { source, .. } => match source.code() {
                Some(code) if is_of_data(code) => Remedy::Bisect,
                // A value that this program cannot encode for its column never reaches the server.
                None if !source.is_closed() && is_of_conversion(source) => Remedy::Bisect,
                _ => Remedy::Retry,
            },
        }
    }

    /// A word for metrics: the class of the SQL state, or how the connection failed.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::EpochChanged => "epoch",
            Self::Quarantined(_) => "quarantine",
            Self::PlaceTaken(..) => "break",
            Self::Moved(_) | Self::Row(_) => "row",
            Self::Query { .. } if self.remedy() == Remedy::Bisect => "data",
            Self::Query { source, .. } if source.code().is_some() => "refused",
            Self::Connection(_) | Self::Query { .. } => "connection",
        }
    }
}

impl From<deadpool_postgres::PoolError> for StoreError {
    fn from(error: deadpool_postgres::PoolError) -> Self {
        Self::Connection(Box::new(error))
    }
}

fn is_of_data(code: &SqlState) -> bool {
    let missing_partition = *code == SqlState::CHECK_VIOLATION;
    let class = code.code().get(..2).unwrap_or_default();
    // 54000 is a key or a row too long for an index or a page; "no partition found for row" is a check violation and
    // never a row's fault.
    !missing_partition && (matches!(class, "21" | "22" | "23") || *code == SqlState::PROGRAM_LIMIT_EXCEEDED)
}

fn is_of_conversion(error: &tokio_postgres::Error) -> bool {
    use std::error::Error as _;
    let is_io = error.source().is_some_and(|source| source.downcast_ref::<std::io::Error>().is_some());
    !is_io && error.to_string().starts_with("error serializing parameter")
}

#[cfg(test)]
mod tests;
