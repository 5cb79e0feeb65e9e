//! Of several copies of a message, the row is the one with the lowest cursor, whichever was stored first.
//!
//! A copy that comes while its original is a row is noted and gone. An original that comes while a copy of it is the row
//! takes the row over. That is safe for viewers: the original was not acknowledged, so the watermark is below it, and nobody
//! was given the copy's row from history.

use deadpool_postgres::Transaction;

use super::columns::{self, Place, Way};
use super::{Fates, conflicts, known, late};
use crate::batch::Row;
use crate::batch::fold::Group;
use crate::epochs::Epochs;
use crate::store::StoreError;
use crate::stored::StoredMessage;

/// Takes out the copies, marked as such, of what is a row on any day. Unmarked ones are looked for on their own day only,
/// where the index sees them.
pub(super) async fn set_aside<'a, 'b>(
    transaction: &Transaction<'_>,
    groups: Vec<Group<'a, 'b>>,
    epochs: &Epochs,
    fates: &mut Fates,
) -> Result<Vec<Group<'a, 'b>>, StoreError> {
    let resent: Vec<usize> = groups.iter().enumerate().filter(|(_, group)| group.first.resent).map(|(index, _)| index).collect();
    if resent.is_empty() {
        return Ok(groups);
    }
    let messages: Vec<&StoredMessage> = resent.iter().map(|index| &groups[*index].first.stored).collect();
    let mut found = known::lower_copies(transaction, &messages).await?;
    let mut originals = resent.iter().enumerate().map(|(number, index)| (*index, found.remove(&number))).peekable();
    let mut open = Vec::with_capacity(groups.len());
    for (index, group) in groups.into_iter().enumerate() {
        match originals.next_if(|(resent, _)| *resent == index) {
            Some((_, Some(original))) => fates.copies(group.all(), &original, epochs),
            _ => open.push(group),
        }
    }
    Ok(open)
}

/// What became of messages that are no copies, as far as the rows know.
#[derive(Default)]
pub(super) struct Written<'b> {
    /// New rows.
    pub(super) new: Vec<&'b StoredMessage>,
    /// Rows that took the place of a copy, and what was there.
    pub(super) replaced: Vec<(&'b StoredMessage, StoredMessage)>,
    /// Whether something stood in the way of one.
    pub(super) clashed: bool,
}

/// Writes the first of each group, where no lower copy is there, and settles the others. Rows that neither went in nor were
/// found are tried again: what stood in their way may have been moved meanwhile.
pub(super) async fn write<'b>(
    transaction: &Transaction<'_>,
    groups: Vec<Group<'_, 'b>>,
    way: Way,
    epochs: &Epochs,
    fates: &mut Fates,
) -> Result<Written<'b>, StoreError> {
    let mut written = Written::default();
    let mut open = groups;
    for way in [way, Way::Each, Way::Each] {
        if open.is_empty() {
            return Ok(written);
        }
        open = write_once(transaction, open, way, epochs, fates, &mut written).await?;
    }
    // No copy stands in their way, so another message has their position: the stream broke, and nobody saw it yet.
    if let Some(group) = open.iter().find(|group| group.first.stored.cursor.epoch == epochs.newest()) {
        return Err(place_taken(&group.first.stored));
    }
    // In a life of the stream that has ended no other place will be found for them.
    late::give_up(transaction, open.iter().flat_map(Group::all).collect(), epochs, fates).await?;
    Ok(written)
}

/// Gives the groups that neither went in nor have a copy.
async fn write_once<'a, 'b>(
    transaction: &Transaction<'_>,
    groups: Vec<Group<'a, 'b>>,
    way: Way,
    epochs: &Epochs,
    fates: &mut Fates,
    written: &mut Written<'b>,
) -> Result<Vec<Group<'a, 'b>>, StoreError> {
    let firsts: Vec<&StoredMessage> = groups.iter().map(|group| &group.first.stored).collect();
    let inserted = columns::insert(transaction, &firsts, way).await?;
    let (new, refused): (Vec<_>, Vec<_>) = groups.into_iter().partition(|group| {
        let stored = &group.first.stored;
        inserted.contains(&(stored.cursor, stored.message.id))
    });
    for group in &new {
        written.new.push(&group.first.stored);
        fates.copies(group.copies.iter().copied(), &group.first.stored, epochs);
    }
    if refused.is_empty() {
        return Ok(Vec::new());
    }
    written.clashed = true;
    // What was only delivered again is its own row: nothing of it changes here, so nothing of it is locked.
    let firsts: Vec<&Row<'_>> = refused.iter().map(|group| group.first).collect();
    let own = late::find(transaction, &firsts, false).await?;
    let mut in_the_way = Vec::with_capacity(refused.len() - own.len());
    for (index, group) in refused.into_iter().enumerate() {
        if own.contains(&index) {
            fates.repeated += 1;
            fates.copies(group.copies.iter().copied(), &group.first.stored, epochs);
        } else {
            in_the_way.push(group);
        }
    }
    if in_the_way.is_empty() {
        return Ok(in_the_way);
    }
    let firsts: Vec<&StoredMessage> = in_the_way.iter().map(|group| &group.first.stored).collect();
    let places = known::lock(transaction, &firsts).await?;
    let (mut copies, mut originals, mut open) = (Vec::new(), Vec::new(), Vec::new());
    for (index, group) in in_the_way.into_iter().enumerate() {
        let own = group.first.stored.cursor;
        match places.get(&index) {
            None => open.push(group),
            Some(place) if place.cursor == own => {
                fates.repeated += 1;
                fates.copies(group.copies.iter().copied(), &group.first.stored, epochs);
            }
            Some(place) if place.cursor < own => copies.push((group, *place)),
            Some(place) => originals.push((group, *place)),
        }
    }
    note_copies(transaction, &copies, epochs, fates).await?;
    replace(transaction, &originals, epochs, fates, written).await?;
    Ok(open)
}

async fn note_copies(
    transaction: &Transaction<'_>,
    copies: &[(Group<'_, '_>, Place)],
    epochs: &Epochs,
    fates: &mut Fates,
) -> Result<(), StoreError> {
    if copies.is_empty() {
        return Ok(());
    }
    let places: Vec<Place> = copies.iter().map(|(_, place)| *place).collect();
    let rows = known::at(transaction, &places).await?;
    for (index, (group, place)) in copies.iter().enumerate() {
        let original = rows.get(&index).ok_or(StoreError::Moved(place.cursor))?;
        fates.copies(group.all(), original, epochs);
    }
    Ok(())
}

async fn replace<'b>(
    transaction: &Transaction<'_>,
    originals: &[(Group<'_, 'b>, Place)],
    epochs: &Epochs,
    fates: &mut Fates,
    written: &mut Written<'b>,
) -> Result<(), StoreError> {
    if originals.is_empty() {
        return Ok(());
    }
    let places: Vec<Place> = originals.iter().map(|(_, place)| *place).collect();
    let mut displaced = known::at(transaction, &places).await?;
    let replacements: Vec<(&StoredMessage, Place)> =
        originals.iter().map(|(group, place)| (&group.first.stored, *place)).collect();
    if columns::replace(transaction, &replacements).await? < replacements.len() {
        return Err(place_taken(replacements[0].0));
    }
    for (index, (group, place)) in originals.iter().enumerate() {
        let copy = displaced.remove(&index).ok_or(StoreError::Moved(place.cursor))?;
        let original = &group.first.stored;
        fates.displaced(&copy, original);
        conflicts::judge_anew(transaction, copy.cursor, original, fates).await?;
        fates.copies(group.copies.iter().copied(), original, epochs);
        written.replaced.push((original, copy));
    }
    Ok(())
}

fn place_taken(stored: &StoredMessage) -> StoreError {
    StoreError::PlaceTaken(stored.cursor, stored.created_at)
}
