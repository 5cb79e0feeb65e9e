use clap::Parser as _;
use serde_json::json;

use super::*;
use crate::cli::{Cli, Command};

fn options() -> Options {
    let Command::Serve(arguments) = Cli::parse_from(["injector", "serve"]).command else { panic!("this is no `serve`") };
    arguments.pods.options().unwrap()
}

#[track_caller]
fn check_target(words: &[&str], expected: Option<(Option<&str>, &str)>) {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let expected = expected.map(|(namespace, name)| (namespace.map(str::to_owned), name.to_owned()));
    assert_eq!(target(&words).ok(), expected, "{words:?}");
}

#[test]
fn a_pod_is_named_as_people_name_it() {
    check_target(&["crawl"], Some((None, "crawl")));
    check_target(&["pod", "crawl"], Some((None, "crawl")));
    check_target(&["pod/crawl"], Some((None, "crawl")));
    check_target(&["steps/crawl"], Some((Some("steps"), "crawl")));
    check_target(&["pods", "steps/crawl"], Some((Some("steps"), "crawl")));
    check_target(&["pod", "pod/crawl"], Some((Some("pod"), "crawl")));
    for wrong in [&["job", "crawl"][..], &["steps/"], &["/crawl"], &["a/b/c"]] {
        check_target(wrong, None);
    }
}

fn namespace(label: &Value) -> ObjectMeta {
    let fields = json!({ "f:metadata": { "f:labels": { "f:agent-comms.dev/inject": {} } } });
    let entry = json!({ "manager": "kubectl", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "time": "2026-01-02T00:00:00Z", "fieldsV1": fields });
    let labels = json!({ "agent-comms.dev/inject": label });
    let labels = if label.is_null() { json!({}) } else { labels };
    serde_json::from_value(json!({ "name": "steps", "labels": labels, "managedFields": [entry] })).unwrap()
}

/// A finished pod of a Job.
fn pod() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": "crawl", "namespace": "steps", "creationTimestamp": "2026-01-03T00:00:00Z",
            "ownerReferences": [{ "apiVersion": "batch/v1", "kind": "Job", "name": "crawl", "uid": "1", "controller": true }],
        },
        "spec": { "containers": [{ "name": "main", "image": "main:1", "command": ["crawl"] }] },
        "status": { "phase": "Succeeded" },
    })
}

#[track_caller]
fn check(namespace: Option<&ObjectMeta>, change: impl FnOnce(&mut Value), expected: (&str, bool)) {
    let mut pod = pod();
    change(&mut pod);
    let report = judge(&pod, namespace, "agent-comms", &options());
    assert_eq!((report.reason, report.disappoints), expected, "{report}");
}

#[test]
fn the_first_rule_that_holds_is_told() {
    let (enabled, absent) = (namespace(&json!("enabled")), namespace(&Value::Null));
    let opt_in = |pod: &mut Value| pod["metadata"]["labels"] = json!({ "agent-comms.dev/inject": "enabled" });
    let windows = |pod: &mut Value| pod["spec"]["os"] = json!({ "name": "windows" });
    check(Some(&enabled), |_| (), ("missed", true));
    check(None, |_| (), ("missed", true));
    check(Some(&absent), |_| (), ("namespace_not_enabled", false));
    check(Some(&absent), opt_in, ("namespace_not_enabled", true));
    check(Some(&namespace(&json!("true"))), |_| (), ("namespace_not_enabled", false));
    check(Some(&enabled), |pod| pod["metadata"]["namespace"] = json!("agent-comms"), ("namespace_excluded", false));
    check(Some(&enabled), windows, ("windows", true));
    check(Some(&enabled), |pod| pod["metadata"]["ownerReferences"] = json!([]), ("not_workflow_pod", false));
    let early = |pod: &mut Value| pod["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
    check(Some(&enabled), early, ("made_before_label", true));
    let disabled = |pod: &mut Value| pod["metadata"]["labels"] = json!({ "agent-comms.dev/inject": "disabled" });
    check(Some(&enabled), disabled, ("disabled_by_pod", false));
    let gone = |pod: &mut Value| pod["metadata"]["annotations"] = json!({ "agent-comms.dev/status": "{}" });
    check(Some(&enabled), gone, ("sidecar_gone", true));
}

#[test]
fn an_injected_pod_tells_what_each_container_got() {
    let outcome = mutate::pod(&as_created(&pod()), 0, "steps", None, &options());
    let mut stored = outcome.patch.unwrap().patched;
    stored["status"] = json!({ "phase": "Running" });
    let report = judge(&stored, Some(&namespace(&json!("enabled"))), "agent-comms", &options());
    assert_eq!(
        report.to_string(),
        "✓ pod/steps/crawl  already_injected_current: the sidecar is there\n    \
         · label agent-comms.dev/inject of namespace steps says enabled since 2026-01-02T00:00:00Z: its pods reach the webhook\n    \
         · Job crawl owns it: it is a step\n    \
         main: has its socket, output captured (its command runs under agent-comms exec)"
    );
}

#[test]
fn what_would_come_after_the_first_rule_is_told_too() {
    let mut pod = pod();
    pod["spec"]["os"] = json!({ "name": "windows" });
    let report = judge(&pod, Some(&namespace(&Value::Null)), "agent-comms", &options());
    assert_eq!(report.notes, ["windows: also then no sidecar would be added: there is no sidecar for Windows"]);
    assert_eq!(report.because[0], "namespace steps has no label agent-comms.dev/inject: its pods do not reach the webhook");
}
