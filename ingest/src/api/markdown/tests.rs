use message::Tool;
use serde_json::json;

use super::of;
use crate::pages::samples::{said, tool};

#[test]
fn a_message_says_who_when_and_what() {
    assert_eq!(
        of(&said(0, "message", "coder", "- one\n- two\n")),
        "**coder**, implement · 1 · 2026-11-23T14:02:11.004000Z · `1.0`\n\n- one\n- two\n\n"
    );
}

#[test]
fn texts_of_tools_cannot_end_their_fence() {
    let call = Tool::default().with("name", "bash").with("arguments", json!({"command": "ls"})).with("duration_ms", 12);
    let text = of(&tool(1, "tool_call", call.with("output", "a\n```\nb")));
    assert!(text.contains("`bash` · 12 ms\n\n```json\n{\n  \"command\": \"ls\"\n}\n```\n\n"), "{text}");
    assert!(text.ends_with("````\na\n```\nb\n````\n\n"), "{text}");
}
