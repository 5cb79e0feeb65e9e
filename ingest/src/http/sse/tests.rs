use serde_json::json;

use super::{heartbeat, message, message_in_one_line, named};

#[test]
fn a_message_has_its_position_and_no_name() {
    assert_eq!(&message("1.7", "{}")[..], b"id: 1.7\ndata: {}\n\n");
}

#[test]
fn a_message_in_one_line_is_the_same_and_its_data_is_found() {
    let (event, data) = message_in_one_line("1.7", b"{\"a\":1}");
    assert_eq!(event, message("1.7", "{\"a\":1}"));
    assert_eq!(&event[data], b"{\"a\":1}");
}

#[test]
fn data_of_many_lines_cannot_leave_its_field() {
    assert_eq!(&message("1.7", "a\nid: 9.9\r\n\rb")[..], b"id: 1.7\ndata: a\ndata: id: 9.9\ndata: \ndata: b\n\n");
}

#[test]
fn named_events_and_heartbeats_carry_positions_too() {
    assert_eq!(&named("reset", Some(&"1.7"), &json!({"a": 1}))[..], b"event: reset\nid: 1.7\ndata: {\"a\":1}\n\n");
    assert_eq!(&heartbeat("1.7")[..], b"event: heartbeat\nid: 1.7\ndata: {\"cursor\":\"1.7\"}\n\n");
}
