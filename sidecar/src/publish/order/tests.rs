use proptest::prelude::*;

use super::{Order, StreamPlace};
use crate::ledger::SourceKey;

fn place(sequence: u64) -> StreamPlace {
    StreamPlace { lost: 0, sequence }
}

#[track_caller]
fn check(messages: &[(u32, u64)], expected: u64) {
    let mut order = Order::default();
    let late: u64 = messages.iter().map(|(source, sequence)| order.next(SourceKey(*source), place(*sequence))).sum();
    assert_eq!(late, expected);
}

#[test]
fn refused_messages_that_others_overtook_are_late() {
    check(&[(1, 1), (1, 2), (1, 3)], 0);
    check(&[(1, 8), (1, 9), (1, 5), (1, 6), (1, 10)], 2);
    check(&[(1, 9), (1, 5), (1, 7), (1, 6)], 2);
}

#[test]
fn a_message_that_another_source_overtook_is_not_late() {
    check(&[(1, 8), (2, 5), (1, 9), (2, 6)], 0);
    check(&[(1, 8), (2, 5), (1, 7)], 1);
}

#[test]
fn what_a_stream_has_is_behind_what_the_one_before_it_had() {
    let mut order = Order::default();
    assert_eq!(order.next(SourceKey(1), place(500)), 0);
    assert_eq!(order.next(SourceKey(1), StreamPlace { lost: 1, sequence: 1 }), 0);
    assert_eq!(order.next(SourceKey(1), place(501)), 1);
}

proptest! {
    /// Compared with what a reader of the whole stream would count.
    #[test]
    fn it_counts_what_a_reader_sees(swaps in prop::collection::vec((0_usize..200, 0_usize..100, 0_u32..3), 0..200)) {
        let mut stream: Vec<(u32, u64)> = swaps.iter().zip(0..).map(|((_, _, source), number)| (*source, number)).collect();
        for (at, distance, _) in &swaps {
            let at = at % stream.len();
            let other = (at + distance).min(stream.len() - 1);
            stream.swap(at, other);
        }
        let mut seen = 0;
        for source in 0..3 {
            let mut highest = None;
            for (_, number) in stream.iter().filter(|(of, _)| *of == source) {
                seen += u64::from(highest.is_some_and(|highest| *number < highest));
                highest = highest.max(Some(*number));
            }
        }
        let mut places: Vec<(u64, u32, u64)> = stream.iter().zip(1..).map(|((of, number), place)| (*number, *of, place)).collect();
        places.sort_unstable();
        let mut order = Order::default();
        let counted: u64 = places.iter().map(|(_, source, sequence)| order.next(SourceKey(*source), place(*sequence))).sum();
        prop_assert_eq!(counted, seen);
    }
}
