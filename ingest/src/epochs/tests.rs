use message::Timestamp;
use time::macros::datetime;

use super::{Epoch, Epochs};
use crate::cursor::Cursor;

fn two() -> Epochs {
    let second = Timestamp::new(datetime!(2026-01-02 00:00:00.000_001 UTC));
    Epochs(vec![
        Epoch { epoch: 1, ..Epoch::default() },
        Epoch { epoch: 2, starts_at: Some(second), first_sequence: 40, ..Epoch::default() },
    ])
}

#[test]
fn a_message_belongs_to_the_last_life_that_starts_not_after_it() {
    let epochs = two();
    assert_eq!(epochs.of_moment(Timestamp::new(datetime!(1970-01-01 00:00 UTC))), 1);
    assert_eq!(epochs.of_moment(Timestamp::new(datetime!(2026-01-02 00:00 UTC))), 1);
    assert_eq!(epochs.of_moment(Timestamp::new(datetime!(2026-01-02 00:00:00.000_001_999 UTC))), 2);
    assert_eq!(epochs.newest(), 2);
}

#[test]
fn a_position_is_refused_when_its_life_is_unknown_or_what_follows_it_is_gone() {
    let epochs = two();
    assert_eq!(epochs.refusal(Cursor { epoch: 1, sequence: 0 }), None);
    assert_eq!(epochs.refusal(Cursor { epoch: 2, sequence: 39 }), None);
    assert_eq!(epochs.refusal(Cursor { epoch: 2, sequence: 38 }), Some("expired"));
    assert_eq!(epochs.refusal(Cursor { epoch: 3, sequence: 1 }), Some("unknown_epoch"));
}

#[test]
fn a_position_is_refused_when_something_above_it_was_discarded_or_dropped_also_in_a_later_life() {
    let mut epochs = two();
    epochs.0[0].lost_to = 10;
    assert_eq!(epochs.refusal(Cursor { epoch: 1, sequence: 9 }), Some("discarded"));
    assert_eq!(epochs.refusal(Cursor { epoch: 1, sequence: 10 }), None);
    epochs.0[1].kept_from = 50;
    assert_eq!(epochs.refusal(Cursor { epoch: 1, sequence: 10 }), Some("expired"));
    assert_eq!(epochs.refusal(Cursor { epoch: 2, sequence: 48 }), Some("expired"));
    assert_eq!(epochs.refusal(Cursor { epoch: 2, sequence: 49 }), None);
    epochs.0[1].lost_to = 60;
    assert_eq!(epochs.refusal(Cursor { epoch: 1, sequence: 9 }), Some("discarded"));
    assert_eq!(epochs.refusal(Cursor { epoch: 2, sequence: 59 }), Some("discarded"));
}
