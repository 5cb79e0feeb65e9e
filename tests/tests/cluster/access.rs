//! What the manifests let the injector do: all that it does, and nothing beside.

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::api::{Api, DynamicObject, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use neighbours::Kubernetes;
use serde_json::{Value, json};

use crate::ground::{Ground, eventually, is_injected, step};
use crate::misses::enable;

const MANIFEST: &str = include_str!("../../../manifests/injector/rbac.yaml");
const NAMESPACE: &str = "agent-comms";

/// Applies the manifest as `kubectl apply --namespace agent-comms` would.
async fn install(client: &kube::Client) {
    for document in MANIFEST.split("\n---\n") {
        let document: Value = serde_saphyr::from_str(document).unwrap();
        let (group, version) = document["apiVersion"].as_str().unwrap().rsplit_once('/').unwrap_or(("", "v1"));
        let kind = document["kind"].as_str().unwrap().to_owned();
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &kind));
        let api: Api<DynamicObject> = if kind.starts_with("Cluster") {
            Api::all_with(client.clone(), &resource)
        } else {
            Api::namespaced_with(client.clone(), NAMESPACE, &resource)
        };
        api.create(&PostParams::default(), &serde_json::from_value(document).unwrap()).await.unwrap();
    }
}

/// A verb on a resource of a group, with a name or none, in a namespace or in all.
pub type Attempt = (&'static str, &'static str, &'static str, &'static str, &'static str);

/// Whether somebody may do it.
pub async fn may(client: &kube::Client, (verb, group, resource, name, namespace): Attempt) -> bool {
    let text = |text: &str| Some(text.to_owned());
    let attributes = ResourceAttributes {
        verb: text(verb),
        group: text(group),
        resource: text(resource),
        name: text(name),
        namespace: text(namespace),
        ..ResourceAttributes::default()
    };
    let spec = SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..SelfSubjectAccessReviewSpec::default() };
    let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
    Api::all(client.clone()).create(&PostParams::default(), &review).await.unwrap().status.unwrap().allowed
}

#[tokio::test]
async fn the_injector_does_its_work_with_what_the_manifests_grant() {
    let kubernetes = Kubernetes::start().await.unwrap();
    let ground = Ground::installed(&kubernetes, "granted", install).await;
    let replica = ground.serve(&[]).await;
    let pod = ground.pods(&ground.steps()).create(&PostParams::default(), &step("crawl")).await.unwrap();
    assert!(is_injected(&pod));
    eventually("an event is told", async || replica.metric("agentcomms_injector_events_total").await == 1).await;
    eventually("all jobs were listed", async || replica.metric("agentcomms_injector_job_lists_total").await == 1).await;
    let right = ground.bundles().await;
    ground.overwrite_bundle(0, "").await;
    eventually("the caBundle is right again", async || ground.bundles().await == right).await;

    ground.make_namespace("granted-missed", &json!({})).await;
    enable(&ground, "granted-missed").await;
    ground.pods("granted-missed").create(&PostParams::default(), &step("missed")).await.unwrap();
    eventually("the miss is counted", async || replica.metric("agentcomms_injector_misses_total").await == 1).await;
    eventually("the miss is told", async || replica.metric("agentcomms_injector_events_total").await == 2).await;

    let account = ground.account().client().await.unwrap();
    let forbidden: [Attempt; 19] = [
        ("get", "", "secrets", "another", NAMESPACE),
        ("list", "", "secrets", "", NAMESPACE),
        ("delete", "", "secrets", "agent-comms-injector-certificate", NAMESPACE),
        ("get", "", "secrets", "agent-comms-injector-certificate", "granted-steps"),
        ("create", "", "secrets", "", "granted-steps"),
        ("patch", "admissionregistration.k8s.io", "mutatingwebhookconfigurations", "another", ""),
        ("delete", "admissionregistration.k8s.io", "mutatingwebhookconfigurations", "agent-comms-injector", ""),
        ("create", "admissionregistration.k8s.io", "mutatingwebhookconfigurations", "", ""),
        ("delete", "", "pods", "", "granted-steps"),
        ("create", "", "pods", "", "granted-steps"),
        ("patch", "", "pods", "", "granted-steps"),
        ("create", "", "pods/exec", "", "granted-steps"),
        ("get", "", "namespaces", "", "granted-steps"),
        ("get", "batch", "jobs", "", "granted-steps"),
        ("create", "", "events", "", "granted-steps"),
        ("patch", "events.k8s.io", "events", "", "granted-steps"),
        ("list", "", "nodes", "", ""),
        ("patch", "batch", "jobs", "", "granted-steps"),
        ("get", "", "configmaps", "", NAMESPACE),
    ];
    for attempt in forbidden {
        assert!(!may(&account, attempt).await, "the manifests grant {attempt:?}");
    }
    assert!(may(&account, ("get", "", "secrets", "agent-comms-injector-certificate", NAMESPACE)).await);
    replica.end().await;
}
