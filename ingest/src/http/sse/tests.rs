use serde_json::json;

use super::{heartbeat, message, named};

#[test]
fn a_message_has_its_position_and_no_name() {
    assert_eq!(&message("1.7", "{}")[..], b"id: 1.7\ndata: {}\n\n");
}

#[test]
fn data_of_many_lines_cannot_leave_its_field() {
    assert_eq!(&message("1.7", "a\nid: 9.9\r\n\rb")[..], b"id: 1.7\ndata: a\ndata: id: 9.9\ndata: \ndata: b\n\n");
}

#[test]
fn named_events_and_heartbeats_carry_positions_too() {
    assert_eq!(&named("reset", Some(&"1.7"), &json!({"a": 1}))[..], b"event: reset\nid: 1.7\ndata: {\"a\":1}\n\n");
    assert_eq!(&heartbeat("1.7")[..], b": heartbeat\n\nid: 1.7\n\n");
}
