//! What must become of each message, from the stream alone. Pure.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use crate::witness::{Heard, Message};

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fate {
    /// A row: the first of its id.
    Row,
    /// A copy of a row, and nothing else was said under its id: nothing remains of it.
    Copy,
    /// Not the first of its id, under which not always the same was said. Whatever was said is the row, or a dead letter of
    /// one that said it; which of them that is, the order decides in which they were stored.
    Contested,
    /// A dead letter.
    Unreadable,
    /// The stream discarded it before it was stored, and that is told.
    Lost,
}

/// The fates of all messages of the stream, in order. What is lost is not the first of its id.
pub fn fates(heard: &[Heard], lost: &HashSet<u64>) -> Vec<Fate> {
    let mut said: HashMap<Uuid, Vec<&Message>> = HashMap::new();
    let kept = heard.iter().filter(|heard| !lost.contains(&heard.sequence));
    for message in kept.filter_map(|heard| heard.message.as_ref()) {
        said.entry(message.id.unwrap_or_default()).or_default().push(message);
    }
    let contested: HashSet<Uuid> =
        said.iter().filter(|(_, said)| said.iter().any(|one| one.content != said[0].content)).map(|(id, _)| *id).collect();
    let mut seen = HashSet::new();
    let fate = |heard: &Heard| match &heard.message {
        _ if lost.contains(&heard.sequence) => Fate::Lost,
        None => Fate::Unreadable,
        Some(Message { id: None, .. }) => Fate::Row,
        Some(Message { id: Some(id), .. }) if seen.insert(*id) => Fate::Row,
        Some(Message { id: Some(id), .. }) if contested.contains(id) => Fate::Contested,
        Some(_) => Fate::Copy,
    };
    heard.iter().map(fate).collect()
}

#[test]
fn the_first_of_an_id_that_is_not_lost_is_the_row() {
    let said = |sequence: u64, id: u128, content: &str| {
        let message = Message { id: Some(Uuid::from_u128(id)), uid: "u".into(), general: false, content: (content.into(), 1) };
        Heard { sequence, hash: 0, marked: false, message: Some(message) }
    };
    let unreadable = Heard { sequence: 6, hash: 0, marked: false, message: None };
    let heard = [said(1, 7, "a"), said(2, 7, "a"), said(3, 7, "b"), said(4, 8, "a"), said(5, 8, "a"), unreadable];
    let expected = [Fate::Row, Fate::Contested, Fate::Contested, Fate::Row, Fate::Copy, Fate::Unreadable];
    assert_eq!(fates(&heard, &HashSet::new()), expected);
    let expected = [Fate::Lost, Fate::Lost, Fate::Row, Fate::Lost, Fate::Row, Fate::Unreadable];
    assert_eq!(fates(&heard, &HashSet::from([1, 2, 4])), expected);
}
