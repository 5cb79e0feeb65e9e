//! Brings a pod to what its plan says, in JSON patch operations.
//!
//! Invariants:
//! - what the user wrote is neither changed nor removed, the runtime's switch and the prefix of a wrapped command excepted;
//! - only `add`, `replace` and `remove` of our own elements; no `test`, which would reject the pod where it fails;
//! - what is right already is left alone, also where the API server or another webhook added to it, so that a second round makes no operation.

mod check;
mod editor;
mod mend;

use serde_json::{Value, json};

pub use check::{Fault, verify};
pub use editor::Operation;

use crate::names::{SIDECAR, STATUS_ANNOTATION, WRAPPER};
use crate::options::Options;
use crate::ours;
use crate::plan::{self, Plan, Step};
use crate::pod::{self, Pod, list, text};
use editor::Editor;

/// The operations, and the pod after them.
#[derive(Debug)]
pub struct Patch {
    /// What to answer.
    pub operations: Vec<Operation>,
    /// What the pod then is.
    pub patched: Value,
    /// Where something stands that is not what belongs there, so that nothing could be added to it.
    pub misplaced: Option<String>,
}

/// Makes the operations that bring `pod` to `plan`; none where it is there already.
#[must_use]
pub fn make(pod: &Value, plan: &Plan, options: &Options) -> Option<Patch> {
    let mut editor = Editor::new(pod);
    for key in ["containers", "initContainers"] {
        for index in 0..list(editor.document().get("spec").unwrap_or(&Value::Null), key).len() {
            let path = format!("/spec/{key}/{index}");
            let step =
                plan.steps.iter().find(|step| step.is_init == (key == "initContainers") && step.name == editor.name_at(&path));
            if let Some(step) = step {
                add_to_step(&mut editor, &path, step);
            }
        }
    }
    add_volumes(&mut editor, &plan.volumes);
    place_containers(&mut editor, plan, options);
    tell_status(&mut editor, &plan.status);
    let (patched, operations, misplaced) = editor.finish()?;
    Some(Patch { operations, patched, misplaced })
}

fn add_to_step(editor: &mut Editor<'_>, path: &str, step: &Step) {
    let missing: Vec<Value> =
        step.variables.iter().filter(|variable| !has_variable(editor.at(path), pod::name(variable))).cloned().collect();
    // In front, so that the user's own variables may refer to them.
    editor.insert(path, "env", 0, missing);
    if let Some(switch) = step.switch {
        set_switch(editor, path, switch);
    }
    for mount in &step.mounts {
        mend_mount(editor, path, mount);
    }
    if step.is_wrapped && !ours::is_wrapped(editor.at(path)) {
        editor.insert(path, "command", 0, WRAPPER.iter().map(|word| json!(word)).collect());
    }
}

fn has_variable(container: &Value, name: &str) -> bool {
    list(container, "env").iter().any(|entry| pod::name(entry) == name)
}

fn set_switch(editor: &mut Editor<'_>, path: &str, switch: &str) {
    if !has_variable(editor.at(path), switch) {
        editor.insert(path, "env", 0, vec![json!({ "name": switch, "value": "true" })]);
        return;
    }
    for index in 0..list(editor.at(path), "env").len() {
        let entry = &list(editor.at(path), "env")[index];
        // One that takes its value from elsewhere may not have another.
        if pod::name(entry) == switch && text(entry, "value") != Some("true") && entry.get("valueFrom").is_none() {
            // The container runtime takes the last one of a name; all say the same then.
            editor.set(&format!("{path}/env/{index}"), "value", json!("true"));
        }
    }
}

fn mend_mount(editor: &mut Editor<'_>, path: &str, mount: &Value) {
    let is_same = |other: &Value| ours::is_mount(other) && pod::name(other) == pod::name(mount);
    let found: Vec<usize> = indexes(list(editor.at(path), "volumeMounts"), is_same);
    let Some((first, repeated)) = found.split_first() else {
        let end = list(editor.at(path), "volumeMounts").len();
        editor.insert(path, "volumeMounts", end, vec![mount.clone()]);
        return;
    };
    for index in repeated.iter().rev() {
        editor.remove(&format!("{path}/volumeMounts/{index}"));
    }
    let place = format!("{path}/volumeMounts/{first}");
    if !mend::covers(editor.at(&place), mount) {
        editor.replace(&place, mount.clone());
    }
}

fn add_volumes(editor: &mut Editor<'_>, volumes: &[Value]) {
    let mut missing = Vec::new();
    for volume in volumes {
        let found = indexes(list(editor.at("/spec"), "volumes"), |other| pod::name(other) == pod::name(volume));
        let Some((first, repeated)) = found.split_first() else {
            missing.push(volume.clone());
            continue;
        };
        for index in repeated.iter().rev() {
            editor.remove(&format!("/spec/volumes/{index}"));
        }
        let place = format!("/spec/volumes/{first}");
        if !mend::is_same_volume(editor.at(&place), volume) {
            editor.replace(&place, volume.clone());
        }
    }
    let end = list(editor.at("/spec"), "volumes").len();
    editor.insert("/spec", "volumes", end, missing);
}

/// Sidecar and init container, one of each, mended, at their place.
fn place_containers(editor: &mut Editor<'_>, plan: &Plan, options: &Options) {
    let wanted: Vec<&Value> = std::iter::once(&plan.sidecar).chain(&plan.installer).collect();
    for index in indexes(list(editor.at("/spec"), "containers"), ours::is_container).into_iter().rev() {
        editor.remove(&format!("/spec/containers/{index}"));
    }
    let present = list(editor.at("/spec"), "initContainers");
    let found = indexes(present, ours::is_container);
    let mended: Vec<Value> = wanted
        .iter()
        .map(|wanted| {
            let current = present.iter().find(|container| pod::name(container) == pod::name(wanted));
            current.map_or_else(|| (*wanted).clone(), |current| mend::container(current, wanted))
        })
        .collect();
    let place = plan::position(present.iter().filter(|container| !ours::is_container(container)), options);
    let names = found.iter().map(|index| pod::name(&present[*index]));
    let in_place =
        found.iter().copied().eq(place..place + wanted.len()) && names.eq(wanted.iter().map(|container| pod::name(container)));
    if in_place {
        for (index, container) in (place..).zip(mended) {
            let path = format!("/spec/initContainers/{index}");
            if *editor.at(&path) != container {
                editor.replace(&path, container);
            }
        }
        return;
    }
    for index in found.into_iter().rev() {
        editor.remove(&format!("/spec/initContainers/{index}"));
    }
    editor.insert("/spec", "initContainers", place, mended);
}

fn tell_status(editor: &mut Editor<'_>, status: &str) {
    if Pod(editor.document()).annotation(STATUS_ANNOTATION) == Some(status) {
        return;
    }
    editor.set_in("/metadata", "annotations", STATUS_ANNOTATION, json!(status));
}

fn indexes(list: &[Value], is_wanted: impl Fn(&Value) -> bool) -> Vec<usize> {
    list.iter().enumerate().filter(|(_, element)| is_wanted(element)).map(|(index, _)| index).collect()
}

/// Whether a pod holds the sidecar where the kubelet runs it.
#[must_use]
pub fn has_sidecar(pod: Pod<'_>) -> bool {
    pod.init_containers().iter().any(|container| pod::name(container) == SIDECAR && pod::is_native_sidecar(container))
}
