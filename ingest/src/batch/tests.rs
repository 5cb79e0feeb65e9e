use time::macros::{date, datetime};

use super::*;

fn delivery(sequence: u64, payload: &str) -> Delivery {
    Delivery {
        subject: "workflow.demo.build.u-1.agent.a.message".to_owned(),
        headers: None,
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        stored_at: datetime!(2026-03-01 12:00 UTC),
        sequence,
    }
}

#[test]
fn what_cannot_be_read_is_kept_with_its_bytes_and_the_rest_is_stored() {
    let deliveries = [delivery(1, r#"{"content":"one"}"#), delivery(2, "{"), delivery(3, r#"{"content":"three"}"#)];
    let batch = Batch::read(&deliveries, &Epochs::first(), date!(2026 - 02 - 01));
    let mut stored: Vec<i64> = batch.rows.iter().map(|row| row.stored.cursor.sequence).collect();
    stored.sort_unstable();
    assert_eq!(stored, [1, 3]);
    assert_eq!(batch.dead.len(), 1);
    assert_eq!(batch.dead[0].payload, "{");
    assert_eq!(batch.dead[0].class, "decode");
    assert!(batch.dead[0].error.starts_with("body is no JSON: "), "{}", batch.dead[0].error);
}

#[test]
fn rows_come_in_the_order_of_their_keys_and_copies_by_cursor() {
    let body = |id: &str| format!(r#"{{"v":1,"id":"{id}","content":"x"}}"#);
    let (low, high) = ("00000000-0000-8000-8000-000000000001", "f0000000-0000-8000-8000-000000000001");
    let deliveries = [delivery(7, &body(high)), delivery(9, &body(low)), delivery(8, &body(low))];
    let batch = Batch::read(&deliveries, &Epochs::first(), date!(2026 - 02 - 01));
    let order: Vec<i64> = batch.rows.iter().map(|row| row.stored.cursor.sequence).collect();
    assert_eq!(order, [8, 9, 7]);
}

#[test]
fn a_message_delivered_twice_stands_once() {
    let (one, bad) = (delivery(1, r#"{"content":"a"}"#), delivery(2, "no json"));
    let deliveries = [one.clone(), bad.clone(), one, bad];
    let batch = Batch::read(&deliveries, &Epochs::first(), Date::MIN);
    assert_eq!((batch.rows.len(), batch.dead.len()), (1, 1));
}

#[test]
fn what_is_older_than_what_is_kept_is_counted_only() {
    let deliveries = [delivery(1, "{}")];
    let batch = Batch::read(&deliveries, &Epochs::first(), date!(2026 - 03 - 02));
    assert_eq!((batch.rows.len(), batch.dead.len()), (0, 0));
    assert_eq!(batch.expired, [Cursor { epoch: 1, sequence: 1 }]);
}

#[test]
fn headers_are_kept_and_say_whether_a_message_was_sent_before() {
    let mut resent = delivery(1, "?");
    let mut headers = HeaderMap::new();
    headers.insert(RESEND_HEADER, "1");
    resent.headers = Some(headers);
    assert!(resent.is_resent());
    let deliveries = [resent];
    let batch = Batch::read(&deliveries, &Epochs::first(), date!(2026 - 02 - 01));
    assert_eq!(batch.dead[0].headers.as_deref(), Some(r#"{"Agent-Comms-Resend":["1"]}"#));
}
