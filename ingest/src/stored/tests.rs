use message::Received;
use time::OffsetDateTime;

use super::{StoredMessage, same_words};

const RUN: &str = "workflow.demo.build.u1.agent.codex.log";
const SHORT: &str = "workflow.general.log";

#[track_caller]
fn decode(subject: &str, payload: &str) -> StoredMessage {
    let received = Received { subject, payload: payload.as_bytes(), stored_at: OffsetDateTime::UNIX_EPOCH, sequence: 7 };
    StoredMessage::decode(3, &received).unwrap()
}

#[test]
fn the_cursor_is_the_epoch_and_the_sequence() {
    assert_eq!(decode(RUN, r#"{"content":"x"}"#).cursor.to_string(), "3.7");
}

#[test]
fn only_a_subject_that_names_a_run_vouches_for_it() {
    assert!(decode(RUN, r#"{"content":"x"}"#).verified);
    assert!(!decode(SHORT, r#"{"content":"x","workflow_uid":"u1"}"#).verified);
}

#[test]
fn what_a_column_would_refuse_is_mended_before_anybody_sees_it() {
    let stored = decode(
        RUN,
        r#"{"content":"a\u0000b","agent_id":"\u0000","kind":"k\u0000","stage":"\u0000","attempt":4294967295,"seq":18446744073709551615}"#,
    );
    assert_eq!(stored.message.content.as_deref(), Some("a\u{fffd}b"));
    assert_eq!(stored.message.agent_id, "\u{fffd}");
    assert_eq!(stored.message.kind.as_str(), "k\u{fffd}");
    assert_eq!(stored.message.stage.as_deref(), Some("\u{fffd}"));
    assert_eq!(stored.message.attempt, None);
    assert_eq!(stored.message.seq, None);
}

#[test]
fn names_longer_than_a_key_may_be_are_cut_and_stay_apart() {
    let names = ["x".repeat(513), "x".repeat(20_000), "\u{e9}".repeat(10_000)];
    let cut: Vec<String> = names
        .iter()
        .map(|name| decode(RUN, &format!(r#"{{"content":"x","run_id":"{name}"}}"#)).message.run_id.unwrap())
        .collect();
    for name in &cut {
        assert!((511..=512).contains(&name.len()) && name.as_bytes()[name.len() - 17] == b'~', "{name}");
    }
    assert_ne!(cut[0], cut[1]);
    let whole = "y".repeat(512);
    let stored = decode(RUN, &format!(r#"{{"content":"x","step_id":"{whole}","kind":"{whole}"}}"#));
    assert_eq!(stored.message.step_id, Some(whole));
    assert_eq!(stored.message.kind.as_str().len(), 64);
}

#[test]
fn a_lone_surrogate_is_no_json() {
    let received =
        Received { subject: RUN, payload: br#"{"content":"\ud800"}"#, stored_at: OffsetDateTime::UNIX_EPOCH, sequence: 7 };
    assert_eq!(StoredMessage::decode(1, &received).unwrap_err().class(), "decode");
}

#[track_caller]
fn check_same(one: &str, other: &str, expected: bool) {
    let (one, other) = (decode(RUN, one).message, decode(RUN, other).message);
    assert_eq!(same_words((&one).into(), (&other).into()), expected);
    assert_eq!(same_words((&other).into(), (&one).into()), expected);
}

#[test]
fn two_messages_say_the_same_whatever_else_came_with_them() {
    check_same(r#"{"content":"a","attrs":{"n":1},"stage":"x"}"#, r#"{"content":"a","agent_id":"other"}"#, true);
    check_same(r#"{"content":"a"}"#, r#"{"content":"b"}"#, false);
    check_same(r#"{"content":"a"}"#, r#"{"content":"a","kind":"error"}"#, false);
    let tool = |inside: &str| format!(r#"{{"kind":"tool_result","tool":{{"call_id":"c",{inside}}}}}"#);
    check_same(&tool(r#""output":{"a":1,"b":2},"duration_ms":1"#), &tool(r#""duration_ms":2,"output":{"b":2,"a":1}"#), true);
    check_same(&tool(r#""output":"x","duration_ms":1"#), &tool(r#""output":"x""#), true);
    check_same(&tool(r#""output":0.1"#), &tool(r#""output":0.10"#), false);
    check_same(&tool(r#""output":"x""#), &tool(r#""output":"x","status":"ok""#), false);
    check_same(r#"{"content":"a"}"#, r#"{"content":"a","tool":{"name":"n"}}"#, false);
    // The counters of a control record may have grown between two tries.
    check_same(r#"{"kind":"source-end","content":"a"}"#, r#"{"kind":"source-end","content":"b"}"#, true);
}
