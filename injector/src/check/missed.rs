//! Pods of enabled namespaces that should have a sidecar and have none, found as the injector itself finds them.

use anyhow::Result;
use k8s_openapi::api::core::v1::Pod as ApiPod;
use kube::api::{Api, DynamicObject, ListParams};
use kube::core::ApiResource;

use super::code::Code;
use super::finding::Finding;
use super::namespaces::Enabled;
use crate::misses;
use crate::misses::book::is_suspect;
use crate::options::Options;
use crate::read::{Read, read};

/// Pods that are read whole in each namespace, the youngest: what was long ago helps nobody.
const READ: usize = 50;
/// Pods that are named.
const NAMED: usize = 5;

/// Looks through the pods of all enabled namespaces.
pub async fn look(client: &kube::Client, enabled: &[Enabled], options: &Options) -> Result<Finding> {
    let (mut missed, mut hidden) = (Vec::new(), Vec::new());
    for namespace in enabled {
        match in_namespace(client, namespace, options).await? {
            Some(names) => missed.extend(names),
            None => hidden.push(namespace.name.as_str()),
        }
    }
    let beside = if hidden.is_empty() { String::new() } else { format!("; you may not read the pods of: {}", hidden.join(", ")) };
    if !missed.is_empty() {
        let named = missed.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = if missed.len() > NAMED { ", ..." } else { "" };
        let were = if missed.len() == 1 { "pod was" } else { "pods were" };
        let words = format!("{} {were} made without a sidecar, though there should be one: {named}{more}{beside}", missed.len());
        let advice = "they stay as they are; if nothing else is wrong here, the injector was away when they were made";
        return Ok(Finding::warn(Code::Misses, words, advice));
    }
    Ok(match (enabled.is_empty(), hidden.is_empty()) {
        (true, _) => Finding::ok(Code::Misses, "no namespace is enabled, so none was missed"),
        (false, true) => Finding::ok(Code::Misses, "every pod that should have a sidecar has one"),
        (false, false) => Finding::unknown(Code::Misses, beside.trim_start_matches("; ").to_owned()),
    })
}

/// The missed pods of a namespace, as `NAMESPACE/NAME`; none where they may not be read.
async fn in_namespace(client: &kube::Client, namespace: &Enabled, options: &Options) -> Result<Option<Vec<String>>> {
    let pods = Api::<ApiPod>::namespaced(client.clone(), &namespace.name);
    let Read::Found(list) = read("list the pods of a namespace", pods.list_metadata(&ListParams::default())).await? else {
        return Ok(None);
    };
    let mut suspects: Vec<_> = list.items.into_iter().map(|pod| pod.metadata).collect();
    suspects.retain_mut(|metadata| is_suspect(metadata, namespace.since, options));
    suspects.sort_by(|a, b| b.creation_timestamp.cmp(&a.creation_timestamp));
    let whole = Api::<DynamicObject>::namespaced_with(client.clone(), &namespace.name, &ApiResource::erase::<ApiPod>(&()));
    let mut missed = Vec::new();
    for name in suspects.into_iter().take(READ).filter_map(|metadata| metadata.name) {
        match read("read a pod", whole.get(&name)).await? {
            Read::Found(pod) if misses::is_miss(&serde_json::to_value(&pod)?, &namespace.name, options) => {
                missed.push(format!("{}/{name}", namespace.name));
            }
            Read::Found(_) | Read::Absent => {}
            Read::Forbidden => return Ok(None),
        }
    }
    Ok(Some(missed))
}
