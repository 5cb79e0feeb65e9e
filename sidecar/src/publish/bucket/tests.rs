use std::time::{Duration, Instant};

use super::{Bucket, Rate};

const RATE: Rate = Rate { messages: 100.0, bytes: 1_000.0, burst: Duration::from_secs(2) };

/// Sends messages of this size as fast as allowed; gives how many went in the time.
fn send_for(bucket: &mut Bucket, start: Instant, time: Duration, bytes: usize) -> usize {
    let mut now = start;
    let mut sent = 0;
    while now < start + time {
        let wait = bucket.wait(now);
        if wait.is_zero() {
            bucket.take(bytes);
            sent += 1;
        } else {
            now += wait.max(Duration::from_micros(1));
        }
    }
    sent
}

#[test]
fn a_burst_passes_then_the_rate_holds() {
    let start = Instant::now();
    let mut bucket = Bucket::new(Some(RATE), start);
    let sent = send_for(&mut bucket, start, Duration::from_secs(10), 1);
    assert!((1_190..=1_210).contains(&sent), "{sent}");
    assert!(bucket.throttled() > Duration::from_secs(9), "{:?}", bucket.throttled());
}

#[test]
fn bytes_count_as_well() {
    let start = Instant::now();
    let mut bucket = Bucket::new(Some(RATE), start);
    let sent = send_for(&mut bucket, start, Duration::from_secs(10), 100);
    assert!((115..=125).contains(&sent), "{sent}");
}

#[test]
fn a_message_larger_than_the_bucket_passes_and_is_paid_for() {
    let start = Instant::now();
    let mut bucket = Bucket::new(Some(RATE), start);
    assert_eq!(bucket.wait(start), Duration::ZERO);
    bucket.take(12_000);
    assert!(bucket.wait(start) >= Duration::from_secs(10));
    bucket.lift();
    assert_eq!(bucket.wait(start), Duration::ZERO);
}
