//! What becomes of each message that is not a new row.

use message::wire;

use crate::batch::Row;
use crate::cursor::Cursor;
use crate::epochs::Epochs;
use crate::store::dead_letter::DeadLetter;
use crate::stored::{StoredMessage, same_words};

/// What becomes of the messages of a batch that are not new rows.
#[derive(Debug, Default)]
pub(super) struct Fates {
    /// Copies that say what their original says, and what is older than what is kept.
    pub(super) passed: Vec<Cursor>,
    /// What must not be silent.
    pub(super) dead: Vec<DeadLetter>,
    /// How many were there already.
    pub(super) repeated: usize,
}

/// A message has the id of another and says something else.
#[derive(Debug, thiserror::Error)]
#[error("its id is that of {0}, which says something else")]
pub(super) struct Conflict(pub(super) Cursor);

impl Fates {
    /// Settles the copies of a message, each with a higher cursor.
    pub(super) fn copies<'a: 'b, 'b>(
        &mut self,
        copies: impl Iterator<Item = &'b Row<'a>>,
        original: &StoredMessage,
        epochs: &Epochs,
    ) {
        for row in copies {
            if same_words((&row.stored.message).into(), (&original.message).into()) {
                self.repeated += 1;
                self.passed.push(row.stored.cursor);
            } else {
                self.dead.push(row.delivery.dead_letter(epochs, CONFLICT, &Conflict(original.cursor)));
            }
        }
    }

    /// Settles a row that its original took over. Its bytes are gone; what was read from them is not.
    pub(super) fn displaced(&mut self, copy: &StoredMessage, original: &StoredMessage) {
        let Cursor { epoch, sequence } = copy.cursor;
        if same_words((&copy.message).into(), (&original.message).into()) {
            self.passed.push(copy.cursor);
            return;
        }
        self.dead.push(DeadLetter {
            epoch,
            sequence,
            stored_at: copy.created_at.moment(),
            subject: copy.subject.clone(),
            headers: None,
            payload: wire::to_json(&copy.message).into(),
            class: CONFLICT,
            error: format!("{}; the body is what was read from it", Conflict(original.cursor)),
        });
    }

    /// The positions of what says something else than the message of its id.
    pub(super) fn conflicts(&self) -> Vec<Cursor> {
        let conflicts = self.dead.iter().filter(|letter| letter.class == CONFLICT);
        conflicts.map(|letter| Cursor { epoch: letter.epoch, sequence: letter.sequence }).collect()
    }
}

/// The class of dead letters that have the id of another message and say something else.
pub(super) const CONFLICT: &str = "conflict";
