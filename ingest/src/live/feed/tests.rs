use super::start_of;
use crate::cursor::Cursor;
use crate::epochs::{Epoch, Epochs};

/// The stream holds everything from `first` to `last`, of a life that began with `first_of_life`.
#[track_caller]
fn check(first_of_life: i64, watermark: i64, (first, last): (u64, u64), expected: u64) {
    let epochs = Epochs(vec![Epoch { epoch: 1, first_sequence: first_of_life, ..Epoch::default() }]);
    assert_eq!(start_of(&epochs, Cursor { epoch: 1, sequence: watermark }, first, last), expected);
}

#[test]
fn the_ring_meets_the_watermark_and_reaches_back_where_it_can() {
    check(0, 0, (0, 0), 1);
    check(0, 50, (1, 50), 1);
    check(0, 5_000, (1, 5_000), 4_001);
    check(0, 4_500, (1, 5_000), 4_001);
    // Storing lags: everything above the watermark has to come from the stream.
    check(0, 1_000, (1, 5_000), 1_001);
    // It lags by more than the ring can hold.
    check(0, 1_000, (1, 500_000), 450_001);
}

#[test]
fn the_ring_does_not_reach_into_an_earlier_life_of_the_stream() {
    check(4_800, 5_000, (1, 5_000), 4_800);
}

#[test]
fn the_ring_begins_with_what_the_stream_holds() {
    check(0, 5_000, (4_900, 5_000), 4_900);
    // Everything is too old.
    check(0, 5_000, (5_001, 5_000), 5_001);
    // What it let go of is not stored yet.
    check(0, 1_000, (2_000, 5_000), 2_000);
}
