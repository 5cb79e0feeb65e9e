//! A read-only look at a pod as it came over the wire.
//!
//! Pods stay `serde_json::Value`: a typed model drops the fields it does not know, and a newer API server knows more than we do.
//! Every accessor is total: what is absent, null or of another type reads as empty.

use serde_json::Value;

/// A container that keeps running beside the others, told by its restart policy in `initContainers`.
const ALWAYS: &str = "Always";

/// Borrowed view of one pod.
#[derive(Clone, Copy, Debug)]
pub struct Pod<'a>(pub &'a Value);

/// The object that controls a pod, or another object in its chain of owners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Kind, such as `Job`.
    pub kind: String,
    /// Name in the pod's namespace.
    pub name: String,
    /// Uid.
    pub uid: String,
}

impl<'a> Pod<'a> {
    /// The value of a label.
    #[must_use]
    pub fn label(self, key: &str) -> Option<&'a str> {
        self.0.get("metadata")?.get("labels")?.get(key)?.as_str()
    }

    /// The value of an annotation.
    #[must_use]
    pub fn annotation(self, key: &str) -> Option<&'a str> {
        self.0.get("metadata")?.get("annotations")?.get(key)?.as_str()
    }

    /// A text field of the metadata, such as `name`; empty counts as absent.
    #[must_use]
    pub fn metadata(self, key: &str) -> Option<&'a str> {
        self.0.get("metadata")?.get(key)?.as_str().filter(|text| !text.is_empty())
    }

    /// The specification, null when absent.
    #[must_use]
    pub fn spec(self) -> &'a Value {
        self.0.get("spec").unwrap_or(&Value::Null)
    }

    /// Regular containers.
    #[must_use]
    pub fn containers(self) -> &'a [Value] {
        list(self.spec(), "containers")
    }

    /// Init containers, native sidecars included.
    #[must_use]
    pub fn init_containers(self) -> &'a [Value] {
        list(self.spec(), "initContainers")
    }

    /// Init and regular containers, in the order in which they start.
    pub fn all_containers(self) -> impl Iterator<Item = &'a Value> {
        self.init_containers().iter().chain(self.containers())
    }

    /// Volumes.
    #[must_use]
    pub fn volumes(self) -> &'a [Value] {
        list(self.spec(), "volumes")
    }

    /// The reference to the controlling owner, else the first one.
    #[must_use]
    pub fn owner_reference(self) -> Option<&'a Value> {
        let owners = list(self.0.get("metadata")?, "ownerReferences");
        let controller = owners.iter().find(|owner| owner.get("controller") == Some(&Value::Bool(true)));
        controller.or_else(|| owners.first())
    }

    /// The controlling owner, else the first one.
    #[must_use]
    pub fn owner(self) -> Option<Owner> {
        let owner = self.owner_reference()?;
        Some(Owner {
            kind: text(owner, "kind")?.to_owned(),
            name: text(owner, "name")?.to_owned(),
            uid: text(owner, "uid")?.to_owned(),
        })
    }
}

/// The elements of a list, empty when it is absent or something else.
#[must_use]
pub fn list<'a>(parent: &'a Value, key: &str) -> &'a [Value] {
    parent.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A text field.
#[must_use]
pub fn text<'a>(parent: &'a Value, key: &str) -> Option<&'a str> {
    parent.get(key)?.as_str()
}

/// The name of a container or volume, empty when it has none.
#[must_use]
pub fn name(element: &Value) -> &str {
    text(element, "name").unwrap_or_default()
}

/// The words of `command`, those that are text.
#[must_use]
pub fn command(container: &Value) -> Vec<&str> {
    list(container, "command").iter().filter_map(Value::as_str).collect()
}

/// Whether an init container is a native sidecar.
#[must_use]
pub fn is_native_sidecar(container: &Value) -> bool {
    text(container, "restartPolicy") == Some(ALWAYS)
}
