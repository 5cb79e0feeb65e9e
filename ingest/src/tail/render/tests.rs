use jiff::tz::{Offset, TimeZone};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Look, Renderer};
use crate::tail::pairing::Pairing;
use crate::tail::said::Said;

fn message(second: u32, agent: &str, kind: &str, more: &Value) -> Said {
    let mut message = json!({
        "id": second.to_string(), "cursor": format!("1.{second}"), "workflow_namespace": "demo", "workflow_name": "build",
        "workflow_uid": "u-1", "agent_id": agent, "kind": kind, "timestamp": format!("2026-11-26T22:59:{second:02}.000000Z"),
    });
    message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(message).unwrap()
}

fn story() -> Vec<Said> {
    let tool = |id: &str, more: &Value| {
        let mut tool = json!({ "call_id": id, "name": "bash" });
        tool.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "tool": tool })
    };
    vec![
        message(1, "planner", "message", &json!({ "content": "three things to do:\n- build\n- test\n\n- tell" })),
        message(
            2,
            "planner",
            "reasoning",
            &json!({ "content": "the tests come first, since whoever changes a thing that is not tested does not know what was changed" }),
        ),
        message(
            3,
            "coder-with-a-long-name",
            "tool_call",
            &tool("1", &json!({ "arguments": { "command": "cargo test --workspace" } })),
        ),
        message(
            4,
            "coder-with-a-long-name",
            "tool_result",
            &tool("1", &json!({ "duration_ms": 412.0, "exit_code": 0, "output": "ok" })),
        ),
        message(
            5,
            "coder-with-a-long-name",
            "tool_call",
            &tool("2", &json!({ "arguments": { "command": ["sh", "-c", "exit 3"] } })),
        ),
        message(
            6,
            "coder-with-a-long-name",
            "tool_result",
            &tool("2", &json!({ "duration_ms": 61_000.0, "exit_code": 3, "output": "\nno such \x1b[31mfile\x1b[0m\nmore" })),
        ),
        message(
            7,
            "coder-with-a-long-name",
            "tool_call",
            &tool("3", &json!({ "name": "search", "arguments": { "query": "漢字 wide" } })),
        ),
        message(8, "coder-with-a-long-name", "status", &json!({ "content": "waiting" })),
        message(9, "coder-with-a-long-name", "tool_result", &tool("3", &json!({ "name": "search", "status": "completed" }))),
        message(10, "\x1b]0;owned\x07", "error", &json!({ "content": "rm \x1b[2J\u{9b}1A\r\nuser\u{202e}txt.exe" })),
        message(
            11,
            "漢字",
            "log",
            &json!({ "content": "wide 漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字 e\u{301}a\u{308} 👩‍👧 and on" }),
        ),
        message(12, "agent-comms", "step-end", &json!({ "attrs": { "exit_code": 0 } })),
        message(13, "planner", "message", &json!({ "content": "the start", "truncated": true, "content_bytes": 400_000 })),
        message(59, "planner", "message", &json!({ "content": "tomorrow", "timestamp": "2026-11-26T23:00:00.000000Z" })),
    ]
}

fn zone() -> TimeZone {
    TimeZone::fixed(Offset::constant(1))
}

fn render(messages: Vec<Said>, colours: bool, width: Option<usize>, name_runs: bool) -> String {
    let mut renderer = Renderer::new(Look { colours, zone: zone() });
    renderer.name_runs(name_runs);
    let (mut pairing, now) = (Pairing::default(), Instant::now());
    let mut lines: Vec<_> = messages.into_iter().flat_map(|said| pairing.take(said, now)).collect();
    lines.extend(pairing.flush());
    lines.iter().map(|line| renderer.render(line, width)).collect()
}

#[test]
fn a_story_into_a_file() {
    insta::assert_snapshot!(render(story(), false, None, false));
}

#[test]
fn a_story_in_a_terminal() {
    insta::assert_snapshot!(render(story(), false, Some(72), false));
}

#[test]
fn a_story_in_a_narrow_terminal() {
    insta::assert_snapshot!(render(story(), false, Some(32), false));
}

#[test]
fn a_story_in_colours_with_the_names_of_runs() {
    // Escape characters are shown as a text, so that the file can be read.
    let shown = render(story(), true, Some(80), true);
    insta::assert_snapshot!(shown.replace('\x1b', "ESC"));
}

#[test]
fn without_colours_nothing_is_escaped_and_with_them_only_colours_are() {
    let plain = render(story(), false, None, true);
    assert!(!plain.chars().any(|character| character.is_control() && character != '\n'), "{plain:?}");
    let coloured = render(story(), true, None, true);
    assert_eq!(without_colours(&coloured), plain);
}

/// The text without "select graphic rendition"; fails at any other control character.
#[track_caller]
fn without_colours(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let mut plain = parts.next().unwrap().to_owned();
    for part in parts {
        let (code, rest) = part.split_once('m').unwrap();
        assert!(code.bytes().all(|byte| byte.is_ascii_digit()), "{code:?}");
        plain.push_str(rest);
    }
    assert!(!plain.chars().any(|character| character.is_control() && character != '\n'), "{plain:?}");
    plain
}

fn any_text() -> impl Strategy<Value = String> {
    "([ -~\x00-\x1f\x7f-\u{9f}漢e\u{301}👍\u{202e}]|\n){0,40}"
}

proptest! {
    #[test]
    fn nothing_that_is_said_reaches_the_terminal_as_anything_but_text(
        texts in prop::collection::vec(any_text(), 9),
        kind in prop::sample::select(vec!["message", "log", "tool_call", "tool_result", "error", "\x1b[1m"]),
        width in prop::option::of(1_usize..120),
        own in any::<bool>(),
    ) {
        let tool = json!({
            "call_id": texts[0], "name": texts[1], "arguments": { "command": texts[2] }, "status": if own { "failed" } else { &texts[3] },
            "output": texts[4], "exit_code": 1,
        });
        let said = message(1, &texts[5], kind, &json!({
            "content": texts[6], "tool": tool, "workflow_name": texts[7], "cursor": texts[8], "truncated": own, "timestamp": texts[8],
        }));
        let shown = render(vec![said], true, width, true);
        without_colours(&shown);
        prop_assert!(shown.ends_with('\n'));
    }
}
