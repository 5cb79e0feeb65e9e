//! The webhook configuration: whether its entries call the injector, and in which pods' stead.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use serde_json::Value;

use super::Names;
use super::finding::Finding;
use crate::names::INJECT_LABEL;
use crate::pod::{list, name, text};
use crate::read::Read;
use crate::server::PATH;

/// Code of the configuration itself.
pub const CODE: &str = "webhook_configuration";

/// There is no configuration.
pub fn absent(configuration: &str) -> Finding {
    let words = format!("there is no MutatingWebhookConfiguration {configuration}, so no pod gets a sidecar");
    Finding::fail(CODE, words, "apply the manifests of the injector, or name another one with --webhook-configuration")
}

/// What is thought of a configuration.
pub fn judge(configuration: &Value, names: &Names) -> Vec<Finding> {
    let webhooks = list(configuration, "webhooks");
    if webhooks.is_empty() {
        let words = format!("MutatingWebhookConfiguration {} has no webhooks", names.configuration);
        return vec![Finding::fail(CODE, words, "apply the manifests of the injector again")];
    }
    let mut findings = vec![Finding::ok(CODE, format!("MutatingWebhookConfiguration {} is there", names.configuration))];
    for webhook in webhooks {
        let about = [Some(target(webhook, names)), Some(failure_policy(webhook)), selector(webhook)];
        findings.extend(about.into_iter().flatten().map(|finding| finding.of(name(webhook))));
    }
    findings
}

fn target(webhook: &Value, names: &Names) -> Finding {
    const CODE: &str = "webhook_target";
    let text = |pointer: &str| webhook.pointer(pointer).and_then(Value::as_str);
    let wanted = (names.namespace.as_str(), names.service.as_str());
    let again = format!(
        "apply the manifests again, or say where the injector is with --namespace and --service (now {}/{})",
        wanted.0, wanted.1
    );
    let path = match (text("/clientConfig/service/namespace").zip(text("/clientConfig/service/name")), text("/clientConfig/url"))
    {
        (Some(service), _) if service == wanted => text("/clientConfig/service/path").unwrap_or("/").to_owned(),
        (Some((namespace, name)), _) => {
            return Finding::fail(CODE, format!("it calls the Service {namespace}/{name}, not the injector's"), again);
        }
        (None, Some(url)) => match url.parse::<hyper::Uri>() {
            Ok(url) => url.path().to_owned(),
            Err(error) => return Finding::fail(CODE, format!("its url cannot be read: {error}"), again),
        },
        (None, None) => return Finding::fail(CODE, "it names no Service and no url", again),
    };
    if path != PATH {
        return Finding::fail(CODE, format!("it calls the path {path}, and reviews are answered at {PATH}"), again);
    }
    match text("/clientConfig/url") {
        Some(url) => {
            Finding::warn(CODE, format!("it calls {url}, and not the Service"), "right for an injector outside the cluster")
        }
        None => Finding::ok(CODE, format!("it calls the Service {}/{} at {PATH}", names.namespace, names.service)),
    }
}

fn failure_policy(webhook: &Value) -> Finding {
    const CODE: &str = "failure_policy";
    match text(webhook, "failurePolicy") {
        Some("Ignore") => Finding::ok(CODE, "pods are made also when the injector does not answer"),
        _ => Finding::warn(CODE, "no pod can be made while the injector does not answer", "set failurePolicy: Ignore"),
    }
}

fn selector(webhook: &Value) -> Option<Finding> {
    let selector = webhook.get("namespaceSelector").unwrap_or(&Value::Null);
    let by_value = selector.get("matchLabels").and_then(|labels| labels.get(INJECT_LABEL)).is_some();
    if by_value || list(selector, "matchExpressions").iter().any(|wanted| text(wanted, "key") == Some(INJECT_LABEL)) {
        return None;
    }
    let words =
        format!("its namespaceSelector does not ask for the label {INJECT_LABEL}, so other namespaces decide than are told here");
    Some(Finding::warn("namespace_selector", words, "apply the manifests again"))
}

/// The Service that entries call.
pub fn of_service(service: &Read<Service>, names: &Names) -> Finding {
    const CODE: &str = "service";
    let name = format!("{}/{}", names.namespace, names.service);
    match service {
        Read::Found(_) => Finding::ok(CODE, format!("the Service {name} is there")),
        Read::Absent => Finding::fail(CODE, format!("there is no Service {name}"), "apply the manifests of the injector"),
        Read::Forbidden => Finding::unknown(CODE, format!("you may not read the Service {name}")),
    }
}

/// The replicas behind the Service that are ready.
pub fn of_replicas(slices: &Read<Vec<EndpointSlice>>, names: &Names) -> Finding {
    const CODE: &str = "replicas";
    let name = format!("{}/{}", names.namespace, names.service);
    let Read::Found(slices) = slices else {
        return Finding::unknown(CODE, format!("you may not read which replicas are behind the Service {name}"));
    };
    let endpoints = slices.iter().flat_map(|slice| slice.endpoints.iter().flatten());
    // One that does not say otherwise is ready; an address in two families is one replica.
    let is_ready = |ready: Option<bool>| ready.unwrap_or(true);
    let ready: BTreeSet<&str> = endpoints
        .filter(|endpoint| is_ready(endpoint.conditions.as_ref().and_then(|conditions| conditions.ready)))
        .map(|endpoint| {
            let pod = endpoint.target_ref.as_ref().and_then(|target| target.name.as_deref());
            pod.or_else(|| endpoint.addresses.first().map(String::as_str)).unwrap_or_default()
        })
        .collect();
    match ready.len() {
        0 => Finding::fail(
            CODE,
            format!("no replica behind the Service {name} is ready, so no pod gets a sidecar"),
            format!("kubectl -n {} get pods; their logs say what they wait for", names.namespace),
        ),
        1 => Finding::warn(
            CODE,
            format!("one replica behind the Service {name} is ready"),
            "with two no pod is missed while one is replaced",
        ),
        more => Finding::ok(CODE, format!("{more} replicas behind the Service {name} are ready")),
    }
}
