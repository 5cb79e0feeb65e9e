use proptest::prelude::*;

use super::{Event, LONGEST, Parser, TooLong};
use crate::http::sse;

fn event(name: &str, data: &str) -> Event {
    Event { name: name.to_owned(), data: data.to_owned() }
}

#[track_caller]
fn check(text: &str, expected: &[Event], last_id: &str) {
    let (mut parser, mut events) = (Parser::default(), Vec::new());
    parser.take(text.as_bytes(), &mut events).unwrap();
    assert_eq!(events, expected, "{text:?}");
    assert_eq!(parser.last_id(), last_id, "{text:?}");
}

// The examples of the standard, and what it says beside them.
#[test]
fn events_are_read_as_the_standard_says() {
    check("data: YHOO\ndata: +2\ndata: 10\n\n", &[event("", "YHOO\n+2\n10")], "");
    check(
        ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
        &[event("", "first event"), event("", "second event"), event("", " third event")],
        "",
    );
    check("data\n\ndata\ndata\n\ndata:", &[event("", ""), event("", "\n")], "");
    check("data:test\n\ndata: test\n\n", &[event("", "test"), event("", "test")], "");
    check("event: add\ndata: 7\r\rdata: 8\r\n\r\n", &[event("add", "7"), event("", "8")], "");
    check("\u{feff}data: x\n\n\u{feff}data: y\n\n", &[event("", "x")], "");
    check("id: 1.4\ndata: x\n\nid: a\0b\ndata: y\n\n", &[event("", "x"), event("", "y")], "1.4");
}

#[test]
fn a_block_counts_when_it_is_whole() {
    check("id: 1.1\ndata: x\n\nid: 1.2\ndata: y\n", &[event("", "x")], "1.1");
    // A block with an id alone moves the position and is no event.
    check("id: 1.1\ndata: x\n\n: heartbeat\n\nid: 1.9\n\n", &[event("", "x")], "1.9");
}

#[test]
fn an_event_without_end_is_refused() {
    let (mut parser, mut events) = (Parser::default(), Vec::new());
    let line = [b"data: ".as_slice(), &vec![b'x'; 1_000_000], b"\n"].concat();
    let lines = LONGEST / line.len() + 1;
    let taken = (0..lines).try_for_each(|_| parser.take(&line, &mut events));
    assert_eq!(taken, Err(TooLong));
    assert!(events.is_empty());
}

#[test]
fn what_the_server_writes_is_read_back() {
    let data = serde_json::json!({ "content": "a\nb\u{2028}\u{0}\r" }).to_string();
    let written = [
        sse::RETRY.to_vec(),
        sse::message("1.4", &data).to_vec(),
        sse::named("caught_up", Some(&"1.5"), &serde_json::json!({ "cursor": "1.5" })).to_vec(),
        sse::heartbeat("1.7").to_vec(),
    ];
    let read = [event("", &data), event("caught_up", r#"{"cursor":"1.5"}"#), event("heartbeat", r#"{"cursor":"1.7"}"#)];
    check(&String::from_utf8(written.concat()).unwrap(), &read, "1.7");
}

proptest! {
    #[test]
    fn pieces_of_any_size_give_the_same_events(
        lines in prop::collection::vec(("(data|id|event|retry|:|\u{feff}data|other|)", "(: ?)?", "[ -~äπ\u{1f600}\0]{0,6}", "(\n|\r|\r\n|\n\n)"), 0..40),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let text: String = lines.into_iter().flat_map(|(field, colon, value, end)| [field, colon, value, end]).collect();
        let (mut whole, mut at_once) = (Parser::default(), Vec::new());
        whole.take(text.as_bytes(), &mut at_once).unwrap();
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        places.extend([0, text.len()]);
        places.sort_unstable();
        let (mut pieces, mut events) = (Parser::default(), Vec::new());
        for pair in places.windows(2) {
            pieces.take(&text.as_bytes()[pair[0]..pair[1]], &mut events).unwrap();
        }
        prop_assert_eq!(&events, &at_once);
        prop_assert_eq!(pieces.last_id(), whole.last_id());
    }

    #[test]
    fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut events = Vec::new();
        Parser::default().take(&bytes, &mut events).unwrap();
        prop_assert!(events.iter().all(|event| event.data.len() <= bytes.len() * 3));
    }
}
