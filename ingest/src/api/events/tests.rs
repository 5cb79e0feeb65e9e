use hyper::header::{HeaderMap, HeaderValue};

use super::start;
use crate::cursor::Cursor;
use crate::http::query::Query;
use crate::live::Start;

#[track_caller]
fn check(query: &str, last: Option<&'static str>, expected: Start) {
    let mut headers = HeaderMap::new();
    if let Some(last) = last {
        headers.insert("last-event-id", HeaderValue::from_static(last));
    }
    let begun = start(&Query::parse(query), &headers).unwrap();
    assert_eq!(begun, expected, "{query} {last:?}");
}

fn after(epoch: i64, sequence: i64) -> Start {
    Start::After(Cursor { epoch, sequence })
}

#[test]
fn what_a_browser_saw_last_wins_over_its_link() {
    check("after=1.7", Some("1.900"), after(1, 900));
    check("after=1.7&limit=3", None, after(1, 7));
    // Older than its link: it was told so by a reset.
    check("after=2.7", Some("1.900"), after(1, 900));
    check("limit=3", Some("1.900"), after(1, 900));
    // Without anything seen yet, a browser may send an empty one.
    check("after=1.7", Some(""), after(1, 7));
    check("limit=3", Some(""), Start::Newest(3));
}

#[test]
fn what_is_no_position_of_ours_is_answered_and_a_wrong_link_is_refused() {
    check("after=1.7", Some("event-12"), after(0, 0));
    let refused = start(&Query::parse("after=event-12"), &HeaderMap::new()).unwrap_err();
    assert_eq!(refused.status.as_u16(), 400);
}
