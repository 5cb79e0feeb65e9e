//! `inject`, `uninject` and `explain` as people run them, on the examples that are shipped and on what else people keep.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

const EXAMPLES: [(&str, &str); 2] = [
    ("job", include_str!("../../../manifests/examples/job.yaml")),
    ("workflow", include_str!("../../../manifests/examples/workflow.yaml")),
];

/// Every kind with pods, in the styles that people write.
const KINDS: &str = include_str!("../kinds.yaml");

fn run(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_agent-comms-injector"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[track_caller]
fn succeed(arguments: &[&str], input: &str) -> (String, String) {
    let output = run(arguments, input);
    let (out, errors) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(0), "{errors}");
    (out, errors)
}

#[test]
fn examples_become_what_was_looked_at() {
    for (name, example) in EXAMPLES {
        let (manifest, report) = succeed(&["inject", "-f", "-", "--image", "agent-comms:test"], example);
        insta::with_settings!({ prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(format!("example-{name}"), format!("{report}\n{manifest}"));
        });
    }
}

#[test]
fn what_is_taken_out_again_leaves_the_manifest_as_it_was() {
    let examples = EXAMPLES.iter().map(|(_, example)| *example).chain([KINDS]);
    for (example, auth) in examples.flat_map(|example| ["certificate", "token"].map(|auth| (example, auth))) {
        let inject = ["inject", "-f", "-", "--nats-auth", auth];
        let (injected, _) = succeed(&inject, example);
        assert_ne!(injected, example);
        assert_eq!(injected.contains("serviceAccountToken"), auth == "token");
        assert_eq!(succeed(&["uninject", "-f", "-"], &injected).0, example);
        assert_eq!(succeed(&["uninject", "-f", "-"], example).0, example, "nothing is changed where nothing is ours");
        let (again, report) = succeed(&inject, &injected);
        assert_eq!(again, injected, "twice is as once");
        assert!(report.contains("already_injected_current"), "{report}");
    }
}

#[test]
fn every_kind_with_steps_gets_its_sidecar_and_says_whose_they_are() {
    let (injected, report) = succeed(&["inject", "-f", "-", "-o", "json"], KINDS);
    let whole: Value = serde_json::from_str(&injected).unwrap();
    let (list, workflow) = (&whole["items"][0], &whole["items"][1]);
    let variable = |containers: &Value, name: &str| {
        let sidecar = containers.as_array().unwrap().iter().find(|container| container["name"] == "agent-comms").unwrap();
        let entry = sidecar["env"].as_array().unwrap().iter().find(|entry| entry["name"] == name).unwrap().clone();
        entry.get("value").cloned().unwrap_or_else(|| entry["valueFrom"]["fieldRef"]["fieldPath"].clone())
    };
    let pod = &list["items"][0]["spec"]["initContainers"];
    assert_eq!(variable(pod, "AGENT_COMMS_WORKFLOW_UID"), "metadata.uid");
    assert_eq!(variable(pod, "AGENT_COMMS_NAMESPACE"), "metadata.namespace");
    assert_eq!(variable(pod, "AGENT_COMMS_NATS_INBOX_PREFIX"), "_INBOX_$(AGENT_COMMS_NAMESPACE)");
    let cron_job = &list["items"][1]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["initContainers"];
    assert_eq!(variable(cron_job, "AGENT_COMMS_WORKFLOW_UID"), "metadata.labels['batch.kubernetes.io/controller-uid']");
    assert_eq!(variable(cron_job, "AGENT_COMMS_STEP_ID"), "$(AGENT_COMMS_WORKFLOW_NAME)-$(AGENT_COMMS_COMPLETION_INDEX)");
    assert_eq!(variable(cron_job, "AGENT_COMMS_NAMESPACE"), "reports");
    assert_eq!(variable(cron_job, "AGENT_COMMS_STAGE"), "report");
    let templates = &workflow["spec"]["workflowSpec"]["templates"];
    assert_eq!(variable(&templates[0]["initContainers"], "AGENT_COMMS_WORKFLOW_UID"), "{{workflow.uid}}");
    assert_eq!(variable(&templates[0]["initContainers"], "AGENT_COMMS_CONTAINERS"), "one,main");
    assert_eq!(templates[1].get("initContainers"), None);
    let inline = &templates[2]["dag"]["tasks"][0]["inline"];
    assert_eq!(variable(&inline["initContainers"], "AGENT_COMMS_CONTAINERS"), "main,db");
    let files = variable(&templates[0]["initContainers"], "AGENT_COMMS_FILES");
    assert!(files.as_str().is_some_and(|files| files.contains("work/") && files.ends_with("*.log")), "{files}");
    assert_eq!(workflow["spec"]["workflowSpec"]["volumes"], json!([{"name": "work", "emptyDir": {}}]));
    assert!(report.contains("disabled_by_pod") && report.contains("command_unknown"), "{report}");
}

#[test]
fn what_serves_is_refused_with_the_reason_and_passes_unchanged() {
    let service = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web} # the site\nspec: {}\n";
    let output = run(&["inject", "-f", "-"], service);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), service);
    let report = String::from_utf8(output.stderr).unwrap();
    assert!(report.contains("deployment/web") && report.contains("not_workflow_kind"), "{report}");
}

#[test]
fn a_manifest_with_a_field_of_another_type_is_told_where_and_passes_unchanged() {
    let job = |containers: &str| {
        format!("apiVersion: batch/v1\nkind: Job\nmetadata: {{name: j}}\nspec:\n  template:\n    spec:\n{containers}\n")
    };
    let workflow = "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {name: w}\nspec:\n  templates:\n  - name: t\n    \
                    container: {command: [a]}\n    volumes: x\n";
    let cases = [
        (job("      containers: {}"), "job/j", "spec.template.spec.containers"),
        (job("      containers: [{name: a}]\n      volumes: x"), "job/j", "spec.template.spec.volumes"),
        (job("      containers: [{name: a, command: run}]"), "job/j", "spec.template.spec.containers[0].command"),
        ("apiVersion: batch/v1\nkind: Job\nmetadata: {name: j}\n".to_owned(), "job/j", "spec.template.spec.containers"),
        (workflow.to_owned(), "workflow/w template t", "spec.templates.0.volumes"),
    ];
    for (manifest, whose, path) in cases {
        let output = run(&["inject", "-f", "-"], &manifest);
        assert_eq!(output.status.code(), Some(3), "{manifest}");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), manifest);
        let report = String::from_utf8(output.stderr).unwrap();
        assert!(report.starts_with(&format!("✗ {whose}  malformed_pod: {path} is missing or of another type")), "{report}");
        let explained = run(&["explain", "-f", "-"], &manifest);
        assert_eq!((explained.status.code(), String::from_utf8(explained.stdout).unwrap()), (Some(3), report));
    }
    let left_out = job("      containers: {}")
        .replace("    spec:\n", "    metadata: {labels: {agent-comms.dev/inject: disabled}}\n    spec:\n");
    assert!(succeed(&["inject", "-f", "-"], &left_out).1.contains("disabled_by_pod"));
}

#[test]
fn a_decision_is_explained_to_people_and_to_programs() {
    let pod = |labels: Value| {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n", "labels": labels},
        "spec": {"containers": [{"name": "main", "image": "a"}], "nodeSelector": {"kubernetes.io/os": "windows"}}})
    };
    let refused = pod(json!({"agent-comms.dev/inject": "enabled"})).to_string();
    let output = run(&["explain", "-f", "-"], &refused);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "✗ pod/n/p  windows: there is no sidecar for Windows\n");
    let output = run(&["explain", "-f", "-", "-o", "json"], &pod(json!({})).to_string());
    assert_eq!(output.status.code(), Some(0));
    let reports: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&reports[0]["decision"], &reports[0]["reason"]), (&json!("skip"), &json!("not_workflow_pod")));
}

#[test]
fn what_cannot_be_read_says_which_and_where() {
    let output = run(&["inject", "-f", "-"], "kind: Job\n  spec: [\n");
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("standard input") && error.contains("line 2") && error.lines().count() == 1, "{error}");
    assert_eq!(run(&["inject", "-f", "/no/such/file"], "").status.code(), Some(1));
    assert_eq!(run(&["inject"], "").status.code(), Some(2), "no file is wrong usage");
}
