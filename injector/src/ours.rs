//! What in a pod is ours: known by the status annotation or, where that was lost, by the sidecar's marker.
//!
//! Taking ours away gives back the pod as the user made it. The plan is always made from that pod, so that the second look at a pod
//! comes to the same plan as the first, whatever others did in between.

use serde_json::Value;

use crate::meaning::meaning;
use crate::names::{
    BIN_VOLUME, INSTALLER, LOGS, LOGS_VARIABLE, MARKER_VARIABLE, RUN_DIR, RUN_VOLUME, SIDECAR, SOCKET, SOCKET_VARIABLE,
    STATUS_ANNOTATION, VOLUMES, WRAPPER,
};
use crate::paths;
use crate::pod::{self, Pod, list, text};
use crate::runtime;
use crate::status::Status;

/// What is known of an earlier injection; none when there was none.
#[must_use]
pub fn status(pod: Pod<'_>) -> Option<Status> {
    let told = pod.annotation(STATUS_ANNOTATION).map(|text| Status::parse(text).unwrap_or_default());
    let marked = |container: &&Value| {
        pod::name(container) == SIDECAR && list(container, "env").iter().any(|entry| pod::name(entry) == MARKER_VARIABLE)
    };
    told.or_else(|| pod.all_containers().find(marked).map(|_| Status::default()))
}

/// Whether a container is ours, in a pod that was injected.
#[must_use]
pub fn is_container(container: &Value) -> bool {
    [SIDECAR, INSTALLER].contains(&pod::name(container))
}

/// Whether a volume is ours, in a pod that was injected.
#[must_use]
pub fn is_volume(volume: &Value) -> bool {
    VOLUMES.contains(&pod::name(volume))
}

/// Whether a mount of a user's container is ours.
#[must_use]
pub fn is_mount(mount: &Value) -> bool {
    let place = text(mount, "mountPath").unwrap_or_default();
    match pod::name(mount) {
        RUN_VOLUME => paths::same(place, RUN_DIR),
        BIN_VOLUME => paths::same(place, crate::names::BIN_DIR),
        _ => false,
    }
}

/// Whether a variable of a user's container is ours.
#[must_use]
pub fn is_variable(entry: &Value) -> bool {
    let value = text(entry, "value");
    match pod::name(entry) {
        SOCKET_VARIABLE => value == Some(SOCKET),
        LOGS_VARIABLE => value == Some(LOGS),
        _ => false,
    }
}

/// Whether a container's command has our prefix.
#[must_use]
pub fn is_wrapped(container: &Value) -> bool {
    let command = list(container, "command");
    command.len() >= WRAPPER.len() && command.iter().zip(WRAPPER).all(|(word, ours)| word.as_str() == Some(ours))
}

/// What a pod means without what is ours in it.
#[must_use]
pub fn rest(pod: &Value) -> Value {
    status(Pod(pod)).map_or_else(|| meaning(pod), |status| meaning(&without(pod.clone(), &status)))
}

/// Takes away everything that is ours. Lists that become empty go too, since an empty one and none mean the same.
#[must_use]
pub fn without(mut pod: Value, status: &Status) -> Value {
    let switch = runtime::of(Pod(&pod)).and_then(runtime::Runtime::switch);
    if let Some(annotations) = pod.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.shift_remove(STATUS_ANNOTATION);
        let is_empty = annotations.is_empty();
        if let Some(metadata) = pod.get_mut("metadata").and_then(Value::as_object_mut).filter(|_| is_empty) {
            metadata.shift_remove("annotations");
        }
    }
    let Some(spec) = pod.get_mut("spec") else { return pod };
    retain(spec, "volumes", |volume| !is_volume(volume));
    for key in ["initContainers", "containers"] {
        retain(spec, key, |container| !is_container(container));
        for container in spec.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten() {
            retain(container, "volumeMounts", |mount| !is_mount(mount));
            retain(container, "env", |entry| !is_variable(entry));
            while is_wrapped(container) {
                if let Some(command) = container.get_mut("command").and_then(Value::as_array_mut) {
                    command.drain(..WRAPPER.len());
                }
            }
            if let Some((switch, before)) = switch.zip(status.switched.get(pod::name(container))) {
                put_back(container, switch, before.as_deref());
            }
        }
    }
    pod
}

fn put_back(container: &mut Value, switch: &str, before: Option<&str>) {
    let Some(before) = before else {
        retain(container, "env", |entry| pod::name(entry) != switch);
        return;
    };
    for entry in container.get_mut("env").and_then(Value::as_array_mut).into_iter().flatten() {
        if pod::name(entry) == switch && text(entry, "value") == Some("true") {
            entry["value"] = Value::String(before.to_owned());
        }
    }
}

fn retain(parent: &mut Value, key: &str, keep: impl Fn(&Value) -> bool) {
    let Some(list) = parent.get_mut(key).and_then(Value::as_array_mut) else { return };
    let before = list.len();
    list.retain(keep);
    if before > 0
        && list.is_empty()
        && let Some(parent) = parent.as_object_mut()
    {
        parent.shift_remove(key);
    }
}
