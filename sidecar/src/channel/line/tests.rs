use serde_json::json;

use super::*;

const SUBJECT: &str = "workflow.general.message.other.build.u2.agent.planner";

fn heard(subject: &str, body: &Value) -> Option<(Option<String>, Value)> {
    let line = of(subject, body.to_string().as_bytes(), OffsetDateTime::UNIX_EPOCH)?;
    assert_eq!(line.text.split(|byte| *byte == b'\n').count(), 2, "{:?}", line.text);
    Some((line.id.map(|id| id.to_string()), serde_json::from_slice(&line.text).unwrap()))
}

#[test]
fn a_message_of_a_sidecar_is_told_as_it_was_published() {
    let id = "00000000-0000-8000-8000-000000000001";
    let body = json!({ "v": 1, "id": id, "workflow_namespace": "other", "content": "two\nlines" });
    let (told, line) = heard(SUBJECT, &body).unwrap();
    assert_eq!(told.as_deref(), Some(id));
    let expected = [("id", id), ("content", "two\nlines"), ("agent_id", "planner"), ("workflow_uid", "u2"), ("kind", "message")];
    for (field, value) in expected {
        assert_eq!(line[field], value, "{field}");
    }
}

#[test]
fn an_id_of_another_publisher_is_the_one_that_the_table_will_have() {
    let (told, line) = heard(SUBJECT, &json!({ "id": "mine", "content": "x" })).unwrap();
    let id = id::of_foreign(SUBJECT, "mine").to_string();
    assert_eq!((told.as_ref(), &line["id"], &line["attrs"]["message_id"]), (Some(&id), &json!(id), &json!("mine")));
}

#[test]
fn a_message_without_an_id_gets_none_that_would_be_wrong() {
    let (told, line) = heard("workflow.general.message", &json!({ "content": "x" })).unwrap();
    assert_eq!((told, line.get("id")), (None, None));
    assert_eq!(line["attrs"]["unverified"], json!(true));
}

#[test]
fn what_cannot_be_read_is_told_to_nobody() {
    assert_eq!(heard(SUBJECT, &json!("text")), None);
    assert_eq!(heard(SUBJECT, &json!({ "workflow_namespace": "demo", "content": "I am another" })), None);
}
