use uuid::Uuid;

use super::Ids;
use crate::cursor::Cursor;

fn at(sequence: i64) -> Cursor {
    Cursor { epoch: 1, sequence }
}

#[test]
fn a_copy_is_known_by_the_lowest_message_of_its_id_and_a_message_is_no_copy_of_itself() {
    let mut ids = Ids::of(10);
    let id = Uuid::from_u128(1);
    assert!(!ids.note("a", id, at(5)));
    assert!(!ids.note("a", id, at(5)), "it is read again");
    assert!(ids.note("a", id, at(9)));
    assert!(!ids.note("b", id, at(10)), "another namespace");
    assert!(!ids.note("a", id, at(3)), "the original, read later");
    assert!(ids.note("a", id, at(5)));
    assert!(ids.note("a", id, Cursor { epoch: 2, sequence: 1 }), "in another life");
}

#[test]
fn the_oldest_ids_are_forgotten() {
    let mut ids = Ids::of(3);
    for number in 1..=4 {
        assert!(!ids.note("a", Uuid::from_u128(number), at(i64::try_from(number).unwrap())));
    }
    assert!(!ids.note("a", Uuid::from_u128(1), at(11)), "forgotten, and noted anew");
    assert!(ids.note("a", Uuid::from_u128(4), at(12)));
    assert_eq!((ids.lowest.len(), ids.order.len()), (3, 3));
}

/// Where the stream is taken up again, what others stored meanwhile is known only where that is read again.
#[test]
fn a_ring_begins_where_the_ids_below_it_are_known() {
    let mut ids = Ids::of(10);
    assert!(!ids.knows(at(0)), "the table was not asked");
    ids.followed(at(50));
    assert!(!ids.knows(at(0)), "what was followed says nothing about what was before");
    ids.fill(at(100), at(60));
    assert!(ids.knows(at(60)) && ids.knows(at(100)) && !ids.knows(at(101)));
    ids.followed(at(150));
    assert!(ids.knows(at(150)) && !ids.knows(at(151)), "others may have stored that");
    assert!(!ids.knows(Cursor { epoch: 2, sequence: 1 }), "of another life nothing is known");
    ids.followed(at(120));
    assert!(ids.knows(at(150)));
    ids.miss(at(160));
    assert!(!ids.knows(at(1)));
    // Far more is said than stored: the ring begins above what the table knows.
    ids.fill(at(200), at(300));
    ids.followed(at(350));
    assert!(!ids.knows(at(350)), "what was said between 200 and 300 never came here");
}

/// What comes above ids that are missing may be a copy, until the table told them.
#[test]
fn while_ids_are_missing_anything_may_be_a_copy() {
    let mut ids = Ids::of(10);
    ids.fill(at(200), at(300));
    assert_eq!(ids.missing_to(), Some(at(300)));
    assert!(ids.note("a", Uuid::from_u128(1), at(301)));
    assert!(ids.note("a", Uuid::from_u128(1), at(301)), "it is read again");
    ids.miss(at(400));
    assert_eq!(ids.missing_to(), Some(at(400)), "and more");
    ids.recall(&[("a".to_owned(), Uuid::from_u128(3), at(350)), ("a".to_owned(), Uuid::from_u128(2), at(250))]);
    ids.fill(at(400), at(400));
    assert_eq!(ids.missing_to(), None);
    assert!(!ids.note("a", Uuid::from_u128(1), at(301)));
    assert!(ids.note("a", Uuid::from_u128(2), at(401)));
    assert!(!ids.note("a", Uuid::from_u128(4), at(402)));
    // Of what it knows nothing is missing, also where the stream holds it no more.
    ids.followed(at(402));
    ids.miss(at(402));
    assert_eq!(ids.missing_to(), None);
}
