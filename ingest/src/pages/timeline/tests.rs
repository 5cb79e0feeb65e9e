use message::Tool;

use super::render;
use crate::pages::row::Place;
use crate::pages::samples::{said, tool};
use crate::stored::StoredMessage;

fn html(messages: &[StoredMessage]) -> String {
    render(messages, Place::Run).into_string()
}

#[test]
fn days_stand_between_rows_and_agents_are_named_once() {
    let mut next_day = said(3, "message", "a", "x");
    next_day.message.timestamp = message::Timestamp::parse("2026-11-24T00:00:01Z").unwrap();
    let list = html(&[said(1, "message", "a", "x"), said(2, "message", "a", "x"), next_day]);
    assert_eq!(list.matches("class=\"day\"").count(), 2);
    assert!(list.contains("Tuesday 24 November 2026, UTC"));
    assert_eq!(list.matches("class=\"row same\"").count(), 1);
}

#[test]
fn a_result_is_in_the_row_of_its_call() {
    let call = |sequence, id: &str| tool(sequence, "tool_call", Tool::default().with("call_id", id));
    let result = |sequence, id: &str| tool(sequence, "tool_result", Tool::default().with("call_id", id).with("output", id));
    let list = html(&[call(1, "a"), call(2, "b"), result(3, "a"), result(4, "other"), result(5, "b")]);
    assert_eq!(list.matches("<article").count(), 3);
    assert!(list.find("id=\"m-1.1\"").unwrap() < list.find("<pre>a</pre>").unwrap());
    assert!(list.find("<pre>a</pre>").unwrap() < list.find("id=\"m-1.2\"").unwrap());
}

#[test]
fn quiet_rows_fold_when_they_are_neighbours() {
    let list = html(&[
        said(1, "status", "a", "one"),
        said(2, "message", "a", "x"),
        said(3, "status", "a", "two"),
        said(4, "step-end", "a", "three"),
    ]);
    assert_eq!(list.matches("class=\"fold\"").count(), 1);
    assert!(list.contains("2 status updates"));
    assert_eq!(list.matches("<article").count(), 4);
}
