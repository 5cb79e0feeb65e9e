use std::sync::Arc;

use message::Received;
use time::OffsetDateTime;

use super::super::ring::{Limits, Ring};
use super::{Frame, Rows};
use crate::api::event;
use crate::cursor::Cursor;
use crate::pages::row::Place;
use crate::stored::StoredMessage;

fn stored(sequence: u64, body: &str) -> StoredMessage {
    let received = Received {
        subject: "workflow.demo.build.u1.agent.codex.tool_result",
        payload: body.as_bytes(),
        stored_at: OffsetDateTime::UNIX_EPOCH,
        sequence,
    };
    StoredMessage::decode(1, &received).unwrap()
}

fn long(sequence: u64) -> StoredMessage {
    let text = "x".repeat(350 << 10);
    stored(
        sequence,
        &format!(r#"{{"content":"{text}","tool":{{"name":"bash","output":"{text}"}},"attrs":{{"n":[1,{{"a":"b"}}]}}}}"#),
    )
}

#[test]
fn a_frame_is_what_a_reader_of_the_whole_message_would_be_shown() {
    let odd = "\\u0001\\\"".repeat(1_000);
    let odd = format!(r#"{{"content":"{odd}","attrs":{{"{odd}":["{odd}",1.5e300]}}}}"#);
    for whole in [long(1), stored(1, r#"{"content":"short"}"#), stored(1, &odd)] {
        let frame = Arc::new(Frame::of(whole.clone()));
        let most = frame.weight();
        assert_eq!(frame.json(), event::data(&whole));
        assert_eq!(frame.event(), &crate::http::sse::message("1.1", std::str::from_utf8(&frame.json()).unwrap()));
        assert!(frame.weight() <= most, "it takes no more when it is rendered");
        for place in Place::ALL {
            let row = crate::pages::row::render(&whole, place).into_string();
            assert_eq!(Rows::default().of(&frame, place), crate::http::sse::message("1.1", &row));
        }
    }
}

#[test]
fn a_ring_of_long_messages_weighs_no_less_than_it_holds() {
    let limits = Limits { frames: 1_000, bytes: 4 << 20 };
    let mut ring = Ring::closed(limits);
    ring.open(Cursor { epoch: 1, sequence: 0 });
    let frames: Vec<_> = (1..=40).map(|sequence| Arc::new(Frame::of(long(sequence)))).collect();
    for frame in &frames {
        ring.push(frame.clone(), false);
    }
    // Those that are still shared are those that it holds.
    let held = frames.iter().filter(|frame| Arc::strong_count(frame) > 1);
    let holds: usize = held
        .map(|frame| {
            let message = &frame.stored.message;
            let texts = [message.content.as_deref(), message.tool.as_ref().and_then(|tool| tool.output()?.as_str())];
            frame.event().len() + texts.into_iter().flatten().map(str::len).sum::<usize>()
        })
        .sum();
    assert!(holds <= ring.bytes() && ring.bytes() <= limits.bytes, "{holds} held, {} counted", ring.bytes());
    assert!(ring.frames() >= 10, "only {} long messages", ring.frames());
}

#[test]
fn rows_are_rendered_once_and_the_oldest_are_given_up() {
    let rows = Rows::default();
    let content = "y".repeat(15 << 10);
    let frame = |sequence| Arc::new(Frame::of(stored(sequence, &format!(r#"{{"content":"{content}"}}"#))));
    let first = rows.of(&frame(1), Place::Run);
    assert_eq!(rows.of(&frame(1), Place::Run).as_ptr(), first.as_ptr());
    for sequence in 2..=6_000 {
        rows.of(&frame(sequence), Place::Run);
    }
    let rendered = rows.0.lock().unwrap();
    assert!(rendered.bytes <= Rows::MOST_BYTES);
    assert_eq!(rendered.bytes, rendered.rows.values().map(bytes::Bytes::len).sum::<usize>());
    let positions = rendered.rows.keys().map(|(cursor, _)| cursor.sequence);
    assert_eq!(positions.clone().max(), Some(6_000));
    assert!(positions.min() > Some(1));
}
