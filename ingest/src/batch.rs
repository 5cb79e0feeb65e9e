//! What the stream delivered, sorted into what is stored, what cannot be read and what is too old. Pure: the same
//! deliveries give the same batch, whichever replica reads them.

use std::collections::BTreeSet;

use async_nats::HeaderMap;
use bytes::Bytes;
use message::{RESEND_HEADER, Received, Timestamp};
use time::{Date, OffsetDateTime};

pub mod fold;

use crate::cursor::Cursor;
use crate::epochs::Epochs;
use crate::store::dead_letter::DeadLetter;
use crate::stored::StoredMessage;

/// A message as the stream delivered it.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Subject it was published to.
    pub subject: String,
    /// Headers.
    pub headers: Option<HeaderMap>,
    /// Body.
    pub payload: Bytes,
    /// When the stream stored it.
    pub stored_at: OffsetDateTime,
    /// Sequence in the stream.
    pub sequence: u64,
}

/// A message to store.
#[derive(Debug, Clone)]
pub struct Row<'a> {
    /// The message.
    pub stored: StoredMessage,
    /// Whether it may have been sent before: earlier days may hold it too.
    pub resent: bool,
    /// What it was read from: its bytes are kept where it cannot be a row.
    pub delivery: &'a Delivery,
}

/// What goes into one transaction.
#[derive(Debug, Default)]
pub struct Batch<'a> {
    /// Messages, in the order of the key that makes them one: namespace and id, then cursor. Copies are among them.
    pub rows: Vec<Row<'a>>,
    /// What could not be read.
    pub dead: Vec<DeadLetter>,
    /// Those older than what is kept.
    pub expired: Vec<Cursor>,
    /// What is likely of it: what is cheaper follows from that, nothing else.
    pub likely: Likely,
}

/// What the tables are likely to hold of a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Likely {
    /// Nothing.
    #[default]
    New,
    /// Some of it, or copies of some of it.
    Mixed,
    /// Most of it, delivered again: it is looked for first.
    Known,
}

impl<'a> Batch<'a> {
    /// Sorts deliveries; those stored before `oldest`, or on a day that was dropped, are not kept.
    #[must_use]
    pub fn read(deliveries: impl IntoIterator<Item = &'a Delivery>, epochs: &Epochs, oldest: Date) -> Self {
        let mut batch = Self::default();
        for delivery in deliveries {
            let cursor = delivery.cursor(epochs);
            if delivery.stored_at.date() < oldest || epochs.is_dropped(cursor) {
                batch.expired.push(cursor);
                continue;
            }
            match StoredMessage::decode(cursor.epoch, &delivery.received()) {
                Ok(stored) => batch.rows.push(Row { stored, resent: delivery.is_resent(), delivery }),
                Err(error) => batch.dead.push(delivery.dead_letter(epochs, error.class(), &error)),
            }
        }
        // Transactions that write the same keys in the same order never wait for each other in a circle, and of two copies
        // in one batch the lower cursor comes first.
        batch.rows.sort_by(|one, other| {
            let (one, other) = (&one.stored, &other.stored);
            one.key().cmp(&other.key()).then_with(|| one.cursor.cmp(&other.cursor))
        });
        // Delivered again before it was acknowledged, a message can stand beside itself: it must not count twice.
        batch.rows.dedup_by_key(|row| (row.stored.message.id, row.stored.cursor));
        batch.dead.sort_by_key(|letter| (letter.epoch, letter.sequence));
        batch.dead.dedup_by_key(|letter| (letter.epoch, letter.sequence));
        batch
    }

    /// The days that its messages belong to.
    #[must_use]
    pub fn days(&self) -> BTreeSet<Date> {
        self.rows.iter().map(|row| row.stored.created_at.moment().date()).collect()
    }
}

impl Delivery {
    /// As a dead letter of this class.
    #[must_use]
    pub fn dead_letter(&self, epochs: &Epochs, class: &'static str, error: &dyn std::error::Error) -> DeadLetter {
        let Cursor { epoch, sequence } = self.cursor(epochs);
        DeadLetter {
            epoch,
            sequence,
            stored_at: self.stored_at,
            subject: self.subject.replace('\0', "\u{fffd}"),
            headers: self.headers.as_ref().map(headers_json),
            payload: self.payload.clone(),
            class,
            error: service::causes::in_one_line(error).replace('\0', "\u{fffd}"),
        }
    }

    /// Its position.
    #[must_use]
    pub fn cursor(&self, epochs: &Epochs) -> Cursor {
        let epoch = epochs.of_moment(Timestamp::new(self.stored_at));
        Cursor { epoch, sequence: i64::try_from(self.sequence).unwrap_or(i64::MAX) }
    }

    /// As it is decoded.
    pub(crate) fn received(&self) -> Received<'_> {
        let Self { subject, payload, stored_at, sequence, .. } = self;
        Received { subject, payload, stored_at: *stored_at, sequence: *sequence }
    }

    /// Whether it is marked as sent again.
    #[must_use]
    pub fn is_resent(&self) -> bool {
        is_resent(self.headers.as_ref())
    }
}

/// Whether a message says that it may have been sent before.
#[must_use]
pub fn is_resent(headers: Option<&HeaderMap>) -> bool {
    headers.and_then(|headers| headers.get(RESEND_HEADER)).is_some_and(|value| value.as_str() == "1")
}

fn headers_json(headers: &HeaderMap) -> String {
    let object = headers.iter().map(|(name, values)| {
        let values = values.iter().map(|value| value.as_str().into()).collect();
        (name.to_string(), serde_json::Value::Array(values))
    });
    serde_json::Value::Object(object.collect()).to_string()
}

#[cfg(test)]
mod tests;
