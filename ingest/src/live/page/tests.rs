use std::sync::Arc;

use message::Received;
use time::OffsetDateTime;

use super::super::frame::{Frame, Rows};
use super::super::ring::{Limits, Ring};
use super::super::step::Step;
use super::{Page, Pages, View};
use crate::cursor::Cursor;
use crate::filter::Filter;
use crate::stored::StoredMessage;

fn at(sequence: i64) -> Cursor {
    Cursor { epoch: 1, sequence }
}

fn ring(last: u64) -> Ring {
    let mut ring = Ring::closed(Limits::DEFAULT);
    ring.open(at(0));
    (1..=last).for_each(|sequence| say(&mut ring, sequence));
    ring
}

fn say(ring: &mut Ring, sequence: u64) {
    let received = Received {
        subject: "workflow.demo.build.u1.agent.codex.log",
        payload: br#"{"content":"said"}"#,
        stored_at: OffsetDateTime::UNIX_EPOCH,
        sequence,
    };
    ring.push(Arc::new(Frame::of(StoredMessage::decode(1, &received).unwrap())), false);
}

fn of(run: &str) -> Filter {
    Filter { runs: vec![run.to_owned()], ..Filter::default() }
}

fn next(pages: &Pages, ring: &Ring, position: i64) -> Arc<Page> {
    pages.next(ring, at(0), at(position), &of("u1")).unwrap()
}

#[test]
fn viewers_at_one_place_share_what_follows_and_its_bytes() {
    let (pages, rows, ring) = (Pages::default(), Rows::default(), ring(3));
    let (one, other) = (next(&pages, &ring, 1), next(&pages, &ring, 1));
    assert!(Arc::ptr_eq(&one, &other));
    assert_eq!((one.frames().len(), one.reached()), (2, at(3)));
    let bytes = one.together(View::Json, &rows);
    assert_eq!(bytes, [one.frames()[0].event().as_ref(), one.frames()[1].event()].concat());
    assert_eq!(bytes.as_ptr(), other.together(View::Json, &rows).as_ptr(), "nobody copies it");
}

#[test]
fn who_wants_something_else_or_is_elsewhere_finds_a_page_of_their_own() {
    let (pages, ring) = (Pages::default(), ring(3));
    assert!(!Arc::ptr_eq(&next(&pages, &ring, 1), &next(&pages, &ring, 2)));
    assert!(matches!(pages.next(&ring, at(0), at(1), &of("u2")), Err(Step::Ring(found)) if found.frames.is_empty()));
}

#[test]
fn a_short_page_holds_until_more_is_said_and_none_longer_than_its_ring() {
    let (pages, mut ring) = (Pages::default(), ring(3));
    let short = next(&pages, &ring, 0);
    say(&mut ring, 4);
    let longer = next(&pages, &ring, 0);
    assert_eq!((short.frames().len(), longer.frames().len()), (3, 4));
    ring.open(at(0));
    assert!(pages.next(&ring, at(0), at(0), &of("u1")).is_err());
    ring.close();
    assert!(matches!(pages.next(&ring, at(0), at(0), &of("u1")), Err(Step::BelowRing)));
}
