//! A message with its place in the stream: what the table holds and what viewers are shown.
//!
//! Storing and live decode here and nowhere else, so that the row of a message and its live frame say the same. What
//! `PostgreSQL` refuses is therefore mended here, before either sees it.

mod mend;
mod same;

use message::{DecodeError, Message, Placement, Received, Timestamp};
use uuid::Uuid;

use crate::cursor::Cursor;

pub use same::{Words, same_words};

/// A message as stored, the same whether it was read from the stream or from the table.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredMessage {
    /// Its position.
    pub cursor: Cursor,
    /// When the stream stored it: the field `created_at`.
    pub created_at: Timestamp,
    /// Subject it was published to.
    pub subject: String,
    /// Whether the subject vouches for its run. Where not, it is shown in the shared channel only.
    pub verified: bool,
    /// What was said.
    pub message: Message,
}

impl StoredMessage {
    /// Reads a message of the stream's life `epoch`.
    ///
    /// # Errors
    /// When it cannot be read: it is a dead letter, and no viewer sees it.
    pub fn decode(epoch: i64, received: &Received<'_>) -> Result<Self, DecodeError> {
        let decoded = message::decode(received)?;
        let mut message = decoded.message;
        mend::message(&mut message);
        Ok(Self {
            cursor: Cursor { epoch, sequence: i64::try_from(received.sequence).unwrap_or(i64::MAX) },
            created_at: Timestamp::new(received.stored_at),
            subject: mend::text(received.subject).into_owned(),
            verified: decoded.placement != Placement::UnverifiedGeneral,
            message,
        })
    }

    /// What makes two messages copies of one: namespace and id.
    #[must_use]
    pub fn key(&self) -> (&str, Uuid) {
        (&self.message.run.namespace, self.message.id)
    }
}

#[cfg(test)]
mod tests;
