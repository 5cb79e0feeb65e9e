//! For any pod, and whatever other webhooks did to it before or in between.

use injector::names::{INSTALLER, SIDECAR, STATUS_ANNOTATION, STEP_BINARY};
use injector::options::Options;
use injector::ours;
use injector::plan;
use injector::pod::{self, Pod, list};
use injector::policy::Reason;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use crate::reviews::{names, options, outcome, pod as recorded};

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

/// What other webhooks do to a pod that has the sidecar.
#[derive(Clone, Debug)]
enum Damage {
    StripRestartPolicy,
    RemoveSidecar,
    RepeatSidecar,
    MoveToEnd,
    MoveToContainers,
    RemoveVolume(Index),
    RepeatVolume(Index),
    RemoveMount(Index),
    RemoveVariables(Index),
    Unwrap(Index),
    LoseStatus,
    Probe,
    Privilege,
    Mirror,
    Defaults,
    Mesh,
    InitContainer,
    SidecarMount,
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

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        Just(Damage::StripRestartPolicy),
        Just(Damage::RemoveSidecar),
        Just(Damage::RepeatSidecar),
        Just(Damage::MoveToEnd),
        Just(Damage::MoveToContainers),
        any::<Index>().prop_map(Damage::RemoveVolume),
        any::<Index>().prop_map(Damage::RepeatVolume),
        any::<Index>().prop_map(Damage::RemoveMount),
        any::<Index>().prop_map(Damage::RemoveVariables),
        any::<Index>().prop_map(Damage::Unwrap),
        Just(Damage::LoseStatus),
        Just(Damage::Probe),
        Just(Damage::Privilege),
        Just(Damage::Mirror),
        Just(Damage::Defaults),
        Just(Damage::Mesh),
        Just(Damage::InitContainer),
        Just(Damage::SidecarMount),
    ]
}

fn items<'a>(pod: &'a mut Value, key: &str) -> &'a mut Vec<Value> {
    if !pod["spec"][key].is_array() {
        pod["spec"][key] = json!([]);
    }
    pod["spec"][key].as_array_mut().unwrap()
}

fn one(pod: &mut Value, index: Index) -> &mut Value {
    let containers = items(pod, "containers");
    let index = index.index(containers.len());
    &mut containers[index]
}

fn push(parent: &mut Value, key: &str, element: Value) {
    match parent[key].as_array_mut() {
        Some(list) => list.push(element),
        None => parent[key] = json!([element]),
    }
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

fn sidecar(pod: &mut Value) -> Option<&mut Value> {
    items(pod, "initContainers").iter_mut().find(|container| pod::name(container) == SIDECAR)
}

fn apply_damage(pod: &mut Value, damage: &Damage) {
    match damage {
        Damage::StripRestartPolicy => drop(sidecar(pod).and_then(|ours| ours.as_object_mut()?.shift_remove("restartPolicy"))),
        Damage::RemoveSidecar => items(pod, "initContainers").retain(|container| pod::name(container) != SIDECAR),
        Damage::RepeatSidecar => {
            if let Some(ours) = sidecar(pod).cloned() {
                items(pod, "initContainers").push(ours);
            }
        }
        Damage::MoveToEnd | Damage::MoveToContainers => {
            let Some(ours) = sidecar(pod).cloned() else { return };
            items(pod, "initContainers").retain(|container| pod::name(container) != SIDECAR);
            let key = if matches!(damage, Damage::MoveToEnd) { "initContainers" } else { "containers" };
            items(pod, key).push(ours);
        }
        Damage::RemoveVolume(index) | Damage::RepeatVolume(index) => {
            let ours: Vec<Value> = items(pod, "volumes").iter().filter(|volume| ours::is_volume(volume)).cloned().collect();
            let Some(volume) = (!ours.is_empty()).then(|| &ours[index.index(ours.len())]) else { return };
            match damage {
                Damage::RemoveVolume(_) => items(pod, "volumes").retain(|other| other != volume),
                _ => items(pod, "volumes").push(volume.clone()),
            }
        }
        Damage::RemoveMount(index) => {
            if let Some(mounts) = one(pod, *index)["volumeMounts"].as_array_mut() {
                mounts.retain(|mount| !ours::is_mount(mount));
            }
        }
        Damage::RemoveVariables(index) => {
            if let Some(env) = one(pod, *index)["env"].as_array_mut() {
                env.retain(|entry| !ours::is_variable(entry));
            }
        }
        Damage::Unwrap(index) => {
            if let Some(command) = one(pod, *index)["command"].as_array_mut().filter(|command| command[0] == STEP_BINARY) {
                command.drain(..3);
            }
        }
        Damage::LoseStatus => {
            if let Some(annotations) = pod["metadata"]["annotations"].as_object_mut() {
                annotations.shift_remove(STATUS_ANNOTATION);
            }
        }
        Damage::Probe => {
            if let Some(ours) = sidecar(pod) {
                ours["startupProbe"] = json!({ "tcpSocket": { "port": 1 } });
            }
        }
        Damage::Privilege => {
            if let Some(ours) = sidecar(pod) {
                ours["securityContext"] = json!({ "privileged": true, "runAsUser": 0 });
            }
        }
        Damage::Mirror => {
            if let Some(ours) = sidecar(pod) {
                ours["image"] = json!("mirror.example/agent-comms:1");
            }
        }
        Damage::Defaults => {
            if let Some(ours) = sidecar(pod) {
                ours["terminationMessagePath"] = json!("/dev/termination-log");
                ours["resizePolicy"] = json!([{ "resourceName": "cpu", "restartPolicy": "NotRequired" }]);
            }
        }
        Damage::Mesh => {
            if !items(pod, "initContainers").iter().any(|container| pod::name(container) == "istio-proxy") {
                items(pod, "initContainers").push(json!({ "name": "istio-proxy", "image": "m", "restartPolicy": "Always" }));
            }
        }
        Damage::InitContainer => {
            if !items(pod, "initContainers").iter().any(|container| pod::name(container) == "late") {
                items(pod, "initContainers").insert(0, json!({ "name": "late", "image": "i" }));
            }
        }
        Damage::SidecarMount => {
            if let Some(ours) =
                sidecar(pod).filter(|ours| list(ours, "volumeMounts").iter().all(|mount| pod::name(mount) != "token"))
            {
                push(ours, "volumeMounts", json!({ "name": "token", "mountPath": "/var/run/secrets/token" }));
                if !items(pod, "volumes").iter().any(|volume| pod::name(volume) == "token") {
                    items(pod, "volumes").push(json!({ "name": "token", "emptyDir": {} }));
                }
            }
        }
    }
}

/// Absent, null and empty mean the same to the API server.
fn meaning(value: &Value) -> Value {
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(object) => object.is_empty(),
        _ => false,
    };
    match value {
        Value::Array(list) => Value::Array(list.iter().map(meaning).collect()),
        Value::Object(object) => {
            object.iter().map(|(key, value)| (key.clone(), meaning(value))).filter(|(_, value)| !is_empty(value)).collect()
        }
        value => value.clone(),
    }
}

fn without_ours(pod: &Value) -> Value {
    let status = ours::status(Pod(pod)).unwrap_or_default();
    meaning(&ours::without(pod, &status))
}

fn check_injected(pod: &Value, options: &Options) -> Result<(), TestCaseError> {
    let init = Pod(pod).init_containers();
    let place = plan::position(init.iter().filter(|container| !ours::is_container(container)), options);
    prop_assert_eq!(pod::name(&init[place]), SIDECAR);
    prop_assert!(pod::is_native_sidecar(&init[place]));
    for container in Pod(pod).all_containers().filter(|container| ours::is_container(container)) {
        let security = &container["securityContext"];
        prop_assert_eq!(&security["allowPrivilegeEscalation"], &json!(false));
        prop_assert_eq!(&security["capabilities"], &json!({ "drop": ["ALL"] }));
        prop_assert_eq!(&security["runAsNonRoot"], &json!(true));
        prop_assert_ne!(security.get("runAsUser"), Some(&json!(0)));
        prop_assert!(security.get("privileged").is_none() && container.get("startupProbe").is_none());
        let has_bounds = ["requests", "limits"]
            .iter()
            .all(|list| ["cpu", "memory"].iter().all(|name| container["resources"][list][name].is_string()));
        prop_assert!(has_bounds || pod["spec"]["resources"].is_object());
    }
    let ours = [SIDECAR, INSTALLER];
    for name in ours {
        prop_assert!(Pod(pod).all_containers().filter(|container| pod::name(container) == name).count() <= 1);
    }
    Ok(())
}

fn start() -> impl Strategy<Value = (Value, String)> {
    (prop::sample::select(names()), prop::collection::vec(shape(), 0..6)).prop_map(|(name, shapes)| {
        let (mut pod, namespace) = recorded(&name);
        for shape in &shapes {
            apply_shape(&mut pod, shape);
        }
        (pod, namespace)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn an_injection_keeps_what_the_user_wrote_and_is_done_once((pod, namespace) in start()) {
        let first = outcome(&pod, &namespace);
        prop_assert_ne!(first.reason, Reason::InternalSelfCheck, "{:?}", first.fault);
        prop_assert_eq!(first.patch.is_some(), first.reason == Reason::Inject);
        let Some(patch) = first.patch else { return Ok(()) };
        check_injected(&patch.patched, &options())?;
        prop_assert_eq!(without_ours(&patch.patched), meaning(&pod));
        prop_assert_eq!(outcome(&patch.patched, &namespace).reason, Reason::AlreadyInjected);
    }

    #[test]
    fn damage_by_others_is_mended((pod, namespace) in start(), damages in prop::collection::vec(damage(), 1..5)) {
        let Some(patch) = outcome(&pod, &namespace).patch else { return Ok(()) };
        let mut damaged = patch.patched;
        for damage in &damages {
            apply_damage(&mut damaged, damage);
        }
        // Without annotation and container nothing says that volumes of our names are not somebody's own.
        prop_assume!(ours::status(Pod(&damaged)).is_some());
        let again = outcome(&damaged, &namespace);
        prop_assert!(matches!(again.reason, Reason::Repair | Reason::AlreadyInjected), "{:?} {:?}", again.reason, again.fault);
        let mended = again.patch.map_or_else(|| damaged.clone(), |patch| patch.patched);
        check_injected(&mended, &options())?;
        prop_assert_eq!(outcome(&mended, &namespace).reason, Reason::AlreadyInjected);
    }
}
