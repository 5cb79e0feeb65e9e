use serde_json::json;
use time::macros::datetime;

use super::*;

fn received<'a>(subject: &'a str, payload: &'a [u8]) -> Received<'a> {
    Received { subject, payload, stored_at: datetime!(2026-11-23 10:00:00.123456789 UTC), sequence: 7 }
}

fn read(subject: &str, body: &Value) -> Result<Decoded, DecodeError> {
    decode(&received(subject, body.to_string().as_bytes()))
}

const RUN: &str = "workflow.demo.fix-bug.u1.agent.coder.message";

#[test]
fn what_a_body_leaves_out_comes_from_subject_and_store() {
    let Decoded { message, placement } = read(RUN, &json!({"content": "hi"})).unwrap();
    assert_eq!(placement, Placement::Run);
    assert_eq!((message.run.namespace.as_str(), message.run.name.as_str(), message.run.uid.as_str()), ("demo", "fix-bug", "u1"));
    assert_eq!((message.agent_id.as_str(), message.kind.as_str(), message.role), ("coder", "message", crate::Role::Assistant));
    assert_eq!(message.timestamp.to_string(), "2026-11-23T10:00:00.123456Z");
    assert_eq!(message.runtime.as_deref(), Some("native"));
    assert_eq!(message.attrs["nats_subject"], json!(RUN));
    assert_eq!(message.id, id::of_stored(RUN, received("", b"").stored_at.unix_timestamp_nanos(), 7));
}

#[test]
fn a_body_that_names_another_run_is_refused() {
    for field in ["workflow_namespace", "workflow_name", "workflow_uid"] {
        let error = read(RUN, &json!({"content": "hi", field: "other"})).unwrap_err();
        assert_eq!(error.class(), "identity", "{error}");
        assert!(read(RUN, &json!({"content": "hi", field: "unknown"})).is_ok());
    }
}

#[test]
fn the_streams_answer_to_a_publisher_is_nobodys_message() {
    let answers = [
        json!({"stream": "agent-comms", "seq": 12}),
        json!({"stream": "agent-comms", "seq": 12, "duplicate": true, "domain": "hub"}),
        json!({"error": {"code": 400, "err_code": 10_071, "description": "wrong last sequence: 5"}, "stream": "agent-comms", "seq": 0}),
        json!({"error": {"code": 503, "err_code": 10_077, "description": "maximum messages exceeded"}}),
    ];
    for answer in answers {
        let error = read("workflow.demo.fix-bug.u1.agent.coder.status", &answer).unwrap_err();
        assert_eq!(error.class(), "identity", "{answer}: {error}");
    }
    // A program that speaks of streams.
    assert!(read(RUN, &json!({"stream": "stdout", "seq": 12, "content": "hi"})).is_ok());
    assert!(read(RUN, &json!({"error": {"code": 400}})).is_ok());
}

#[test]
fn a_subject_that_names_nothing_is_filled_by_the_body() {
    let decoded = read(
        "workflow.demo.fix-bug.unknown.agent.unknown.log",
        &json!({"content": "hi", "workflowUid": "u9", "agentId": "planner"}),
    )
    .unwrap();
    assert_eq!(decoded.message.run.uid, "u9");
    assert_eq!(decoded.message.agent_id, "planner");
}

#[test]
fn only_our_own_ids_are_taken_as_they_are() {
    let own = id::of_step("pod", "1");
    let with = |version: u64, id: &str| json!({"v": version, "id": id, "content": "x"});
    let taken = read(RUN, &with(1, &own.to_string())).unwrap().message;
    assert_eq!(taken.id, own);
    assert!(!taken.attrs.contains_key("nats_subject"), "our own messages need no copy of the subject");
    for (version, text) in [(1, "6ba7b810-9dad-11d1-80b4-00c04fd430c8".to_owned()), (0, own.to_string()), (1, "m-1".to_owned())] {
        let message = read(RUN, &with(version, &text)).unwrap().message;
        assert_eq!(message.id, id::of_foreign(RUN, &text));
        assert_eq!(message.attrs["message_id"], json!(text));
    }
    let unverified = read("workflow.general.message", &with(1, &own.to_string())).unwrap();
    assert_ne!(unverified.message.id, own, "anybody can publish there");
}

#[test]
fn the_short_form_is_in_the_channel_and_only_claims_a_run() {
    let Decoded { message, placement } = read("workflow.general.status", &json!({"content": "c", "workflowName": "x"})).unwrap();
    assert_eq!(placement, Placement::UnverifiedGeneral);
    assert_eq!(message.run, RunIdentity { name: "x".into(), ..RunIdentity::unknown() });
    assert_eq!(message.attrs["unverified"], json!(true));
    assert!(message.is_general());
}

#[test]
fn what_cannot_be_read_says_why() {
    let class = |payload: &[u8]| decode(&received(RUN, payload)).unwrap_err().class();
    assert_eq!(class(b"\xff\xfe"), "decode");
    assert_eq!(class(b"[1]"), "decode");
    assert_eq!(class(b"{}"), "schema");
    assert_eq!(class(br#"{"content":""}"#), "schema");
    assert_eq!(decode(&received("workflow.a.b", b"{}")).unwrap_err().class(), "subject");
}

#[test]
fn a_status_without_words_still_says_something() {
    let message = read("workflow.ns.wf.uid.agent.a.status", &json!({"attrs": {"phase": 2}})).unwrap().message;
    assert_eq!(message.content.as_deref(), Some("status update"));
    assert_eq!(message.role, crate::Role::System);
}

#[test]
fn a_tool_alone_is_enough() {
    let message =
        read("workflow.ns.wf.uid.agent.a.tool_call", &json!({"tool": {"name": "bash", "call_id": "1"}})).unwrap().message;
    assert_eq!(message.content, None);
    assert_eq!(message.tool.unwrap().name(), Some("bash"));
}

#[test]
fn wrong_types_are_told_in_the_attributes() {
    let message = read(RUN, &json!({"content": "x", "role": 3})).unwrap().message;
    assert!(message.attrs["parse_error"].as_str().unwrap().contains("`role` is a number"));
    assert_eq!(message.attrs["role"], json!(3));
}
