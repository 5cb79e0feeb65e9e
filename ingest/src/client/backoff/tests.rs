use std::time::Duration;

use super::Backoff;

#[test]
fn waits_double_to_ten_seconds_and_begin_again_after_a_success() {
    let mut backoff = Backoff::default();
    let waits: Vec<u128> = (0..8).map(|_| backoff.next(0.0).as_millis()).collect();
    assert_eq!(waits, [200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
    backoff.reset();
    assert_eq!(backoff.next(0.0), Duration::from_millis(200));
}

#[test]
fn chance_takes_at_most_a_half() {
    for _ in 0..1_000 {
        let mut backoff = Backoff::default();
        let wait = backoff.next(service::nats::random_fraction());
        assert!((Duration::from_millis(100)..=Duration::from_millis(200)).contains(&wait), "{wait:?}");
    }
    let mut backoff = Backoff { failures: u32::MAX };
    assert_eq!(backoff.next(1.0), Duration::from_secs(5));
}
