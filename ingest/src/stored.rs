//! A message with its place in the stream: what the table holds and what viewers are shown.
//!
//! Storing and live decode here and nowhere else, so that the row of a message and its live frame say the same. What
//! PostgreSQL refuses is therefore mended here, before either sees it.

use message::{DecodeError, Message, Placement, Received, Timestamp};

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

impl StoredMessage {
    /// Reads a message of the stream's life `epoch`.
    ///
    /// # Errors
    /// When it cannot be read: it is a dead letter, and no viewer sees it.
    pub fn decode(epoch: i64, received: &Received<'_>) -> Result<Self, DecodeError> {
        let decoded = message::decode(received)?;
        let mut message = decoded.message;
        mend(&mut message);
        Ok(Self {
            cursor: Cursor { epoch, sequence: i64::try_from(received.sequence).unwrap_or(i64::MAX) },
            created_at: Timestamp::new(received.stored_at),
            subject: received.subject.to_owned(),
            verified: decoded.placement != Placement::UnverifiedGeneral,
            message,
        })
    }
}

/// Makes every field one that its column takes: no NUL in texts, numbers within the range of the column.
fn mend(message: &mut Message) {
    let required = [&mut message.run.namespace, &mut message.run.name, &mut message.run.uid, &mut message.agent_id].into_iter();
    let optional = [
        &mut message.run_id,
        &mut message.step_id,
        &mut message.pod,
        &mut message.container,
        &mut message.stage,
        &mut message.channel,
        &mut message.content,
        &mut message.runtime,
    ];
    for text in required.chain(optional.into_iter().flatten()) {
        if text.contains('\0') {
            *text = text.replace('\0', "\u{fffd}");
        }
    }
    if message.kind.as_str().contains('\0')
        && let Some(kind) = message::Kind::new(&message.kind.as_str().replace('\0', "\u{fffd}"))
    {
        message.kind = kind;
    }
    message.attempt = message.attempt.filter(|attempt| i32::try_from(*attempt).is_ok());
    message.seq = message.seq.filter(|seq| i64::try_from(*seq).is_ok());
}

#[cfg(test)]
mod tests;
