use time::macros::datetime;

use super::*;

#[test]
fn a_message_belongs_to_the_last_life_that_starts_not_after_it() {
    let epochs = Epochs(vec![(1, None), (2, Some(datetime!(2026-01-02 00:00:00.000_001 UTC)))]);
    assert_eq!(epochs.of_moment(datetime!(1970-01-01 00:00 UTC)), 1);
    assert_eq!(epochs.of_moment(datetime!(2026-01-02 00:00 UTC)), 1);
    assert_eq!(epochs.of_moment(datetime!(2026-01-02 00:00:00.000_001_999 UTC)), 2);
    assert_eq!(epochs.newest(), 2);
}
