//! Where pods are in the objects of manifests, and how a template of Argo is seen as a pod.

use serde_json::{Map, Value, json};

use crate::misfit;
use crate::ours;
use crate::pod::{self, list, text};
use crate::runtime::{Runtime, manifest};

/// Argo's name for the container of a template that does not name it.
const MAIN: &str = "main";
/// Kinds whose pods serve and do not end: no step of a workflow is in them.
const SERVICES: [&str; 5] = ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController"];

/// What is known of an object.
pub enum Found {
    /// It holds pods of steps, or templates of them.
    Places(Vec<Place>),
    /// It holds pods that are no steps.
    Service,
    /// It holds no pods.
    Other,
}

/// One pod in an object, by JSON pointers.
pub enum Place {
    /// Metadata and specification, as the API has them.
    Pod {
        /// Where they are.
        pointer: String,
        /// Whose steps they are.
        runtime: &'static dyn Runtime,
    },
    /// A template of a workflow.
    Template {
        /// Where it is.
        pointer: String,
        /// Where the workflow's specification is.
        workflow: String,
    },
}

/// Looks for the pods of an object.
#[must_use]
pub fn find(object: &Value) -> Found {
    let api = text(object, "apiVersion").unwrap_or_default();
    let kind = text(object, "kind").unwrap_or_default();
    let group = api.split_once('/').map_or("", |(group, _)| group);
    let pod = |pointer: &str, runtime| Found::Places(vec![Place::Pod { pointer: pointer.to_owned(), runtime }]);
    match (group, kind) {
        ("", "Pod") => pod("", manifest::POD),
        ("batch", "Job") => pod("/spec/template", of_job(object, "/spec")),
        ("batch", "CronJob") => pod("/spec/jobTemplate/spec/template", of_job(object, "/spec/jobTemplate/spec")),
        ("argoproj.io", "Workflow" | "WorkflowTemplate" | "ClusterWorkflowTemplate") => Found::Places(templates(object, "/spec")),
        ("argoproj.io", "CronWorkflow") => Found::Places(templates(object, "/spec/workflowSpec")),
        ("" | "apps", kind) if SERVICES.contains(&kind) => Found::Service,
        _ => Found::Other,
    }
}

fn of_job(object: &Value, specification: &str) -> &'static dyn Runtime {
    let is_indexed = object.pointer(specification).and_then(|spec| text(spec, "completionMode")) == Some("Indexed");
    if is_indexed { manifest::INDEXED_JOB } else { manifest::JOB }
}

/// Every template of a workflow that runs containers of the user's, also those that stand inside steps and tasks.
fn templates(object: &Value, workflow: &str) -> Vec<Place> {
    let mut pointers: Vec<String> = Vec::new();
    let named = format!("{workflow}/templates");
    for index in 0..object.pointer(&named).and_then(Value::as_array).map_or(0, Vec::len) {
        descend(object, &format!("{named}/{index}"), &mut pointers);
    }
    pointers.into_iter().map(|pointer| Place::Template { pointer, workflow: workflow.to_owned() }).collect()
}

fn descend(object: &Value, pointer: &str, found: &mut Vec<String>) {
    let Some(template) = object.pointer(pointer) else { return };
    if ["container", "script", "containerSet"].iter().any(|key| template.get(key).is_some_and(Value::is_object)) {
        found.push(pointer.to_owned());
    }
    for (group, steps) in list(template, "steps").iter().enumerate() {
        for step in 0..steps.as_array().map_or(0, Vec::len) {
            descend(object, &format!("{pointer}/steps/{group}/{step}/inline"), found);
        }
    }
    let tasks = template.get("dag").map_or(0, |dag| list(dag, "tasks").len());
    for task in 0..tasks {
        descend(object, &format!("{pointer}/dag/tasks/{task}/inline"), found);
    }
}

impl Place {
    /// Whose steps they are.
    #[must_use]
    pub fn runtime(&self) -> &'static dyn Runtime {
        match self {
            Self::Pod { runtime, .. } => *runtime,
            Self::Template { .. } => manifest::WORKFLOW,
        }
    }

    /// The name of the template, where there are several pods in one object.
    #[must_use]
    pub fn name(&self, object: &Value) -> Option<String> {
        match self {
            Self::Pod { .. } => None,
            Self::Template { pointer, .. } => {
                let named = object.pointer(pointer).and_then(|template| text(template, "name"));
                Some(named.map_or_else(|| pointer.trim_start_matches('/').replace('/', "."), str::to_owned))
            }
        }
    }

    /// The pod: metadata and specification.
    #[must_use]
    pub fn pod(&self, object: &Value) -> Value {
        match self {
            Self::Pod { pointer, .. } => {
                let mut pod = object.pointer(pointer).cloned().unwrap_or_default();
                // A template may have no metadata, and what is added needs it.
                if let Some(pod) = pod.as_object_mut()
                    && !pod.get("metadata").is_some_and(Value::is_object)
                {
                    pod.insert("metadata".to_owned(), json!({}));
                }
                pod
            }
            Self::Template { pointer, workflow } => {
                let nothing = Value::Null;
                let template = object.pointer(pointer).unwrap_or(&nothing);
                pod_of_template(template, object.pointer(workflow).unwrap_or(&nothing))
            }
        }
    }

    /// The path of the first field that has another type than Kubernetes or Argo gives it, as the manifest has it.
    #[must_use]
    pub fn misfit(&self, object: &Value) -> Option<String> {
        let at = |pointer: &str| object.pointer(pointer).unwrap_or(&Value::Null);
        let (pointer, inside) = match self {
            Self::Pod { pointer, .. } => (pointer, misfit::of_pod(at(pointer))?),
            Self::Template { pointer, workflow } => (pointer, misfit::of_template(at(pointer), at(workflow))?),
        };
        let path = pointer.trim_start_matches('/').replace('/', ".");
        Some(if path.is_empty() { inside } else { format!("{path}.{inside}") })
    }

    /// Puts the pod back, with what was changed in it.
    pub fn put(&self, object: &mut Value, pod: Value) {
        match self {
            Self::Pod { pointer, .. } => {
                if let Some(place) = object.pointer_mut(pointer) {
                    let is_empty = |place: &Value| place.get("metadata").and_then(Value::as_object).is_some_and(Map::is_empty);
                    let was_empty = is_empty(place);
                    *place = pod;
                    if !was_empty && is_empty(place) {
                        remove(place, "metadata");
                    }
                }
            }
            Self::Template { pointer, .. } => {
                if let Some(template) = object.pointer_mut(pointer) {
                    put_into_template(template, pod);
                }
            }
        }
    }
}

/// The pod that Argo would make of a template, as far as the sidecar is concerned: what comes from the workflow counts, and
/// Argo's own containers and volumes are left out.
fn pod_of_template(template: &Value, workflow: &Value) -> Value {
    let mut metadata = Map::new();
    for key in ["labels", "annotations"] {
        let mut merged = Map::new();
        for source in [workflow.get("podMetadata"), template.get("metadata")] {
            let entries = source.and_then(|source| source.get(key)).and_then(Value::as_object);
            merged.extend(entries.into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())));
        }
        if !merged.is_empty() {
            metadata.insert(key.to_owned(), Value::Object(merged));
        }
    }
    let mut spec = Map::new();
    let sidecars = list(template, "sidecars").iter().cloned();
    spec.insert("containers".to_owned(), main_containers(template).into_iter().chain(sidecars).collect());
    spec.insert("restartPolicy".to_owned(), json!("Never"));
    if !list(template, "initContainers").is_empty() {
        spec.insert("initContainers".to_owned(), template["initContainers"].clone());
    }
    let mut volumes: Vec<Value> = list(template, "volumes").to_vec();
    volumes.extend(list(workflow, "volumes").iter().cloned());
    for claim in list(workflow, "volumeClaimTemplates") {
        let name = claim.pointer("/metadata/name").cloned().unwrap_or_default();
        volumes.push(json!({ "name": name, "persistentVolumeClaim": { "claimName": name } }));
    }
    if !volumes.is_empty() {
        spec.insert("volumes".to_owned(), Value::Array(volumes));
    }
    for key in ["securityContext", "nodeSelector", "hostNetwork"] {
        if let Some(value) = template.get(key).or_else(|| workflow.get(key)) {
            spec.insert(key.to_owned(), value.clone());
        }
    }
    json!({ "metadata": metadata, "spec": spec })
}

/// The containers that run the template's work, in order.
fn main_containers(template: &Value) -> Vec<Value> {
    let sole = ["container", "script"].iter().find_map(|key| template.get(key).filter(|container| container.is_object()));
    match sole {
        Some(container) => {
            let mut container = container.clone();
            if pod::name(&container).is_empty() {
                container["name"] = json!(MAIN);
            }
            vec![container]
        }
        None => template.get("containerSet").map_or_else(Vec::new, |set| list(set, "containers").to_vec()),
    }
}

fn put_into_template(template: &mut Value, mut pod: Value) {
    let status = pod::Pod(&pod).annotation(crate::names::STATUS_ANNOTATION).map(str::to_owned);
    put_status(template, status.as_deref());
    let Some(Value::Array(mut containers)) = pod.pointer_mut("/spec/containers").map(Value::take) else { return };
    let sidecars = containers.split_off(main_containers(template).len());
    for key in ["container", "script"] {
        let Some(place) = template.get_mut(key).filter(|container| container.is_object()) else { continue };
        let was_named = !pod::name(place).is_empty();
        *place = containers.remove(0);
        if !was_named {
            remove(place, "name");
        }
        break;
    }
    if let Some(set) = template.get_mut("containerSet").filter(|_| !containers.is_empty()) {
        set["containers"] = Value::Array(containers);
    }
    put_list(template, "sidecars", sidecars);
    put_list(template, "initContainers", list(&pod["spec"], "initContainers").to_vec());
    // The workflow's own volumes stay where they are.
    let own: Vec<&str> = list(template, "volumes").iter().map(pod::name).collect();
    let volumes = list(&pod["spec"], "volumes").iter();
    let volumes = volumes.filter(|volume| ours::is_volume(volume) || own.contains(&pod::name(volume))).cloned().collect();
    put_list(template, "volumes", volumes);
}

fn remove(value: &mut Value, key: &str) {
    if let Some(object) = value.as_object_mut() {
        object.shift_remove(key);
    }
}

fn put_list(template: &mut Value, key: &str, list: Vec<Value>) {
    let Some(template) = template.as_object_mut() else { return };
    if list.is_empty() {
        if template.get(key).is_some_and(|old| old.as_array().is_some_and(|old| !old.is_empty())) {
            template.shift_remove(key);
        }
    } else {
        template.insert(key.to_owned(), Value::Array(list));
    }
}

/// Sets or takes away the status annotation; maps that become empty go too.
fn put_status(template: &mut Value, status: Option<&str>) {
    let Some(template) = template.as_object_mut() else { return };
    let name = crate::names::STATUS_ANNOTATION;
    if let Some(status) = status {
        let metadata = template.entry("metadata").or_insert_with(|| json!({}));
        if !metadata.is_object() {
            *metadata = json!({});
        }
        if !metadata.get("annotations").is_some_and(Value::is_object) {
            metadata["annotations"] = json!({});
        }
        metadata["annotations"][name] = json!(status);
        return;
    }
    let Some(metadata) = template.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut)
        && annotations.shift_remove(name).is_some()
        && annotations.is_empty()
    {
        metadata.shift_remove("annotations");
        if metadata.is_empty() {
            template.shift_remove("metadata");
        }
    }
}
