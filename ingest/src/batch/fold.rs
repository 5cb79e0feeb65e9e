//! Copies within one batch: of each id, the lowest cursor is the message.

use super::Row;

/// One message and its copies in the batch.
#[derive(Debug, Clone, Copy)]
pub struct Group<'a, 'b> {
    /// The one with the lowest cursor.
    pub first: &'b Row<'a>,
    /// The others, in the order of their cursors.
    pub copies: &'b [&'b Row<'a>],
}

/// Groups rows that are sorted by key, then by cursor.
#[must_use]
pub fn fold<'a, 'b>(rows: &'b [&'b Row<'a>]) -> Vec<Group<'a, 'b>> {
    let groups = rows.chunk_by(|one, other| one.stored.key() == other.stored.key());
    groups.filter_map(|group| group.split_first().map(|(first, copies)| Group { first, copies })).collect()
}

impl<'a, 'b> Group<'a, 'b> {
    /// All of them, in the order of their cursors.
    pub fn all(&self) -> impl Iterator<Item = &'b Row<'a>> {
        std::iter::once(self.first).chain(self.copies.iter().copied())
    }
}
