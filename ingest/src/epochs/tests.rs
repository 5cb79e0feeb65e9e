use message::Timestamp;
use time::macros::datetime;

use super::{Epoch, Epochs};
use crate::cursor::Cursor;

fn two() -> Epochs {
    let second = Timestamp::new(datetime!(2026-01-02 00:00:00.000_001 UTC));
    Epochs(vec![
        Epoch { epoch: 1, starts_at: None, first_sequence: 0 },
        Epoch { epoch: 2, starts_at: Some(second), first_sequence: 40 },
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
