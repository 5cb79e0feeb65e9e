use serde_json::json;

use super::*;

fn read(value: Value) -> Body {
    match value {
        Value::Object(object) => Body::read(object),
        other => panic!("{other} is no object"),
    }
}

#[test]
fn snake_and_camel_case_are_read_alike() {
    let snake =
        read(json!({"message_id": "1", "run_id": "r", "workflow_uid": "u", "workflow_name": "n", "workflow_namespace": "ns",
        "step_id": "s", "agent_id": "a", "created_at": "2026-11-23T10:00:00Z", "text": "hi", "runtime_type": "argo"}));
    let camel = read(json!({"messageId": "1", "runId": "r", "workflowUid": "u", "workflowName": "n", "workflowNamespace": "ns",
        "stepId": "s", "agentId": "a", "createdAt": "2026-11-23T10:00:00Z", "text": "hi", "runtimeType": "argo"}));
    assert_eq!(snake, camel);
    assert_eq!(snake.content.as_deref(), Some("hi"));
    assert!(snake.attrs.is_empty() && snake.problems.is_empty());
}

#[test]
fn the_first_name_that_says_something_wins_and_its_twins_leave_nothing_behind() {
    let body = read(
        json!({"run_id": "", "runId": null, "agentRunId": "third", "runID": "second", "content": "", "text": "t", "message": "m"}),
    );
    assert_eq!(body.run_id.as_deref(), Some("second"));
    assert_eq!(body.content.as_deref(), Some("t"));
    assert_eq!(body.attrs.get("message"), Some(&json!("m")), "what was not used is kept");
    assert!(!body.attrs.contains_key("agentRunId"));
}

#[test]
fn an_envelope_is_opened_and_what_stands_beside_it_counts() {
    for key in ["message", "data"] {
        let body = read(json!({"id": "outer", "kind": "status", key: {"content": "inner", "agentId": "a"}}));
        assert_eq!(body.content.as_deref(), Some("inner"));
        assert_eq!(body.agent_id.as_deref(), Some("a"));
        assert_eq!(body.id.as_deref(), Some("outer"));
        assert_eq!(body.kind, Kind::new("status"));
    }
}

#[test]
fn content_may_be_a_number_or_structured() {
    assert_eq!(read(json!({"content": 42})).content.as_deref(), Some("42"));
    assert_eq!(read(json!({"content": {"b": 1, "a": [2]}})).content.as_deref(), Some(r#"{"b":1,"a":[2]}"#));
    assert_eq!(read(json!({"kind": "STATUS"})).content.as_deref(), Some("status update"));
    assert_eq!(read(json!({"error": "boom"})).content.as_deref(), Some("boom"));
}

#[test]
fn a_wrong_type_is_kept_and_told() {
    let body = read(
        json!({"content": "c", "role": "king", "step_id": [1], "timestamp": "yesterday", "attrs": "no object", "attempt": -1}),
    );
    assert_eq!(body.role, None);
    assert_eq!(body.attrs["step_id"], json!([1]));
    assert_eq!(body.attrs["timestamp"], json!("yesterday"));
    assert_eq!(body.attrs["attrs"], json!("no object"));
    assert_eq!(body.problems.len(), 5, "{:?}", body.problems);
    assert!(body.problems.contains(&"`step_id` is an array, not text".to_owned()));
}

#[test]
fn zero_and_false_are_present() {
    let body = read(json!({"content": "c", "exit_code": 0, "status": false, "branch": null}));
    assert_eq!(body.attrs["exit_code"], json!(0));
    assert_eq!(body.attrs["status"], json!(false));
    assert!(!body.attrs.contains_key("branch"));
}

#[test]
fn unknown_keys_go_to_the_attributes_unless_these_have_them() {
    let body = read(json!({"content": "c", "colour": "red", "size": 2, "attrs": {"size": 1}}));
    assert_eq!(Value::Object(body.attrs), json!({"size": 1, "colour": "red"}));
}

#[test]
fn a_tool_is_found_inside_the_attributes_and_its_keys_have_one_name() {
    let body = read(json!({"attrs": {"toolCall": {"callId": "c1", "toolName": "bash", "durationMs": 12, "extra": true}}}));
    let tool = body.tool.unwrap();
    assert_eq!((tool.call_id(), tool.name(), tool.duration_ms()), (Some("c1"), Some("bash"), Some(12.0)));
    assert_eq!(tool.0["extra"], json!(true));
    assert!(body.attrs.is_empty());
}

#[test]
fn numbers_of_any_size_stay_as_they_were_written() {
    let Ok(Value::Object(object)) = serde_json::from_str(r#"{"content":"c","big":12345678901234567890123,"small":1e-400}"#)
    else {
        panic!()
    };
    let body = Body::read(object);
    assert_eq!(Value::Object(body.attrs).to_string(), r#"{"big":12345678901234567890123,"small":1e-400}"#);
}

#[test]
fn words_that_say_nothing_are_absent() {
    let body = read(json!({"content": "c", "agent_id": "unknown", "channel": "run"}));
    assert_eq!((body.agent_id, body.channel), (None, None));
}
