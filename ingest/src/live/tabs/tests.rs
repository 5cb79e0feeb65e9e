use bytes::Bytes;
use message::Received;
use time::OffsetDateTime;

use super::event;
use crate::http::sse;
use crate::stored::StoredMessage;

#[track_caller]
fn check(subject: &str, body: &str, expected: &str) {
    let received = Received { subject, payload: body.as_bytes(), stored_at: OffsetDateTime::UNIX_EPOCH, sequence: 7 };
    let stored = StoredMessage::decode(1, &received).unwrap();
    let row: Bytes = sse::message(stored.cursor, "<article>two\nlines</article>");
    let expected = format!("id: 1.7\ndata: {expected}\ndata: <article>two\ndata: lines</article>\n\n");
    assert_eq!(std::str::from_utf8(&event(&stored, &row)).unwrap(), expected);
}

#[test]
fn a_row_comes_after_a_line_that_says_whose_it_is() {
    check(
        "workflow.demo.build.u1.agent.codex.message",
        r#"{"content":"said","runId":"outer\n1","stepId":"compile","role":"user","stage":"plan"}"#,
        r#"{"ids":["u1","outer\n1"],"namespace":"demo","kind":"message","agent":"codex","role":"user","step":"compile","stage":"plan"}"#,
    );
    check(
        "workflow.demo.build.unknown.agent.codex.error",
        r#"{"content":"said"}"#,
        r#"{"ids":["build",null],"namespace":"demo","kind":"error","agent":"codex","role":"system","step":null,"stage":null}"#,
    );
}
