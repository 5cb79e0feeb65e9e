use super::start_of;
use crate::cursor::Cursor;
use crate::epochs::{Epoch, Epochs};

#[track_caller]
fn check(first: i64, watermark: i64, last: u64, expected: u64) {
    let epochs = Epochs(vec![Epoch { epoch: 1, first_sequence: first, ..Epoch::default() }]);
    assert_eq!(start_of(&epochs, Cursor { epoch: 1, sequence: watermark }, last), expected);
}

#[test]
fn the_ring_meets_the_watermark_and_reaches_back_where_it_can() {
    check(0, 0, 0, 1);
    check(0, 50, 50, 1);
    check(0, 5_000, 5_000, 4_001);
    check(0, 4_500, 5_000, 4_001);
    // Storing lags: everything above the watermark has to come from the stream.
    check(0, 1_000, 5_000, 1_001);
    // It lags by more than the ring can hold.
    check(0, 1_000, 500_000, 450_001);
}

#[test]
fn the_ring_does_not_reach_into_an_earlier_life_of_the_stream() {
    check(4_800, 5_000, 5_000, 4_800);
}
