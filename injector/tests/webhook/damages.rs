//! What becomes of a sidecar in the hands of other webhooks.

use injector::names::{SIDECAR, STATUS_ANNOTATION, STEP_BINARY};
use injector::ours;
use injector::pod::{self, list};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use crate::shapes::{items, one, push};

/// What other webhooks do to a pod that has the sidecar.
#[derive(Clone, Debug)]
pub enum Damage {
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

/// Any damage.
pub fn damage() -> impl Strategy<Value = Damage> {
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

/// Does it.
pub fn apply(pod: &mut Value, damage: &Damage) {
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
            if let Some(command) = one(pod, *index)["command"]
                .as_array_mut()
                .filter(|command| command.first().is_some_and(|word| word == STEP_BINARY))
            {
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

fn sidecar(pod: &mut Value) -> Option<&mut Value> {
    items(pod, "initContainers").iter_mut().find(|container| pod::name(container) == SIDECAR)
}
