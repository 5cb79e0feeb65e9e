//! Pods as users and other webhooks write them: the recorded ones, changed in every way that the injector cares about.

use injector::pod::{self, Pod, list};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use crate::reviews::{names, pod as recorded};

/// What users and other webhooks write into a pod.
#[derive(Clone, Debug)]
enum Shape {
    UnknownField(Index),
    NoAnnotations,
    NullLists(Index),
    Annotation(&'static str, &'static str),
    Mesh,
    InitContainer,
    Container(bool),
    RunAsUser(u64),
    ContainerUser(Index, u64),
    Guaranteed,
    PodResources,
    SocketPathTaken(Index),
    Terminal(Index),
    NoCommand(Index),
    OwnVariable(Index),
    HostNetwork,
    SubPath(Index),
}

/// A recorded pod with changes, and its namespace.
pub fn pods() -> impl Strategy<Value = (Value, String)> {
    (prop::sample::select(names()), prop::collection::vec(shape(), 0..6)).prop_map(|(name, shapes)| {
        let (mut pod, namespace) = recorded(&name);
        for shape in &shapes {
            apply_shape(&mut pod, shape);
        }
        (pod, namespace)
    })
}

fn shape() -> impl Strategy<Value = Shape> {
    let annotation = prop::sample::select(vec![
        ("files", "/work/**/*.log,/logs/{a,b}.txt"),
        ("files", "relative"),
        ("agent-id", "reviewer"),
        ("stdout", "off"),
        ("install", "init"),
        ("cpu", "2/1"),
        ("memory", "32Mi/128Mi"),
        ("metrics-port", "9100"),
        ("surprise", "x"),
    ]);
    prop_oneof![
        any::<Index>().prop_map(Shape::UnknownField),
        Just(Shape::NoAnnotations),
        any::<Index>().prop_map(Shape::NullLists),
        annotation.prop_map(|(name, value)| Shape::Annotation(name, value)),
        Just(Shape::Mesh),
        Just(Shape::InitContainer),
        any::<bool>().prop_map(Shape::Container),
        prop::sample::select(vec![0, 1000]).prop_map(Shape::RunAsUser),
        (any::<Index>(), prop::sample::select(vec![0, 1000])).prop_map(|(index, user)| Shape::ContainerUser(index, user)),
        Just(Shape::Guaranteed),
        Just(Shape::PodResources),
        any::<Index>().prop_map(Shape::SocketPathTaken),
        any::<Index>().prop_map(Shape::Terminal),
        any::<Index>().prop_map(Shape::NoCommand),
        any::<Index>().prop_map(Shape::OwnVariable),
        Just(Shape::HostNetwork),
        any::<Index>().prop_map(Shape::SubPath),
    ]
}

fn apply_shape(pod: &mut Value, shape: &Shape) {
    let fresh = |pod: &Value, stem: &str| format!("{stem}{}", Pod(pod).all_containers().count());
    match shape {
        Shape::UnknownField(index) => {
            one(pod, *index)["fieldOfTomorrow"] = json!({ "deep": [1, 1.50, null, {}] });
            pod["spec"]["futureOfPods"] = json!([{ "n": 12_345_678_901_234_567_890_u64 }]);
        }
        Shape::NoAnnotations => drop(pod["metadata"].as_object_mut().unwrap().shift_remove("annotations")),
        Shape::NullLists(index) => {
            if pod["spec"]["initContainers"].as_array().is_none_or(Vec::is_empty) {
                pod["spec"]["initContainers"] = Value::Null;
            }
            let container = one(pod, *index);
            if container["env"].as_array().is_none_or(Vec::is_empty) {
                container["env"] = Value::Null;
            }
        }
        Shape::Annotation(name, value) => {
            if !pod["metadata"]["annotations"].is_object() {
                pod["metadata"]["annotations"] = json!({});
            }
            pod["metadata"]["annotations"][format!("agent-comms.dev/{name}")] = json!(value);
        }
        Shape::Mesh => {
            items(pod, "initContainers").insert(0, json!({ "name": "linkerd-proxy", "image": "m", "restartPolicy": "Always" }));
        }
        Shape::InitContainer => {
            let name = fresh(pod, "setup-");
            items(pod, "initContainers").push(json!({ "name": name, "image": "i", "command": ["true"] }));
        }
        Shape::Container(with_command) => {
            let name = fresh(pod, "extra-");
            let mut container = json!({ "name": name, "image": "i", "args": ["a"] });
            if *with_command {
                container["command"] = json!(["run"]);
            }
            items(pod, "containers").push(container);
        }
        Shape::RunAsUser(user) => pod["spec"]["securityContext"] = json!({ "runAsUser": user }),
        Shape::ContainerUser(index, user) => one(pod, *index)["securityContext"] = json!({ "runAsUser": user }),
        Shape::Guaranteed => {
            for key in ["containers", "initContainers"] {
                for container in pod["spec"][key].as_array_mut().into_iter().flatten() {
                    container["resources"] =
                        json!({ "limits": { "cpu": "1", "memory": "1Gi" }, "requests": { "cpu": "1000m", "memory": "1Gi" } });
                }
            }
        }
        Shape::PodResources => pod["spec"]["resources"] = json!({ "requests": { "cpu": "1" } }),
        Shape::SocketPathTaken(index) => {
            push(one(pod, *index), "volumeMounts", json!({ "name": "taken", "mountPath": "/var/run/agent-comms/" }));
        }
        Shape::Terminal(index) => one(pod, *index)["tty"] = json!(true),
        Shape::NoCommand(index) => drop(one(pod, *index).as_object_mut().unwrap().shift_remove("command")),
        Shape::OwnVariable(index) => push(one(pod, *index), "env", json!({ "name": "AGENT_COMMS_SOCKET", "value": "/mine" })),
        Shape::HostNetwork => pod["spec"]["hostNetwork"] = json!(true),
        Shape::SubPath(index) => {
            push(one(pod, *index), "volumeMounts", json!({ "name": "work-data", "mountPath": "/logs", "subPath": "x" }));
            if !list(&pod["spec"], "volumes").iter().any(|volume| pod::name(volume) == "work-data") {
                items(pod, "volumes").push(json!({ "name": "work-data", "emptyDir": {} }));
            }
        }
    }
}

/// A list of the specification, made when it is missing.
pub fn items<'a>(pod: &'a mut Value, key: &str) -> &'a mut Vec<Value> {
    if !pod["spec"][key].is_array() {
        pod["spec"][key] = json!([]);
    }
    pod["spec"][key].as_array_mut().unwrap()
}

/// One of the containers.
pub fn one(pod: &mut Value, index: Index) -> &mut Value {
    let containers = items(pod, "containers");
    let index = index.index(containers.len());
    &mut containers[index]
}

/// Adds an element to a list, made when it is missing.
pub fn push(parent: &mut Value, key: &str, element: Value) {
    match parent[key].as_array_mut() {
        Some(list) => list.push(element),
        None => parent[key] = json!([element]),
    }
}
