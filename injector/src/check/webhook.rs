//! The webhook configuration: whether its entries call the injector, and in which pods' stead.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use serde_json::Value;

use super::Names;
use super::code::Code;
use super::finding::Finding;
use crate::names::INJECT_LABEL;
use crate::pod::{list, name, text};
use crate::read::Read;
use crate::server::PATH;

/// There is no configuration.
pub fn absent(configuration: &str) -> Finding {
    let words = format!("there is no MutatingWebhookConfiguration {configuration}, so no pod gets a sidecar");
    Finding::fail(
        Code::WebhookConfiguration,
        words,
        "apply the manifests of the injector, or name another one with --webhook-configuration",
    )
}

/// What is thought of a configuration.
pub fn judge(configuration: &Value, names: &Names) -> Vec<Finding> {
    let webhooks = list(configuration, "webhooks");
    if webhooks.is_empty() {
        let words = format!("MutatingWebhookConfiguration {} has no webhooks", names.configuration);
        return vec![Finding::fail(Code::WebhookConfiguration, words, "apply the manifests of the injector again")];
    }
    let mut findings =
        vec![Finding::ok(Code::WebhookConfiguration, format!("MutatingWebhookConfiguration {} is there", names.configuration))];
    for webhook in webhooks {
        let about = [Some(target(webhook, names)), Some(rules(webhook)), Some(failure_policy(webhook)), selector(webhook)];
        findings.extend(about.into_iter().flatten().map(|finding| finding.of(name(webhook))));
    }
    findings
}

fn target(webhook: &Value, names: &Names) -> Finding {
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
            return Finding::fail(
                Code::WebhookTarget,
                format!("it calls the Service {namespace}/{name}, not the injector's"),
                again,
            );
        }
        (None, Some(url)) => match url.parse::<hyper::Uri>() {
            Ok(url) => url.path().to_owned(),
            Err(error) => return Finding::fail(Code::WebhookTarget, format!("its url cannot be read: {error}"), again),
        },
        (None, None) => return Finding::fail(Code::WebhookTarget, "it names no Service and no url", again),
    };
    if path != PATH {
        return Finding::fail(
            Code::WebhookTarget,
            format!("it calls the path {path}, and reviews are answered at {PATH}"),
            again,
        );
    }
    match text("/clientConfig/url") {
        Some(url) => Finding::warn(
            Code::WebhookTarget,
            format!("it calls {url}, and not the Service"),
            "right for an injector outside the cluster",
        ),
        None => Finding::ok(Code::WebhookTarget, format!("it calls the Service {}/{} at {PATH}", names.namespace, names.service)),
    }
}

fn rules(webhook: &Value) -> Finding {
    let again = "apply the manifests again";
    let has = |rule: &Value, key: &str, wanted: &str| {
        list(rule, key).iter().filter_map(Value::as_str).any(|value| value == wanted || value == "*")
    };
    let is_ours = |rule: &Value| {
        has(rule, "operations", "CREATE")
            && has(rule, "resources", "pods")
            && has(rule, "apiGroups", "")
            && has(rule, "apiVersions", "v1")
    };
    if !list(webhook, "rules").iter().any(is_ours) {
        return Finding::fail(Code::WebhookRules, "its rules do not call it when pods are made, so none gets a sidecar", again);
    }
    match text(webhook, "reinvocationPolicy") {
        Some("IfNeeded") => Finding::ok(Code::WebhookRules, "it is called when pods are made, and again when others change them"),
        _ => Finding::warn(
            Code::WebhookRules,
            "it is called once, so what other webhooks then do to the sidecar is not mended",
            "set reinvocationPolicy: IfNeeded",
        ),
    }
}

fn failure_policy(webhook: &Value) -> Finding {
    match text(webhook, "failurePolicy") {
        Some("Ignore") => Finding::ok(Code::FailurePolicy, "pods are made also when the injector does not answer"),
        _ => Finding::warn(
            Code::FailurePolicy,
            "no pod can be made while the injector does not answer",
            "set failurePolicy: Ignore",
        ),
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
    Some(Finding::warn(Code::NamespaceSelector, words, "apply the manifests again"))
}

/// The Service that entries call.
pub fn of_service(service: &Read<Service>, names: &Names) -> Finding {
    let name = format!("{}/{}", names.namespace, names.service);
    match service {
        Read::Found(_) => Finding::ok(Code::Service, format!("the Service {name} is there")),
        Read::Absent => {
            Finding::fail(Code::Service, format!("there is no Service {name}"), "apply the manifests of the injector")
        }
        Read::Forbidden => Finding::unknown(Code::Service, format!("you may not read the Service {name}")),
    }
}

/// The replicas behind the Service that are ready.
pub fn of_replicas(slices: &Read<Vec<EndpointSlice>>, names: &Names) -> Finding {
    let name = format!("{}/{}", names.namespace, names.service);
    let Read::Found(slices) = slices else {
        return Finding::unknown(Code::Replicas, format!("you may not read which replicas are behind the Service {name}"));
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
            Code::Replicas,
            format!("no replica behind the Service {name} is ready, so no pod gets a sidecar"),
            format!("kubectl -n {} get pods; their logs say what they wait for", names.namespace),
        ),
        1 => Finding::warn(
            Code::Replicas,
            format!("one replica behind the Service {name} is ready"),
            "with two no pod is missed while one is replaced",
        ),
        more => Finding::ok(Code::Replicas, format!("{more} replicas behind the Service {name} are ready")),
    }
}
