//! A message with its place in the stream: what the table holds and what viewers are shown.

use message::{Message, Timestamp};

use crate::cursor::Cursor;

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
