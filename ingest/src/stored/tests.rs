use message::Received;
use time::OffsetDateTime;

use super::StoredMessage;

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
