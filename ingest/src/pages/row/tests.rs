use message::Tool;
use serde_json::json;

use super::{Place, render, with_results};
use crate::pages::samples::{said, tool, with};

fn html(stored: &crate::stored::StoredMessage) -> String {
    render(stored, Place::Run).into_string()
}

#[test]
fn a_row_says_when_who_and_what() {
    let row = html(&said(0, "message", "coder", "**done**"));
    for part in ["id=\"m-1.0\"", "14:02:11.004", ">coder<", "implement · 1", "<strong>done</strong>", "data-day=\"2026-11-23\""]
    {
        assert!(row.contains(part), "{part} in {row}");
    }
}

#[test]
fn nothing_that_a_message_says_becomes_markup() {
    let evil = "\"><script>alert(1)</script>";
    let mut stored = said(0, "message", evil, evil);
    stored.message.step_id = Some(evil.to_owned());
    stored.message.run.name = evil.to_owned();
    stored.message.attrs.insert("parse_error".to_owned(), evil.into());
    for kind in ["message", "log", "status", "error", "tool_call", "\"><script>"] {
        stored.message.kind = message::Kind::new(kind).unwrap();
        stored.message.tool =
            Some(Tool::default().with("name", evil).with("call_id", evil).with("arguments", evil).with("output", evil));
        for place in [Place::Run, Place::General] {
            let row = render(&stored, place).into_string();
            assert!(!row.contains("<script"), "{kind}: {row}");
        }
    }
}

#[test]
fn what_asks_for_attention_is_seen() {
    assert!(html(&said(0, "error", "a", "x")).contains("class=\"row error\""));
    assert!(html(&said(0, "gap", "a", "x")).contains("class=\"row warning\""));
    assert!(html(&with(said(0, "step-end", "a", "x"), "exit_code", 3)).contains("class=\"row error\""));
    assert!(html(&with(said(0, "step-end", "a", "x"), "exit_code", 0)).contains("class=\"row quiet\""));
    assert!(html(&with(said(0, "source-end", "a", "x"), "complete", false)).contains("class=\"row warning\""));
}

#[test]
fn marks_tell_what_happened_on_the_way() {
    let mut late = said(0, "message", "a", "x");
    late.created_at = message::Timestamp::from_unix_micros(late.created_at.unix_micros() + 192_000_000).unwrap();
    assert!(html(&late).contains("late 3 m 12 s"));
    assert!(html(&with(said(0, "message", "a", "x"), "split", json!({"index": 1, "count": 3}))).contains("part 2 of 3"));
}

#[test]
fn long_text_is_behind_a_link() {
    let row = html(&said(7, "log", "a", &"x".repeat(100_000)));
    assert!(row.len() < 20_000);
    assert!(row.contains("href=\"/api/agents/messages/1.7/content\""), "{}", &row[row.len() - 300..]);
}

#[test]
fn a_call_shows_how_it_ended_once_its_result_is_known() {
    let call = tool(
        1,
        "tool_call",
        Tool::default().with("call_id", "c").with("name", "bash").with("arguments", json!({"command": ["cargo", "test"]})),
    );
    let result = tool(
        2,
        "tool_result",
        Tool::default().with("call_id", "c").with("duration_ms", 12_400).with("exit_code", 101).with("output", "no"),
    );
    let row = with_results(&call, &[&result], Place::Run).into_string();
    for part in ["cargo test", "12.4 s", "class=\"failed\">exit 101", "<pre>no</pre>", "data-call=\"uid-1|pod-1|c\""] {
        assert!(row.contains(part), "{part} in {row}");
    }
    assert!(html(&call).contains("class=\"open\""));
    assert!(html(&result).contains("data-call=\"uid-1|pod-1|c\""));
}
