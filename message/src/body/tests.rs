use proptest::prelude::*;
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

/// Keys of plain bodies, and a few others.
const KEYS: [&str; 30] = [
    "v",
    "id",
    "workflow_namespace",
    "workflow_name",
    "workflow_uid",
    "run_id",
    "step_id",
    "pod",
    "container",
    "attempt",
    "source",
    "agent_id",
    "role",
    "stage",
    "kind",
    "timestamp",
    "seq",
    "channel",
    "content",
    "tool",
    "attrs",
    "runtime",
    "workflowUid",
    "message",
    "data",
    "text",
    "status",
    "tool_call",
    "message_id",
    "exit_code",
];

/// A value that fits the key, or one that does not.
fn value_of(key: &'static str) -> BoxedStrategy<Value> {
    let source = json!({"pod_uid": "p", "label": "l", "generation": 1, "start": 2, "end": 3, "part": 4});
    let fitting = match key {
        "v" | "attempt" | "seq" => vec![json!(1), json!(4_294_967_296_u64), json!(0)],
        "source" => vec![source],
        "role" => vec![json!("tool"), json!("king"), json!(" user ")],
        "kind" => vec![json!("status"), json!("LOG"), json!(" ")],
        "timestamp" => {
            vec![json!("2026-11-23T10:00:00.5+01:00"), json!(" 2026-11-23T10:00:00Z"), json!("9999-12-31T23:59:59-01:00")]
        }
        "channel" => vec![json!("run"), json!("general")],
        "agent_id" => vec![json!("unknown"), json!("a")],
        "tool" | "attrs" => {
            vec![
                json!({"callId": "1", "call_id": "2", "x": 1.50}),
                json!({"tool": {"name": "n"}}),
                json!({"toolCall": "n"}),
                json!({}),
            ]
        }
        _ => vec![json!("a text"), json!("\u{0}\"é")],
    };
    let odd = vec![
        json!(null),
        json!(""),
        json!(-1),
        json!(1.5),
        json!([1]),
        json!({"content": "inner"}),
        json!({"pod_uid": 1}),
        json!(true),
    ];
    prop_oneof![9 => proptest::sample::select(fitting), 1 => proptest::sample::select(odd)].boxed()
}

fn objects() -> impl Strategy<Value = Map<String, Value>> {
    let plain = proptest::sample::subsequence(&KEYS[..22], 0..=22);
    let others = proptest::sample::subsequence(&KEYS[22..], 0..=1);
    let keys = (plain, others).prop_map(|(plain, others)| [plain, others].concat()).prop_shuffle();
    let entries =
        keys.prop_flat_map(|keys| keys.into_iter().map(|key| (Just(key.to_owned()), value_of(key))).collect::<Vec<_>>());
    entries.prop_map(Map::from_iter)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_short_way_of_plain_bodies_finds_what_the_long_one_finds(object in objects()) {
        let json = Value::Object(object.clone()).to_string();
        if let Some(body) = Body::read_plain(json.as_bytes()) {
            prop_assert_eq!(body, Body::read(object));
        }
    }
}
