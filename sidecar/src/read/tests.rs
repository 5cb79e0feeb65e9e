use serde_json::json;

use super::*;

fn shown(line: &Value) -> String {
    let mut output = Vec::new();
    text(&mut output, Pretty { color: false, run: true }, line.to_string().as_bytes()).unwrap();
    String::from_utf8(output).unwrap()
}

#[test]
fn a_message_says_which_run_speaks_and_sends_no_command_to_the_terminal() {
    let line = json!({
        "id": "00000000-0000-8000-8000-000000000001",
        "workflow_namespace": "demo",
        "workflow_name": "build",
        "agent_id": "planner",
        "kind": "message",
        "timestamp": "2026-01-02T03:04:05.678900Z",
        "channel": "general",
        "content": "hello\n\u{1b}[2Jworld",
    });
    assert_eq!(shown(&line), "03:04:05.678 message planner in demo/build\n  hello\n  \\u{1b}[2Jworld\n");
}

#[test]
fn what_is_told_of_the_reading_is_no_message() {
    assert_eq!(shown(&json!({ "dropped": 3 })), "");
    assert_eq!(note(&json!({ "dropped": 3 })), "3 messages were left out, because they were read too slowly");
    let unavailable = json!({ "history": "unavailable", "reason": "no ingest is there to answer" });
    assert_eq!(note(&unavailable), "history is unavailable: no ingest is there to answer");
    assert_eq!(note(&json!({ "live": "interrupted" })), "what is said now is interrupted");
}
