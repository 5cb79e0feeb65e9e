//! What must become of each message, from the stream alone. Pure.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use crate::witness::{Heard, Message};

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fate {
    /// A row: the first of its id.
    Row,
    /// It says what a row says: nothing remains of it.
    Copy,
    /// It says something else than the row of its id. Whatever was said so is a dead letter of one that said it; which of
    /// them that is, the order decides in which they were stored.
    Contested,
    /// A dead letter.
    Unreadable,
    /// The stream discarded it before it was stored, and that is told.
    Lost,
}

/// The fates of all messages of the stream, in order. What is lost is not the first of its id.
pub fn fates(heard: &[Heard], lost: &HashSet<u64>) -> Vec<Fate> {
    let mut firsts: HashMap<Uuid, &Message> = HashMap::new();
    let mut fates = Vec::with_capacity(heard.len());
    for Heard { sequence, message, .. } in heard {
        fates.push(match message {
            _ if lost.contains(sequence) => Fate::Lost,
            None => Fate::Unreadable,
            Some(Message { id: None, .. }) => Fate::Row,
            Some(message @ Message { id: Some(id), .. }) => match firsts.entry(*id) {
                Entry::Vacant(first) => {
                    first.insert(message);
                    Fate::Row
                }
                Entry::Occupied(first) if first.get().content == message.content => Fate::Copy,
                Entry::Occupied(_) => Fate::Contested,
            },
        });
    }
    fates
}

#[test]
fn the_first_of_an_id_that_is_not_lost_is_the_row() {
    let said = |sequence: u64, id: u128, content: &str| {
        let message = Message { id: Some(Uuid::from_u128(id)), uid: "u".into(), general: false, content: (content.into(), 1) };
        Heard { sequence, hash: 0, marked: false, message: Some(message) }
    };
    let unreadable = Heard { sequence: 6, hash: 0, marked: false, message: None };
    let heard = [said(1, 7, "a"), said(2, 7, "a"), said(3, 7, "b"), said(4, 8, "a"), said(5, 8, "a"), unreadable];
    let expected = [Fate::Row, Fate::Copy, Fate::Contested, Fate::Row, Fate::Copy, Fate::Unreadable];
    assert_eq!(fates(&heard, &HashSet::new()), expected);
    let expected = [Fate::Lost, Fate::Lost, Fate::Row, Fate::Lost, Fate::Row, Fate::Unreadable];
    assert_eq!(fates(&heard, &HashSet::from([1, 2, 4])), expected);
}
