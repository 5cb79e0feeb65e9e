//! Pods that are like no recorded one: every field that the injector reads, in any combination, beside fields that nobody knows.

use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

/// Paths that matter to what is mounted, and others.
const PLACES: [&str; 9] = [
    "/work",
    "/data/",
    "/run",
    "/var/run",
    "/var/run/argo",
    "/run/agent-comms",
    "/run/agent-comms-bin",
    "/run/agent-comms-bin/x",
    "/run/agent-comms-other",
];
const VOLUMES: [&str; 3] = ["work", "data", "config"];
const ANNOTATIONS: [(&str, &str); 10] = [
    ("files", "/work/{a,b}/**/*.log,s1:/data/x"),
    ("files", "/config/*"),
    ("stdout", "off"),
    ("install", "init"),
    ("cpu", "1/2"),
    ("memory", "64"),
    ("metrics-port", "9100"),
    ("rules", "[[rule]]\npattern = '^(?P<content>.*)$'\n"),
    ("redact", "$(A)[0-9]+"),
    ("channel", "nobody"),
];

/// A pod that is looked at further, and its namespace.
pub fn pods() -> impl Strategy<Value = (Value, String)> {
    let containers = (prop::collection::vec(container(), 1..4), prop::collection::vec(container(), 0..3));
    let annotations = prop::collection::vec(select(&ANNOTATIONS[..]), 0..3);
    let spec = (user(), option::of(any::<bool>()), option::of(select(vec!["Never", "OnFailure", "Always"])), any::<bool>());
    (containers, metadata(), annotations, spec, select(vec!["steps", ""])).prop_map(
        |((regular, init), mut metadata, annotations, (user, host_network, restart_policy, with_future), namespace)| {
            for (name, value) in annotations {
                metadata["annotations"][format!("agent-comms.dev/{name}")] = json!(value);
            }
            let volumes = json!([
                { "name": "work", "emptyDir": {} },
                { "name": "data", "persistentVolumeClaim": { "claimName": "d" } },
                { "name": "config", "configMap": { "name": "c" } },
            ]);
            let mut spec = json!({ "containers": named("s", regular), "volumes": volumes });
            put(&mut spec, "initContainers", (!init.is_empty()).then(|| named("i", init)));
            put(&mut spec, "securityContext", user.map(|user| json!({ "runAsUser": user })));
            put(&mut spec, "hostNetwork", host_network.map(Value::from));
            put(&mut spec, "restartPolicy", restart_policy.map(Value::from));
            put(&mut spec, "futureOfPods", with_future.then(|| json!([{ "n": 1e3 }, null])));
            (json!({ "metadata": metadata, "spec": spec, "futureOfObjects": "x" }), namespace.to_owned())
        },
    )
}

/// An owner or a label by which a runtime claims the pod.
fn metadata() -> impl Strategy<Value = Value> {
    let job = json!({ "apiVersion": "batch/v1", "kind": "Job", "name": "j", "uid": "u", "controller": true });
    let workflow =
        json!({ "apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": "w", "uid": "u", "controller": true });
    select(vec![
        json!({ "generateName": "j-", "ownerReferences": [job], "labels": null }),
        json!({ "generateName": "j-", "ownerReferences": [job], "labels": { "agents.proompteng.ai/agent-run": "r$(X)" } }),
        json!({ "name": "p", "labels": { "agent-comms.dev/inject": "enabled" } }),
        json!({ "name": "w-1", "ownerReferences": [workflow], "labels": { "workflows.argoproj.io/workflow": "w" },
                "annotations": { "workflows.argoproj.io/node-name": "w[0].step(1)" } }),
    ])
}

fn container() -> impl Strategy<Value = Value> {
    let words = || prop::collection::vec("[a-z/${}-]{1,6}", 0..3);
    let emissary = Just(vec!["/var/run/argo/argoexec".to_owned(), "emissary".to_owned(), "--".to_owned(), "run".to_owned()]);
    let command = option::of(prop_oneof![3 => words(), 1 => emissary]);
    let names = subsequence(vec!["A", "AGENT_COMMS_SOCKET", "ARGO_INCLUDE_SCRIPT_OUTPUT"], 0..=3);
    let values = prop::collection::vec(option::of(prop_oneof![3 => "[ -~]{0,8}", 1 => Just("true".to_owned())]), 3);
    let env = option::of((names, values).prop_map(|(names, values)| names.into_iter().zip(values)));
    let mounts =
        option::of(prop::collection::vec((select(&VOLUMES[..]), select(&PLACES[..]), any::<bool>(), any::<bool>()), 0..4));
    (command, option::of(words()), env, mounts, user(), any::<[bool; 3]>()).prop_map(
        |(command, args, env, mounts, user, [with_terminal, with_probe, with_future])| {
            let mut container = json!({ "image": "i" });
            put(&mut container, "command", command.map(Value::from));
            put(&mut container, "args", args.map(Value::from));
            put(&mut container, "env", env.map(|env| env.map(variable).collect()));
            put(&mut container, "volumeMounts", mounts.map(|mounts| mounts.into_iter().map(mount).collect()));
            put(&mut container, "securityContext", user.map(|user| json!({ "runAsUser": user })));
            put(&mut container, "tty", with_terminal.then_some(Value::Bool(true)));
            put(&mut container, "livenessProbe", with_probe.then(|| json!({ "exec": { "command": ["true"] } })));
            put(&mut container, "fieldOfTomorrow", with_future.then(|| json!({ "deep": [[], {}] })));
            container
        },
    )
}

fn user() -> impl Strategy<Value = Option<u64>> {
    option::of(select(vec![0, 1000, 65532]))
}

fn variable((name, value): (&str, Option<String>)) -> Value {
    match value {
        Some(value) => json!({ "name": name, "value": value }),
        None => json!({ "name": name, "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } }),
    }
}

fn mount((volume, place, is_read_only, with_sub_path): (&str, &str, bool, bool)) -> Value {
    let mut mount = json!({ "name": volume, "mountPath": place });
    put(&mut mount, "readOnly", is_read_only.then_some(Value::Bool(true)));
    put(&mut mount, "subPath", with_sub_path.then(|| json!("part")));
    mount
}

fn named(stem: &str, containers: Vec<Value>) -> Value {
    let named = containers.into_iter().enumerate().map(|(index, mut container)| {
        container["name"] = json!(format!("{stem}{index}"));
        container
    });
    named.collect()
}

fn put(object: &mut Value, key: &str, value: Option<Value>) {
    if let Some(value) = value {
        object[key] = value;
    }
}
