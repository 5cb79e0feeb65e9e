//! Rows of the table of edge cases: a pod is changed in one way, and one thing follows.

use injector::meaning::meaning;
use injector::options::OuterRun;
use injector::ours;
use injector::pod::{Owner, Pod, list, name};
use injector::{mutate, policy::Reason, review};
use serde_json::{Value, json};

use crate::reviews::{options, outcome, pod};

#[track_caller]
fn check(change: impl Fn(&mut Value), expected: Reason) {
    let (mut pod, namespace) = pod("native-job");
    change(&mut pod);
    assert_eq!(outcome(&pod, &namespace).reason, expected);
}

#[track_caller]
fn injected(recording: &str, change: impl Fn(&mut Value)) -> Value {
    let (mut pod, namespace) = pod(recording);
    change(&mut pod);
    outcome(&pod, &namespace).patch.expect("the pod is injected").patched
}

fn sidecar(pod: &Value) -> &Value {
    Pod(pod).init_containers().iter().find(|container| name(container) == "agent-comms").expect("the sidecar is there")
}

fn variable<'a>(pod: &'a Value, wanted: &str) -> Option<&'a Value> {
    list(sidecar(pod), "env").iter().find(|entry| name(entry) == wanted)?.get("value")
}

#[test]
fn what_is_left_alone_has_its_reason() {
    check(|pod| pod["metadata"]["annotations"] = json!({ "kubernetes.io/config.mirror": "x" }), Reason::MirrorPod);
    check(|pod| pod["status"]["phase"] = json!("Running"), Reason::HasRun);
    check(|pod| pod["status"]["phase"] = json!("Pending"), Reason::Inject);
    check(|pod| pod["spec"]["os"] = json!({ "name": "windows" }), Reason::Windows);
    check(|pod| pod["spec"]["nodeSelector"] = json!({ "kubernetes.io/os": "windows" }), Reason::Windows);
    check(|pod| pod["spec"]["containers"][0]["name"] = json!("agent-comms"), Reason::NameConflict);
    check(|pod| pod["spec"]["volumes"][0]["name"] = json!("agent-comms-state"), Reason::VolumeConflict);
    check(
        |pod| pod["spec"]["containers"][0]["volumeMounts"][0]["mountPath"] = json!("/var/run/agent-comms"),
        Reason::MountPathConflict,
    );
    check(|pod| pod["spec"]["containers"] = json!(vec![json!({ "name": "x" }); 65]), Reason::TooManyContainers);
    check(|pod| pod["spec"]["hostNetwork"] = json!(true), Reason::Inject);
}

/// A container that mounts a volume at a path, and the volume.
fn mounting(pod: &mut Value, mount: Value, source: &str) {
    let mut volume = json!({ "name": "own" });
    volume[source] = json!({});
    pod["spec"]["volumes"].as_array_mut().unwrap().push(volume);
    pod["spec"]["containers"][0]["volumeMounts"].as_array_mut().unwrap().push(mount);
}

#[test]
fn a_directory_that_cannot_be_made_on_a_read_only_volume_is_no_place_for_the_socket() {
    let at = |path: &str, read_only: bool| json!({ "name": "own", "mountPath": path, "readOnly": read_only });
    check(|pod| mounting(pod, at("/run", false), "emptyDir"), Reason::Inject);
    check(|pod| mounting(pod, at("/run/", true), "emptyDir"), Reason::MountPathConflict);
    check(|pod| mounting(pod, at("/var/run", false), "configMap"), Reason::MountPathConflict);
    check(|pod| mounting(pod, at("/", true), "emptyDir"), Reason::MountPathConflict);
    check(|pod| mounting(pod, at("/data", true), "emptyDir"), Reason::Inject);
    let nearer = |pod: &mut Value| {
        mounting(pod, at("/", true), "emptyDir");
        mounting(pod, at("/run", false), "emptyDir");
    };
    check(nearer, Reason::Inject);
    let patched = injected("native-job", |pod| mounting(pod, at("/run/agent-comms-bin/tools", false), "emptyDir"));
    assert_eq!(patched["spec"]["containers"][0]["command"], pod("native-job").0["spec"]["containers"][0]["command"]);
}

#[test]
fn settings_of_the_platform_are_reasons_too() {
    let (mut pod, namespace) = pod("native-host-network");
    let mut options = options();
    options.skip_host_network = true;
    assert_eq!(mutate::pod(&pod, 0, &namespace, None, &options).reason, Reason::HostNetwork);
    options.skip_host_network = false;
    options.native_sidecars = false;
    assert_eq!(mutate::pod(&pod, 0, &namespace, None, &options).reason, Reason::NativeUnsupported);
    pod["metadata"]["labels"]["agent-comms.dev/inject"] = json!("disabled");
    assert_eq!(mutate::pod(&pod, 0, &namespace, None, &options).reason, Reason::DisabledByPod);
}

#[test]
fn a_known_owner_of_the_job_is_the_run() {
    let (pod, namespace) = pod("native-agent-run");
    let owner = Owner { kind: "AgentRun".to_owned(), name: "fix-bug".to_owned(), uid: "u-1".to_owned() };
    let patched = |outer| mutate::pod(&pod, 0, &namespace, outer, &options()).patch.expect("the pod is injected").patched;
    let known = patched(Some(&owner));
    assert_eq!(variable(&known, "AGENT_COMMS_WORKFLOW_UID"), Some(&json!("u-1")));
    assert_eq!(variable(&known, "AGENT_COMMS_STEP_ID"), Some(&json!("implement")));
    assert_eq!(variable(&known, "AGENT_COMMS_ATTEMPT"), Some(&json!("1")));
    let unknown = patched(None);
    assert_eq!(variable(&unknown, "AGENT_COMMS_WORKFLOW_NAME"), Some(&json!("fix-bug-step-1-attempt-1")));
    assert_eq!(OuterRun { label: "x.dev/run".to_owned(), kind: "Run".to_owned() }.step_label(), "x.dev/step");
}

#[test]
fn a_retried_argo_node_is_an_attempt_of_its_step() {
    let node = |text: &'static str| {
        injected("argo-container", move |pod| pod["metadata"]["annotations"]["workflows.argoproj.io/node-name"] = json!(text))
    };
    let retried = node("wf.build(0:linux)(2)");
    assert_eq!(variable(&retried, "AGENT_COMMS_STEP_ID"), Some(&json!("wf.build(0:linux)")));
    assert_eq!(variable(&retried, "AGENT_COMMS_ATTEMPT"), Some(&json!("2")));
    assert_eq!(variable(&node("wf.build(0:linux)"), "AGENT_COMMS_ATTEMPT"), None);
}

#[test]
fn files_are_reached_through_the_volume_that_holds_them() {
    let patched = injected("native-indexed-job", |pod| {
        pod["metadata"]["annotations"] =
            json!({ "agent-comms.dev/files": "step:/work/{a,b}.log,/nowhere/*.log,/run/agent-comms/logs/x" });
    });
    let files = variable(&patched, "AGENT_COMMS_FILES").and_then(Value::as_str);
    assert_eq!(files, Some("step:/run/agent-comms-files/work/a.log,step:/run/agent-comms-files/work/b.log"));
    let mount = json!({ "name": "work", "mountPath": "/run/agent-comms-files/work", "readOnly": true });
    assert!(list(sidecar(&patched), "volumeMounts").contains(&mount));
}

#[test]
fn secrets_are_no_logs() {
    let patched = injected("native-job", |pod| {
        pod["metadata"]["annotations"] =
            json!({ "agent-comms.dev/files": "/var/run/secrets/kubernetes.io/serviceaccount/token" });
    });
    assert_eq!(variable(&patched, "AGENT_COMMS_FILES"), None);
}

#[test]
fn the_sidecar_runs_as_the_steps_do_but_never_as_root() {
    let user = |of_pod: Value, of_step: Value| {
        let patched = injected("native-job", move |pod| {
            pod["spec"]["securityContext"] = json!({ "runAsUser": of_pod });
            pod["spec"]["containers"][0]["securityContext"] = json!({ "runAsUser": of_step });
        });
        sidecar(&patched)["securityContext"].get("runAsUser").and_then(Value::as_u64)
    };
    assert_eq!(user(json!(1000), Value::Null), Some(1000));
    assert_eq!(user(Value::Null, json!(1001)), Some(1001));
    assert_eq!(user(json!(0), json!(1001)), Some(1001));
    assert_eq!(user(json!(0), Value::Null), Some(65532));
    assert_eq!(user(Value::Null, json!(0)), None);
    assert_eq!(user(Value::Null, Value::Null), None);
}

#[test]
fn a_guaranteed_pod_stays_guaranteed() {
    let patched = injected("native-job", |pod| {
        pod["spec"]["containers"][0]["resources"] =
            json!({ "limits": { "cpu": "0.5", "memory": "1Gi" }, "requests": { "cpu": "500m", "memory": "1024Mi" } });
    });
    let resources = &sidecar(&patched)["resources"];
    assert_eq!(resources["requests"], resources["limits"]);
}

#[test]
fn a_pod_with_a_field_of_another_type_is_malformed() {
    for (pointer, key) in [("/spec/containers/0", "volumeMounts"), ("/spec", "volumes"), ("/metadata", "annotations")] {
        check(|pod| pod.pointer_mut(pointer).unwrap()[key] = json!("something"), Reason::MalformedPod);
    }
    check(|pod| pod["spec"]["containers"] = json!({}), Reason::MalformedPod);
    check(|pod| pod["spec"]["os"] = json!("linux"), Reason::Inject);
}

#[test]
fn a_switch_that_takes_its_value_from_elsewhere_is_left() {
    let (mut pod, namespace) = pod("argo-container");
    let main =
        pod["spec"]["containers"].as_array_mut().unwrap().iter_mut().find(|container| container["name"] == "main").unwrap();
    let env = main["env"].as_array_mut().unwrap();
    env.retain(|entry| entry["name"] != "ARGO_INCLUDE_SCRIPT_OUTPUT");
    let entry = json!({ "name": "ARGO_INCLUDE_SCRIPT_OUTPUT", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } });
    env.push(entry.clone());
    let patched = outcome(&pod, &namespace).patch.unwrap().patched;
    let containers = patched["spec"]["containers"].as_array().unwrap();
    let main = containers.iter().find(|container| container["name"] == "main").unwrap();
    assert!(main["env"].as_array().unwrap().contains(&entry), "a value beside valueFrom is refused by the API server");
    assert_eq!(ours::rest(&patched), meaning(&pod));
}

#[test]
fn who_asks_by_label_and_gets_nothing_is_told() {
    let (mut pod, namespace) = pod("argo-agent-component");
    assert!(!outcome(&pod, &namespace).disappoints(), "nobody asked");
    pod["metadata"]["labels"]["agent-comms.dev/inject"] = json!("enabled");
    let outcome = outcome(&pod, &namespace);
    assert!(outcome.disappoints());
    let answer: Value = serde_json::from_str(&review::answer("1", "admission.k8s.io/v1", &outcome)).unwrap();
    let warning = answer["response"]["warnings"][0].as_str().unwrap_or_default();
    assert!(warning.starts_with("agent-comms: not injected: argo_component_pod: "), "{answer}");
}
