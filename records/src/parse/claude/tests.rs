use serde_json::json;

use crate::parse::tests::{drafts, said};

const INIT: &str = r#"{"type":"system","subtype":"init","session_id":"s","cwd":"/w","model":"m","tools":["Bash"]}"#;

#[test]
fn a_session_becomes_messages_calls_and_results() {
    let made = drafts(&[
        INIT,
        r#"{"type":"assistant","session_id":"s","parent_tool_use_id":null,"message":{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"x"},{"type":"text","text":"I look."},{"type":"tool_use","id":"toolu_1","name":"Bash","input":{"command":"ls"}}]}}"#,
        r#"{"type":"stream_event","session_id":"s","event":{"type":"content_block_delta"}}"#,
        r#"{"type":"user","session_id":"s","message":{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]}}"#,
        r#"{"type":"result","subtype":"success","is_error":false,"duration_ms":5,"result":"done","session_id":"s","usage":{"input_tokens":3,"cache_read_input_tokens":2,"output_tokens":1}}"#,
    ]);
    assert_eq!(
        said(&made),
        [
            ("status", "session started"),
            ("reasoning", "hm"),
            ("message", "I look."),
            ("tool_call", ""),
            ("tool_result", ""),
            ("status", "run completed")
        ]
    );
    let (call, result) = (made[3].tool.as_ref().unwrap(), made[4].tool.as_ref().unwrap());
    assert_eq!((call.name(), call.arguments()), (Some("Bash"), Some(&json!({"command": "ls"}))));
    assert_eq!((result.call_id(), result.name(), result.status()), (call.call_id(), Some("Bash"), Some("success")));
    assert_eq!((result.output(), result.duration_ms()), (Some(&json!("a\nb")), Some(2000.0)));
    assert_eq!(made[5].attrs["usage"], json!({"input_tokens": 3, "cached_tokens": 2, "output_tokens": 1}));
    assert!(made.iter().all(|draft| draft.program_agent == Some("claude")));
}

#[test]
fn what_an_api_message_says_beside_its_blocks_goes_with_the_first() {
    let made = drafts(&[
        r#"{"type":"assistant","session_id":"s","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","stop_reason":null,"usage":{"input_tokens":3},"content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}}"#,
    ]);
    assert_eq!(made[0].attrs["api_message"], json!({"id": "msg_1", "model": "m", "usage": {"input_tokens": 3}}));
    assert!(made[1].attrs.is_empty());
}

#[test]
fn a_failed_tool_and_a_failed_run() {
    let made = drafts(&[
        r#"{"type":"user","session_id":"s","message":{"content":[{"type":"tool_result","tool_use_id":"t","content":"no","is_error":true}]}}"#,
        r#"{"type":"result","subtype":"error_max_turns","is_error":true,"session_id":"s"}"#,
    ]);
    assert_eq!(made[0].tool.as_ref().unwrap().status(), Some("error"));
    assert_eq!(said(&made)[1], ("error", "error_max_turns"));
}

#[test]
fn a_sub_agent_is_named_and_unknown_blocks_are_kept() {
    let made = drafts(&[
        INIT,
        r#"{"type":"assistant","parent_tool_use_id":"toolu_1","message":{"content":[{"type":"hologram","n":1},{"type":"text","text":"t"}]}}"#,
    ]);
    assert_eq!(said(&made)[1..], [("log", "hologram"), ("message", "t")]);
    assert_eq!(made[1].attrs["event"]["n"], 1);
    assert_eq!(made[2].attrs["parent_tool_use_id"], "toolu_1");
}

#[test]
fn a_list_of_tasks_is_a_plan_as_well() {
    let made = drafts(&[
        INIT,
        r#"{"type":"assistant","session_id":"s","message":{"content":[{"type":"tool_use","id":"t","name":"TodoWrite","input":{"todos":[{"content":"look","status":"in_progress","activeForm":"Looking"}]}}]}}"#,
    ]);
    assert_eq!(said(&made)[1..], [("tool_call", ""), ("status", "- [ ] look (in progress)")]);
    assert_eq!(made[2].attrs["plan"], json!([{"text": "look", "status": "in_progress"}]));
}
