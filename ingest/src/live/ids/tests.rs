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
