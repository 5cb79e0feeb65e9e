use std::collections::BTreeMap;

use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::{Api, ListParams, ObjectMeta, PostParams};
use serde_json::json;

use super::*;

async fn make_namespace(client: &kube::Client, name: &str, labels: &[(&str, &str)]) {
    let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let metadata = ObjectMeta { name: Some(name.to_owned()), labels: Some(labels), ..ObjectMeta::default() };
    let namespace = Namespace { metadata, ..Namespace::default() };
    Api::all(client.clone()).create(&PostParams::default(), &namespace).await.unwrap();
}

fn pod(name: &str) -> Pod {
    let pod = json!({ "metadata": { "name": name }, "spec": { "containers": [{ "name": "main", "image": "main:1" }] } });
    serde_json::from_value(pod).unwrap()
}

async fn identity(client: &kube::Client) -> (String, Vec<String>) {
    let review = Api::all(client.clone()).create(&PostParams::default(), &SelfSubjectReview::default()).await.unwrap();
    let user = review.status.unwrap().user_info.unwrap();
    (user.username.unwrap(), user.groups.unwrap())
}

#[tokio::test]
async fn a_pod_is_checked_defaulted_and_stored() {
    let client = Kubernetes::shared().await.unwrap().admin().client().await.unwrap();
    make_namespace(&client, "stored", &[]).await;
    make_namespace(&client, "restricted", &[("pod-security.kubernetes.io/enforce", "restricted")]).await;

    let pods = Api::<Pod>::namespaced(client.clone(), "stored");
    pods.create(&PostParams::default(), &pod("one")).await.unwrap();
    let stored = pods.get("one").await.unwrap();
    assert_eq!(stored.spec.unwrap().restart_policy.as_deref(), Some("Always"));

    let refused = Api::<Pod>::namespaced(client, "restricted").create(&PostParams::default(), &pod("one")).await;
    let refusal = refused.unwrap_err().to_string();
    assert!(refusal.contains("violates PodSecurity"), "{refusal}");
}

#[tokio::test]
async fn a_user_is_known_and_may_do_what_its_group_may() {
    let kubernetes = Kubernetes::shared().await.unwrap();
    let admin = kubernetes.admin().client().await.unwrap();
    make_namespace(&admin, "readers", &[]).await;
    let client = kubernetes.user("ann", "readers").unwrap().client().await.unwrap();
    let (name, groups) = identity(&client).await;
    assert_eq!(name, "ann");
    assert!(groups.contains(&"readers".to_owned()), "{groups:?}");

    let secrets = Api::<Secret>::namespaced(client, "readers");
    let refused = secrets.list(&ListParams::default()).await.unwrap_err();
    assert!(matches!(&refused, kube::Error::Api(status) if status.code == 403), "{refused}");
    let role = json!({
        "metadata": { "name": "readers" },
        "rules": [{ "apiGroups": [""], "resources": ["secrets"], "verbs": ["list"] }],
    });
    let binding = json!({
        "metadata": { "name": "readers" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "readers" },
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "readers" }],
    });
    let role: Role = serde_json::from_value(role).unwrap();
    let binding: RoleBinding = serde_json::from_value(binding).unwrap();
    Api::namespaced(admin.clone(), "readers").create(&PostParams::default(), &role).await.unwrap();
    Api::namespaced(admin, "readers").create(&PostParams::default(), &binding).await.unwrap();
    // The authorizer follows bindings with a watch.
    let start = Instant::now();
    while let Err(error) = secrets.list(&ListParams::default()).await {
        assert!(start.elapsed() < START_DEADLINE, "the binding has no effect: {error}");
        tokio::time::sleep(POLL).await;
    }
}

#[tokio::test]
async fn a_service_account_is_known_by_its_token() {
    let kubernetes = Kubernetes::shared().await.unwrap();
    let admin = kubernetes.admin().client().await.unwrap();
    make_namespace(&admin, "accounts", &[]).await;
    let metadata = ObjectMeta { name: Some("runner".to_owned()), ..ObjectMeta::default() };
    let account = ServiceAccount { metadata, ..ServiceAccount::default() };
    Api::namespaced(admin, "accounts").create(&PostParams::default(), &account).await.unwrap();
    let client = kubernetes.service_account("accounts", "runner").await.unwrap().client().await.unwrap();
    let (name, groups) = identity(&client).await;
    assert_eq!(name, "system:serviceaccount:accounts:runner");
    assert!(groups.contains(&"system:serviceaccounts:accounts".to_owned()), "{groups:?}");
}

#[tokio::test]
async fn what_was_stored_outlives_the_server() {
    let mut kubernetes = Kubernetes::start().await.unwrap();
    let client = kubernetes.admin().client().await.unwrap();
    make_namespace(&client, "kept", &[]).await;
    let maps = Api::<ConfigMap>::namespaced(client, "kept");
    let metadata = ObjectMeta { name: Some("one".to_owned()), ..ObjectMeta::default() };
    let data = BTreeMap::from([("word".to_owned(), "kept".to_owned())]);
    let map = ConfigMap { metadata, data: Some(data.clone()), ..ConfigMap::default() };
    maps.create(&PostParams::default(), &map).await.unwrap();

    kubernetes.stop().await.unwrap();
    assert!(maps.get("one").await.is_err(), "a server that was stopped answers");
    assert!(kubernetes.start_again().await.is_ok());
    assert_eq!(maps.get("one").await.unwrap().data, Some(data.clone()));

    kubernetes.kill().unwrap();
    kubernetes.start_again().await.unwrap();
    assert_eq!(maps.get("one").await.unwrap().data, Some(data));
}
