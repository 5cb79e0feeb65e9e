use serde_json::{Value, json};

use super::*;

fn metadata(value: Value) -> ObjectMeta {
    serde_json::from_value(value).unwrap()
}

#[track_caller]
fn check_wish(labels: &Value, expected: &Wish) {
    assert_eq!(&wish(&metadata(json!({ "name": "steps", "labels": labels }))), expected);
}

#[test]
fn only_one_value_of_the_label_asks() {
    check_wish(&Value::Null, &Wish::Absent);
    check_wish(&json!({ "agent-comms.dev/inject": "enabled" }), &Wish::Enabled);
    check_wish(&json!({ "agent-comms.dev/inject": "disabled" }), &Wish::Disabled);
    check_wish(&json!({ "agent-comms.dev/inject": "true" }), &Wish::Unknown("true".to_owned()));
}

#[test]
fn a_namespace_asks_since_its_label_was_written() {
    let entry = |manager: &str, time: &str, labels: Value| json!({ "manager": manager, "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "time": time, "fieldsV1": { "f:metadata": { "f:labels": labels } } });
    let ours = json!({ ".": {}, "f:agent-comms.dev/inject": {} });
    let other = entry("create", "2026-01-01T00:00:00Z", json!({ "f:team": {} }));
    let first = entry("label", "2026-01-02T00:00:00Z", ours.clone());
    let second = entry("gitops", "2026-01-03T00:00:00Z", ours);
    let written = |entries: Value| labelled_at(&metadata(json!({ "managedFields": entries })));
    assert_eq!(written(json!([other, second, first])), "2026-01-02T00:00:00Z".parse().ok());
    assert_eq!(written(json!([other])), None);
    assert_eq!(written(Value::Null), None);
}
