//! Whether a pod has the types of Kubernetes wherever it is read or added to. An API server sends no other pod; a manifest may
//! hold anything, and what is added beside a value of another type would be lost or in nobody's way to use.
//!
//! It judges no values: what the API server refuses for its own reasons, it tells in its own words.

use serde_json::Value;

use crate::pod::{list, text};

/// What a field is to be. Null stands for its absence, as it does to the API server.
#[derive(Clone, Copy)]
enum Kind {
    Object,
    Objects,
    Texts,
    /// An object whose values are text.
    TextMap,
}

use Kind::{Object, Objects, TextMap, Texts};

const POD: [(&str, Kind); 2] = [("metadata", Object), ("spec", Object)];
const METADATA: [(&str, Kind); 3] = [("labels", TextMap), ("annotations", TextMap), ("ownerReferences", Objects)];
const SPEC: [(&str, Kind); 3] = [("containers", Objects), ("initContainers", Objects), ("volumes", Objects)];
const CONTAINER: [(&str, Kind); 5] =
    [("command", Texts), ("args", Texts), ("env", Objects), ("volumeMounts", Objects), ("volumeDevices", Objects)];

/// A template of Argo's, and what its pods get from the workflow.
const TEMPLATE: [(&str, Kind); 4] =
    [("metadata", Object), ("sidecars", Objects), ("initContainers", Objects), ("volumes", Objects)];
const WORKFLOW: [(&str, Kind); 3] = [("podMetadata", Object), ("volumes", Objects), ("volumeClaimTemplates", Objects)];

/// The path of the first field that has another type, such as `spec.containers[0].env`, or of a list or a name that must be
/// there and is not; none where there is no such field.
#[must_use]
pub fn of_pod(pod: &Value) -> Option<String> {
    let look = || {
        fields(pod, &POD)?;
        within(pod, "metadata", |metadata| fields(metadata, &METADATA))?;
        within(pod, "spec", |spec| {
            fields(spec, &SPEC)?;
            if list(spec, "containers").is_empty() {
                return Err("containers".to_owned());
            }
            containers(spec, "containers")?;
            containers(spec, "initContainers")
        })
    };
    look().err()
}

/// The same of a template of a workflow, by the names that Argo has for its fields.
#[must_use]
pub fn of_template(template: &Value, workflow: &Value) -> Option<String> {
    let look = || {
        fields(workflow, &WORKFLOW)?;
        within(workflow, "podMetadata", |metadata| fields(metadata, &METADATA))?;
        fields(template, &TEMPLATE)?;
        within(template, "metadata", |metadata| fields(metadata, &METADATA))?;
        for key in ["container", "script"] {
            within(template, key, |container| fields(container, &CONTAINER))?;
        }
        within(template, "containerSet", |set| {
            fields(set, &[("containers", Objects)])?;
            containers(set, "containers")
        })?;
        containers(template, "sidecars")?;
        containers(template, "initContainers")
    };
    look().err()
}

fn containers(parent: &Value, key: &str) -> Result<(), String> {
    for (index, container) in list(parent, key).iter().enumerate() {
        let is_named = text(container, "name").is_some_and(|name| !name.is_empty());
        let found = if is_named { fields(container, &CONTAINER) } else { Err("name".to_owned()) };
        found.map_err(|inside| format!("{key}[{index}].{inside}"))?;
    }
    Ok(())
}

fn within(parent: &Value, key: &str, look: impl FnOnce(&Value) -> Result<(), String>) -> Result<(), String> {
    look(parent.get(key).unwrap_or(&Value::Null)).map_err(|inside| format!("{key}.{inside}"))
}

fn fields(parent: &Value, known: &[(&str, Kind)]) -> Result<(), String> {
    for (key, kind) in known {
        match parent.get(key) {
            None | Some(Value::Null) => {}
            Some(value) => of_kind(value, *kind).map_err(|inside| format!("{key}{inside}"))?,
        }
    }
    Ok(())
}

fn of_kind(value: &Value, kind: Kind) -> Result<(), String> {
    let here = || Err(String::new());
    let elements = |is_right: fn(&Value) -> bool| match value {
        Value::Array(list) => {
            list.iter().position(|element| !is_right(element)).map_or(Ok(()), |index| Err(format!("[{index}]")))
        }
        _ => here(),
    };
    match kind {
        Object if value.is_object() => Ok(()),
        Object => here(),
        Objects => elements(Value::is_object),
        Texts => elements(Value::is_string),
        TextMap => match value {
            Value::Object(map) => match map.iter().find(|(_, value)| !(value.is_string() || value.is_null())) {
                Some((key, _)) => Err(format!("['{key}']")),
                None => Ok(()),
            },
            _ => here(),
        },
    }
}

#[cfg(test)]
mod tests;
