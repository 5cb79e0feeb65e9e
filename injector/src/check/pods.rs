//! Pods that ask for a sidecar by their label where nobody hears them.

use k8s_openapi::api::core::v1::Pod;
use kube::api::ObjectList;
use kube::core::PartialObjectMeta;

use super::code::Code;
use super::finding::Finding;
use super::namespaces::Enabled;
use crate::names::INJECT_LABEL;
use crate::read::Read;

/// Pods that are named.
const NAMED: usize = 5;

/// What is thought of the pods that have the label, by the namespaces that are enabled.
pub fn judge(asking: &Read<ObjectList<PartialObjectMeta<Pod>>>, enabled: &[Enabled]) -> Finding {
    let Read::Found(asking) = asking else {
        return Finding::unknown(Code::PodLabel, "you may not list the pods of all namespaces");
    };
    let is_heard = |namespace: &str| enabled.iter().any(|enabled| enabled.name == namespace);
    let places = asking.items.iter().map(|pod| (pod.metadata.namespace.as_deref(), pod.metadata.name.as_deref()));
    let places = places.map(|(namespace, name)| (namespace.unwrap_or_default(), name.unwrap_or_default()));
    let unheard: Vec<String> =
        places.filter(|(namespace, _)| !is_heard(namespace)).map(|(namespace, name)| format!("{namespace}/{name}")).collect();
    if unheard.is_empty() {
        return Finding::ok(Code::PodLabel, "no pod asks for a sidecar in a namespace that is not enabled");
    }
    let named = unheard.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = if unheard.len() > NAMED { ", ..." } else { "" };
    let pods = if unheard.len() == 1 { "1 pod asks".to_owned() } else { format!("{} pods ask", unheard.len()) };
    Finding::warn(
        Code::PodLabel,
        format!(
            "{pods} by the label {INJECT_LABEL} in a namespace that is not enabled, so the webhook never hears: {named}{more}"
        ),
        format!("kubectl label --overwrite namespace NAME {INJECT_LABEL}=enabled, and make the pods again"),
    )
}
