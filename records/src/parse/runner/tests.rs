use serde_json::json;

use crate::parse::tests::{drafts, said};

fn line(second: u32, event: &str) -> String {
    format!(r#"{{"ts":"2026-01-02T03:04:0{second}Z","event":{event}}}"#)
}

#[test]
fn a_run_becomes_messages_calls_and_results() {
    let lines = [
        line(0, r#"{"type":"reasoning","delta":"hm"}"#),
        line(1, r#"{"type":"message","delta":"I "}"#),
        line(2, r#"{"type":"message","delta":"look."}"#),
        line(3, r#"{"type":"tool","toolKind":"command","id":"c1","status":"started","title":"ls"}"#),
        line(4, r#"{"type":"tool","toolKind":"command","id":"c1","status":"delta","detail":"a"}"#),
        line(5, r#"{"type":"tool","toolKind":"command","id":"c1","status":"completed","detail":"a\nb","data":{"exitCode":0}}"#),
        line(6, r#"{"type":"usage","usage":{"inputTokens":3,"outputTokens":1}}"#),
        line(7, r#"{"type":"plan","plan":[{"step":"look","status":"completed"}]}"#),
        line(8, r#"{"type":"error","message":"broken"}"#),
        line(9, r#"{"type":"hologram","n":1}"#),
    ];
    let made = drafts(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(
        said(&made),
        [
            ("reasoning", "hm"),
            ("message", "I look."),
            ("tool_call", ""),
            ("log", "a"),
            ("tool_result", ""),
            ("status", "token usage"),
            ("status", "- [x] look"),
            ("error", "broken"),
            ("log", "hologram")
        ]
    );
    let (call, result) = (made[2].tool.as_ref().unwrap(), made[4].tool.as_ref().unwrap());
    assert_eq!((call.name(), call.arguments()), (Some("command"), Some(&json!({"title": "ls"}))));
    assert_eq!((result.call_id(), result.output(), result.duration_ms()), (call.call_id(), Some(&json!("a\nb")), Some(2000.0)));
    assert_eq!(made[3].attrs["call_id"], call.call_id().unwrap());
    assert_eq!(made[5].attrs["usage"], json!({"input_tokens": 3, "output_tokens": 1}));
    assert_eq!(made[1].timestamp.unwrap().to_string(), "2026-01-02T03:04:01.000000Z");
    assert!(made.iter().all(|draft| draft.program_agent.is_none()), "the log does not say whose it is");
}
