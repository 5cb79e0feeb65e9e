//! Namespaces that ask for sidecars by their label, and since when.

use k8s_openapi::jiff::Timestamp;
use kube::api::ObjectMeta;

use crate::names::INJECT_LABEL;

/// The webhook is never called for pods of these, whatever their labels say, nor for those of the injector's own namespace.
pub const EXCLUDED: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];
/// Where the label is in the list of fields that a manager owns; a slash in a JSON pointer is written so.
const OWNED_LABEL: &str = "/f:metadata/f:labels/f:agent-comms.dev~1inject";

/// What the label of a namespace says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Its pods go to the webhook.
    Enabled,
    /// They do not.
    Disabled,
    /// Nothing: they do not.
    Absent,
    /// A value that means nothing, so that they do not, though somebody may think so.
    Unknown(String),
}

/// What the label of a namespace says.
#[must_use]
pub fn wish(metadata: &ObjectMeta) -> Wish {
    match metadata.labels.as_ref().and_then(|labels| labels.get(INJECT_LABEL)).map(String::as_str) {
        None => Wish::Absent,
        Some("enabled") => Wish::Enabled,
        Some("disabled") => Wish::Disabled,
        Some(other) => Wish::Unknown(other.to_owned()),
    }
}

/// Whether the webhook is never called for a namespace's pods; `own` is that of the injector.
#[must_use]
pub fn is_excluded(name: &str, own: &str) -> bool {
    name == own || EXCLUDED.contains(&name)
}

/// When the label got its value, or some time after: whoever wrote the label may have changed another field since. None
/// where nobody keeps account of it.
#[must_use]
pub fn labelled_at(metadata: &ObjectMeta) -> Option<Timestamp> {
    let entries = metadata.managed_fields.iter().flatten();
    let owning = entries.filter(|entry| entry.fields_v1.as_ref().is_some_and(|fields| fields.0.pointer(OWNED_LABEL).is_some()));
    owning.filter_map(|entry| entry.time.as_ref().map(|time| time.0)).min()
}

#[cfg(test)]
mod tests;
