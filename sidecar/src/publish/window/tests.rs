use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{Limits, Window};

const LIMITS: Limits = Limits { messages: 8, bytes: 100 };

fn window(items: u32) -> (Window<u32>, Instant) {
    let mut window = Window::new(LIMITS);
    let now = Instant::now();
    for item in 0..items {
        window.push(item, 1);
    }
    while let Some(number) = window.next_to_send() {
        window.sent(number, now);
    }
    (window, now)
}

fn pop_all(window: &mut Window<u32>) -> Vec<u32> {
    std::iter::from_fn(|| window.pop_stored()).collect()
}

#[test]
fn items_come_out_in_order_when_answers_come_in_another() {
    let (mut window, _) = window(3);
    window.stored(2);
    window.stored(1);
    assert_eq!(pop_all(&mut window), [0; 0]);
    window.stored(0);
    assert_eq!(pop_all(&mut window), [0, 1, 2]);
}

#[test]
fn a_refusal_stops_sending_until_the_rest_is_answered() {
    let (mut window, now) = window(4);
    assert!(window.refused(1, 1));
    window.push(4, 1);
    assert_eq!(window.next_to_send(), None);
    assert!(!window.is_settled());
    for number in [0, 2, 3] {
        window.stored(number);
    }
    assert!(window.is_settled());
    window.go_on();
    let mut sent = Vec::new();
    while let Some(number) = window.next_to_send() {
        window.sent(number, now);
        sent.push(number);
    }
    assert_eq!(sent, [1, 4]);
}

#[test]
fn a_late_answer_to_an_earlier_attempt_counts_and_a_late_refusal_does_not() {
    let (mut window, now) = window(2);
    window.connection_lost();
    window.go_on();
    let number = window.next_to_send().unwrap();
    window.sent(number, now);
    assert!(!window.refused(0, 1));
    window.stored(0);
    window.stored(1);
    assert_eq!(pop_all(&mut window), [0, 1]);
}

#[test]
fn an_unanswered_message_is_given_up_after_its_time() {
    let (mut window, now) = window(2);
    assert_eq!(window.expire(now), 0);
    assert_eq!(window.expire(now + Duration::from_secs(1)), 2);
    assert!(window.is_holding() && window.is_settled());
}

#[test]
fn one_message_larger_than_the_bound_fits_alone() {
    let mut window = Window::new(LIMITS);
    assert!(window.has_room());
    window.push(0, 1_000);
    assert!(!window.has_room());
}

#[derive(Debug, Clone)]
enum Step {
    Push,
    Send,
    Store(u64),
    Refuse(u64),
    Lose,
    GoOn,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Push),
        6 => Just(Step::Send),
        6 => (0_u64..12).prop_map(Step::Store),
        1 => (0_u64..12).prop_map(Step::Refuse),
        1 => Just(Step::Lose),
        2 => Just(Step::GoOn),
    ]
}

proptest! {
    #[test]
    fn nothing_is_lost_skipped_or_out_of_order(steps in prop::collection::vec(step(), 0..200)) {
        let mut window = Window::new(LIMITS);
        let now = Instant::now();
        let (mut pushed, mut popped) = (0, Vec::new());
        for step in steps {
            match step {
                Step::Push if window.has_room() => { window.push(pushed, 1); pushed += 1; }
                Step::Push => {}
                Step::Send => if let Some(number) = window.next_to_send() { window.sent(number, now) },
                Step::Store(offset) => {
                    let number = popped.len() as u64 + offset;
                    if window.entry(number).is_some_and(|entry| entry.attempts > 0) { window.stored(number) }
                }
                Step::Refuse(offset) => {
                    let number = popped.len() as u64 + offset;
                    let attempt = window.entry(number).map_or(0, |entry| entry.attempts);
                    window.refused(number, attempt);
                }
                Step::Lose => window.connection_lost(),
                Step::GoOn => if window.is_settled() { window.go_on(); },
            }
            popped.extend(std::iter::from_fn(|| window.pop_stored()));
            prop_assert!(window.len() <= LIMITS.messages);
        }
        // With a server that answers everything, everything comes out.
        window.connection_lost();
        window.go_on();
        while let Some(number) = window.next_to_send() {
            window.sent(number, now);
            window.stored(number);
        }
        popped.extend(std::iter::from_fn(|| window.pop_stored()));
        prop_assert_eq!(popped, (0..pushed).collect::<Vec<_>>());
    }
}
