use crate::parse::tests::{drafts, said};

const INIT: &str = r#"{"type":"init","timestamp":"2026-01-02T03:04:05.000Z","session_id":"s","model":"m"}"#;

fn piece(text: &str) -> String {
    format!(r#"{{"type":"message","timestamp":"2026-01-02T03:04:06.000Z","role":"assistant","content":"{text}","delta":true}}"#)
}

#[test]
fn pieces_are_joined_also_around_lines_of_text() {
    let made = drafts(&[INIT, &piece("one "), "Warning: something", &piece("two")]);
    assert_eq!(said(&made), [("status", "session started"), ("log", "Warning: something"), ("message", "one two")]);
    assert_eq!(made[2].timestamp.unwrap().to_string(), "2026-01-02T03:04:06.000000Z");
}

#[test]
fn an_endless_answer_becomes_several_messages() {
    let long = piece(&"x".repeat(40_000));
    let made = drafts(&[INIT, &long, &long, &long]);
    assert_eq!(made.len(), 4);
}

#[test]
fn a_run_that_fails_without_a_reason_is_an_error() {
    let made = drafts(&[INIT, r#"{"type":"result","timestamp":"2026-01-02T03:04:06Z","status":"error","stats":{}}"#]);
    assert_eq!(said(&made)[1], ("error", "run failed without a reason"));
}

#[test]
fn output_that_is_empty_is_not_output_that_is_absent() {
    let result = |rest: &str| format!(r#"{{"type":"tool_result","timestamp":"2026-01-02T03:04:06Z","tool_id":"t"{rest}}}"#);
    let made = drafts(&[INIT, &result(""), &result(r#","output":"""#), &result(r#","error":{"message":"m"}"#)]);
    let output = |index: usize| made[index].tool.as_ref().unwrap().output().map(ToString::to_string);
    assert_eq!([output(1), output(2), output(3)], [None, Some(r#""""#.to_owned()), Some(r#""m""#.to_owned())]);
}

#[test]
fn a_message_of_ours_is_not_taken_for_an_event() {
    let made = drafts(&[r#"{"type":"message","role":"user","content":"c"}"#]);
    assert_eq!((said(&made)[0], made[0].program_agent), (("message", "c"), None));
}
