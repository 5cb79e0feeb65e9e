use std::time::Duration;

use super::{Answer, Class, delay, forbids, is_farewell, read_answer};

#[track_caller]
fn check(status: Option<u16>, payload: &str, expected: Option<Class>) {
    match (read_answer(status, payload.as_bytes()), expected) {
        (Answer::Stored { .. }, None) => {}
        (Answer::Refused(refusal), Some(class)) => assert_eq!(refusal.class, class, "{refusal:?}"),
        (answer, _) => panic!("{answer:?}"),
    }
}

#[test]
fn answers_are_sorted() {
    check(None, r#"{"stream":"agent-comms","seq":7}"#, None);
    check(Some(503), "", Some(Class::Retry));
    check(Some(408), "", Some(Class::Retry));
    check(None, "", Some(Class::Retry));
    // Not a stream's: whoever else listens may answer as well.
    check(None, "{}", Some(Class::Retry));
    check(None, r#"{"ok":true}"#, Some(Class::Retry));
    check(None, r#"{"error":{"code":503,"err_code":10077,"description":"maximum messages exceeded"}}"#, Some(Class::Retry));
    check(
        None,
        r#"{"error":{"code":409,"err_code":10158,"description":"duplicate message id is in process"}}"#,
        Some(Class::Retry),
    );
    check(
        None,
        r#"{"error":{"code":400,"err_code":10054,"description":"message size exceeds maximum allowed"}}"#,
        Some(Class::SetAside),
    );
    check(
        None,
        r#"{"error":{"code":400,"err_code":10097,"description":"header size exceeds maximum allowed"}}"#,
        Some(Class::SetAside),
    );
    check(None, r#"{"error":{"code":400,"err_code":10060,"description":"expected stream does not match"}}"#, Some(Class::Alarm));
}

#[test]
fn a_duplicate_is_stored_and_says_so() {
    let answer = read_answer(None, br#"{"stream":"agent-comms","seq":7,"duplicate":true}"#);
    assert_eq!(answer, Answer::Stored { sequence: 7, duplicate: true });
}

#[test]
fn waits_double_up_to_a_bound_and_are_spread() {
    let waits: Vec<Duration> = (1..20).map(|attempt| delay(Class::Retry, attempt, 0.0)).collect();
    assert_eq!(waits[0], Duration::from_millis(100));
    assert_eq!(waits[18], Duration::from_secs(5));
    assert!(waits.is_sorted());
    assert_eq!(delay(Class::Retry, 1, 1.0), Duration::from_millis(50));
}

#[test]
fn a_complaint_forbids_the_subject_that_it_names_and_no_other() {
    let complaint = "server error: nats: Permissions Violation for Publish to \"workflow.demo.build\"";
    assert!(forbids(complaint, "workflow.demo.build"));
    assert!(!forbids(complaint, "workflow.demo"));
    assert!(!forbids(complaint, "workflow.demo.build.u1"));
    assert!(!forbids("server error: nats: Permissions Violation for Subscription to \"a\"", "a"));
    assert!(!forbids("", ""), "nothing names nothing");
}

#[test]
fn what_has_expired_ends_the_connection_and_nothing_else_does() {
    for farewell in ["User Authentication Expired", "user authentication revoked", "Account Authentication Expired"] {
        assert!(is_farewell(farewell), "{farewell}");
    }
    assert!(!is_farewell("Permissions Violation for Publish to \"workflow.demo\""));
}
