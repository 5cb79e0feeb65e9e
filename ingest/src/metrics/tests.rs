use time::{Duration, OffsetDateTime};

use super::seconds_since;

#[test]
fn a_stream_whose_clock_is_ahead_is_no_lag_below_nothing() {
    let now = OffsetDateTime::UNIX_EPOCH;
    assert!((seconds_since(now - Duration::milliseconds(1_500), now) - 1.5).abs() < f64::EPSILON);
    assert!(seconds_since(now + Duration::seconds(3), now).abs() < f64::EPSILON);
}
