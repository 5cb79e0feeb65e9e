//! The patch's own check: a patch that does not apply, or a pod that the API server then refuses, would reject the user's pod, whatever the
//! failure policy says. So the patch is applied to a copy by other code than made it, and what comes out is looked at before anything is answered.

use std::collections::BTreeSet;

use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, PatchOperation, RemoveOperation, ReplaceOperation};
use serde_json::Value;

use super::{Operation, Patch};
use crate::ours;
use crate::paths;
use crate::pod::{self, Pod, list, text};

/// What is wrong with a patch.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// It is no patch, or cannot be applied.
    #[error("the patch does not apply: {0}")]
    Unapplied(String),
    /// What the user wrote is in the way. An API server sends no such pod, but a manifest may hold it.
    #[error("what is at {0} does not belong there")]
    Misplaced(String),
    /// It does something else than it was made for.
    #[error("the patched pod is not the one that was meant")]
    Different,
    /// A name appears twice.
    #[error("{what} `{name}` is there twice")]
    Repeated {
        /// What it names.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A mount names no volume.
    #[error("container `{container}` mounts volume `{volume}`, which is not there")]
    NoVolume {
        /// The container.
        container: String,
        /// The volume.
        volume: String,
    },
    /// The sidecar is not there, or would not run beside the steps.
    #[error("the sidecar is not there")]
    NoSidecar,
}

/// Applies the patch to the pod it was made for and checks what comes out.
pub fn verify(mut pod: Value, patch: &Patch) -> Result<(), Fault> {
    if let Some(place) = &patch.misplaced {
        return Err(Fault::Misplaced(place.clone()));
    }
    let operations = patch.operations.iter().map(foreign).collect::<Result<Vec<_>, _>>()?;
    // On an error the pod is thrown away, so nothing needs to be undone.
    json_patch::patch_unsafe(&mut pod, &operations).map_err(|error| Fault::Unapplied(error.to_string()))?;
    if pod != patch.patched {
        return Err(Fault::Different);
    }
    validate(Pod(&pod))
}

/// An operation as the library knows it.
fn foreign(operation: &Operation) -> Result<PatchOperation, Fault> {
    let pointer = |path: &str| PointerBuf::parse(path).map_err(|error| Fault::Unapplied(error.to_string()));
    Ok(match operation {
        Operation::Add { path, value } => PatchOperation::Add(AddOperation { path: pointer(path)?, value: value.clone() }),
        Operation::Replace { path, value } => {
            PatchOperation::Replace(ReplaceOperation { path: pointer(path)?, value: value.clone() })
        }
        Operation::Remove { path } => PatchOperation::Remove(RemoveOperation { path: pointer(path)? }),
    })
}

/// What the API server would refuse a pod for, as far as our additions could cause it. What was wrong before is not ours to judge.
fn validate(pod: Pod<'_>) -> Result<(), Fault> {
    if !super::has_sidecar(pod) {
        return Err(Fault::NoSidecar);
    }
    unique("container", pod.all_containers().filter(|container| ours::is_container(container)).map(pod::name))?;
    unique("volume", pod.volumes().iter().filter(|volume| ours::is_volume(volume)).map(pod::name))?;
    let volumes: BTreeSet<&str> = pod.volumes().iter().map(pod::name).collect();
    for container in pod.all_containers() {
        let is_ours = ours::is_container(container);
        let mounts = list(container, "volumeMounts");
        for mount in mounts.iter().filter(|mount| is_ours || ours::is_mount(mount)) {
            let volume = pod::name(mount);
            if !volumes.contains(volume) {
                return Err(Fault::NoVolume { container: pod::name(container).to_owned(), volume: volume.to_owned() });
            }
            let place = text(mount, "mountPath").unwrap_or_default();
            if mounts.iter().filter(|other| paths::same(text(other, "mountPath").unwrap_or_default(), place)).count() > 1 {
                return Err(Fault::Repeated { what: "mount", name: place.to_owned() });
            }
        }
    }
    Ok(())
}

fn unique<'a>(what: &'static str, names: impl Iterator<Item = &'a str>) -> Result<(), Fault> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(Fault::Repeated { what, name: name.to_owned() });
        }
    }
    Ok(())
}
