use message::{Kind, Message, Role, RunIdentity, Timestamp, Tool};
use serde_json::{Map, Value, json};

use super::{data, whole};
use crate::cursor::Cursor;
use crate::stored::StoredMessage;

fn said(content: Option<String>, tool: Option<Tool>) -> StoredMessage {
    let timestamp = Timestamp::parse("2026-11-23T14:02:11.004Z").unwrap();
    StoredMessage {
        cursor: Cursor { epoch: 1, sequence: 7 },
        created_at: timestamp,
        subject: "workflow.a.b.c.agent.d.message".to_owned(),
        verified: true,
        message: Message {
            id: uuid::Uuid::nil(),
            run: RunIdentity { namespace: "a".to_owned(), name: "b".to_owned(), uid: "c".to_owned() },
            run_id: None,
            step_id: None,
            pod: None,
            container: None,
            attempt: None,
            source: None,
            agent_id: "d".to_owned(),
            role: Role::Assistant,
            stage: None,
            kind: Kind::message(),
            timestamp,
            seq: None,
            channel: None,
            content,
            tool,
            attrs: Map::new(),
            runtime: None,
        },
    }
}

#[test]
fn every_field_is_there_and_null_when_absent() {
    let value: Value = serde_json::from_slice(&data(&said(Some("hello".to_owned()), None))).unwrap();
    let expected = json!({
        "id": "00000000-0000-0000-0000-000000000000", "cursor": "1.7", "created_at": "2026-11-23T14:02:11.004000Z",
        "workflow_namespace": "a", "workflow_name": "b", "workflow_uid": "c", "run_id": null, "step_id": null, "pod": null,
        "container": null, "attempt": null, "source": null, "agent_id": "d", "role": "assistant", "stage": null,
        "kind": "message", "timestamp": "2026-11-23T14:02:11.004000Z", "seq": null, "channel": null, "content": "hello",
        "tool": null, "attrs": {}, "runtime": null,
    });
    assert_eq!(value, expected);
}

#[test]
fn long_content_is_shortened_and_says_so() {
    let stored = said(Some("ä".repeat(200 * 1024)), None);
    let value: Value = serde_json::from_slice(&data(&stored)).unwrap();
    assert_eq!(value["content"].as_str().unwrap().len(), 64 * 1024);
    assert_eq!((&value["truncated"], &value["content_bytes"]), (&json!(true), &json!(400 * 1024)));
    let value: Value = serde_json::from_slice(&whole(&stored)).unwrap();
    assert_eq!(value["content"].as_str().unwrap().len(), 400 * 1024);
}

#[test]
fn a_long_output_is_shortened_too_and_the_rest_of_the_tool_is_kept() {
    let tool = Tool::default().with("name", "bash").with("output", "x".repeat(300 * 1024)).with("exit_code", 0);
    let value: Value = serde_json::from_slice(&data(&said(None, Some(tool)))).unwrap();
    assert_eq!(value["tool"]["output"].as_str().unwrap().len(), 64 * 1024);
    assert_eq!((&value["tool"]["name"], &value["tool"]["exit_code"]), (&json!("bash"), &json!(0)));
    assert_eq!(value["content_bytes"], json!(300 * 1024));
}
