use serde_json::json;

use super::*;

fn pod() -> Value {
    let container = json!({ "name": "main", "command": ["run"], "env": [{ "name": "A" }], "volumeMounts": null });
    json!({ "metadata": { "labels": { "a": "b", "c": null } }, "spec": { "containers": [container], "volumes": [] } })
}

#[track_caller]
fn check(pointer: &str, key: &str, value: Value, expected: Option<&str>) {
    let mut pod = pod();
    pod.pointer_mut(pointer).unwrap()[key] = value;
    assert_eq!(of_pod(&pod).as_deref(), expected, "{pointer}/{key}");
}

#[test]
fn the_field_that_has_another_type_is_told() {
    check("/spec", "nodeSelector", json!("anything that is not looked at"), None);
    check("", "metadata", json!([]), Some("metadata"));
    check("", "spec", json!("x"), Some("spec"));
    check("/metadata", "labels", json!({ "agent-comms.dev/inject": true }), Some("metadata.labels['agent-comms.dev/inject']"));
    check("/metadata", "annotations", json!([]), Some("metadata.annotations"));
    check("/metadata", "ownerReferences", json!(["x"]), Some("metadata.ownerReferences[0]"));
    check("/spec", "containers", json!({}), Some("spec.containers"));
    check("/spec", "containers", json!([]), Some("spec.containers"));
    check("/spec", "containers", Value::Null, Some("spec.containers"));
    check("/spec", "volumes", json!("x"), Some("spec.volumes"));
    check("/spec", "initContainers", json!([{ "name": "a" }, 1]), Some("spec.initContainers[1]"));
    check("/spec", "initContainers", json!([{ "name": "" }]), Some("spec.initContainers[0].name"));
    check("/spec/containers/0", "name", json!(1), Some("spec.containers[0].name"));
    check("/spec/containers/0", "command", json!("run"), Some("spec.containers[0].command"));
    check("/spec/containers/0", "args", json!(["a", 1]), Some("spec.containers[0].args[1]"));
    check("/spec/containers/0", "env", json!({ "A": "b" }), Some("spec.containers[0].env"));
    check("/spec/containers/0", "volumeMounts", json!([[]]), Some("spec.containers[0].volumeMounts[0]"));
}

#[track_caller]
fn check_template(template: &Value, workflow: &Value, expected: Option<&str>) {
    assert_eq!(of_template(template, workflow).as_deref(), expected, "{template} {workflow}");
}

#[test]
fn a_template_is_told_by_the_names_of_argo() {
    let sound = json!({ "container": { "command": ["run"] }, "sidecars": [{ "name": "db" }] });
    check_template(&sound, &json!({}), None);
    check_template(&sound, &json!({ "podMetadata": { "labels": [] } }), Some("podMetadata.labels"));
    check_template(&sound, &json!({ "volumes": "x" }), Some("volumes"));
    check_template(&json!({ "container": { "env": "x" } }), &json!({}), Some("container.env"));
    check_template(&json!({ "script": { "command": "python" } }), &json!({}), Some("script.command"));
    check_template(&json!({ "containerSet": { "containers": [{}] } }), &json!({}), Some("containerSet.containers[0].name"));
    check_template(&json!({ "container": {}, "sidecars": {} }), &json!({}), Some("sidecars"));
    check_template(&json!({ "container": {}, "metadata": [] }), &json!({}), Some("metadata"));
}
