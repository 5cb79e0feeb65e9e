use proptest::prelude::*;
use uuid::Uuid;

use super::{Ended, Event, Missed, Started, Stream, check, first, push_ended, push_line, push_missed, push_started};

fn stream() -> impl Strategy<Value = Stream> {
    prop_oneof![Just(Stream::Out), Just(Stream::Err), Just(Stream::Both)]
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        lines in prop::collection::vec((stream(), "[^\n]{0,40}", any::<bool>()), 0..8),
        exit_code in any::<u8>(),
    ) {
        let session = Uuid::from_u128(7);
        let started = Started { session };
        let missed = Missed { reason: "output_overflow".to_owned(), stream: Stream::Err, bytes: 5, records: 1 };
        let ended = Ended { session, exit_code: exit_code.into(), missed_bytes: 5, missed_records: 1 };
        let mut buffer = Vec::new();
        push_started(&mut buffer, &started);
        for (stream, text, cut) in &lines {
            push_line(&mut buffer, *stream, text.as_bytes(), *cut);
        }
        push_missed(&mut buffer, &missed);
        push_ended(&mut buffer, &ended);
        prop_assert_eq!(check(&buffer), Ok(lines.len() + 3));

        let said = lines.iter().map(|(stream, text, cut)| Event::Line { stream: *stream, bytes: text.as_bytes(), cut: *cut });
        let expected =
            std::iter::once(Event::Started(started)).chain(said).chain([Event::Missed(missed), Event::Ended(ended)]);
        let mut rest = buffer.as_slice();
        for event in expected {
            let (found, length) = first(rest).unwrap();
            prop_assert_eq!(found, event);
            rest = &rest[length..];
        }
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn any_bytes_are_events_or_are_not(bytes in any::<Vec<u8>>()) {
        if let Ok(count) = check(&bytes) {
            prop_assert_eq!(count, bytes.split(|byte| *byte == b'\n').count() - 1);
        }
    }
}

#[test]
fn the_line_that_is_no_event_is_named() {
    assert_eq!(check(b"1 a\nx b\n"), Err(2));
    assert_eq!(check(b"1 a"), Err(1), "it does not end");
    assert_eq!(check(b"1 a\n= {\"exit_code\":\n"), Err(2));
    assert_eq!(check(b"1\n"), Err(1));
}
