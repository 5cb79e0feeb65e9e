//! `check` on an installation that is right, then on what becomes of it, and for somebody who may read little.

use clap::Parser as _;
use injector::check;
use injector::check::finding::{Finding, Level, exit_code};
use injector::cli::{Cli, Command};
use k8s_openapi::api::core::v1::{LimitRange, Namespace, Node, Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use neighbours::Kubernetes;
use neighbours::kubernetes::Access;
use serde_json::{Value, json};

use crate::access::may;
use crate::ground::{Ground, eventually, from_json, step};
use crate::misses::enable;

/// What is not right: code, level and object of each.
type Unhappy<'a> = Vec<(&'a str, Level, Option<&'a str>)>;

async fn look(ground: &Ground, user: &Access) -> anyhow::Result<Vec<Finding>> {
    look_with(ground, user, "certificate").await
}

/// The same where sidecars tell NATS with this who they are.
async fn look_with(ground: &Ground, user: &Access, nats_auth: &str) -> anyhow::Result<Vec<Finding>> {
    let kubeconfig = user.kubeconfig().to_str().unwrap();
    let words = ["injector", "check", "--kubeconfig", kubeconfig, "--namespace", ground.name];
    let more = ["--webhook-configuration", ground.name, "--nats-auth", nats_auth];
    let Command::Check(arguments) = Cli::parse_from(words.iter().chain(&more)).command else { panic!("this is no `check`") };
    check::look(*arguments).await
}

fn unhappy(findings: &[Finding]) -> Unhappy<'_> {
    let unhappy = findings.iter().filter(|finding| finding.level != Level::Ok);
    unhappy.map(|finding| (finding.code, finding.level, finding.object.as_deref())).collect()
}

fn words<'a>(findings: &'a [Finding], code: &str) -> &'a str {
    &findings.iter().find(|finding| finding.code == code).unwrap_or_else(|| panic!("{code} is not told: {findings:#?}")).words
}

async fn make_node(ground: &Ground, name: &str, kubelet: &str) {
    let info = json!({
        "kubeletVersion": kubelet, "architecture": "", "bootID": "", "containerRuntimeVersion": "", "kernelVersion": "",
        "kubeProxyVersion": "", "machineID": "", "operatingSystem": "", "osImage": "", "systemUUID": "",
    });
    let nodes = Api::<Node>::all(ground.client.clone());
    let node = serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap();
    nodes.create(&PostParams::default(), &node).await.unwrap();
    let status = json!({ "status": { "nodeInfo": info } });
    nodes.patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
}

/// The Secret that `credentials` makes.
async fn make_credentials(ground: &Ground, namespace: &str) {
    let made = rcgen::generate_simple_self_signed(vec!["steps.publisher".to_owned()]).unwrap();
    let data = json!({ "tls.crt": made.cert.pem(), "tls.key": made.signing_key.serialize_pem() });
    let secret: Secret =
        serde_json::from_value(json!({ "metadata": { "name": "agent-comms-nats" }, "stringData": data })).unwrap();
    Api::namespaced(ground.client.clone(), namespace).create(&PostParams::default(), &secret).await.unwrap();
}

async fn label(ground: &Ground, namespace: &str, value: &str) {
    let labels = json!({ "metadata": { "labels": { "agent-comms.dev/inject": value } } });
    let namespaces = Api::<Namespace>::all(ground.client.clone());
    namespaces.patch(namespace, &PatchParams::default(), &Patch::Merge(labels)).await.unwrap();
}

#[tokio::test]
async fn what_is_wrong_is_told_with_what_to_do() {
    let kubernetes = Kubernetes::start().await.unwrap();
    let ground = Ground::of(&kubernetes, "checked").await;
    let steps = ground.steps();
    let admin = ground.account();
    let findings = look(&ground, admin).await.unwrap();
    let absent = ("webhook_configuration", Level::Fail, None);
    assert_eq!(unhappy(&findings), [absent, ("namespaces", Level::Warn, None)]);

    let replica = ground.serve(&[]).await;
    make_node(&ground, "new", "v1.36.2").await;
    enable(&ground, &steps).await;
    make_credentials(&ground, &steps).await;
    ground.pods(&steps).create(&PostParams::default(), &step("injected")).await.unwrap();
    let entry = Some("replica-0.agent-comms.dev");
    let by_url: Unhappy<'_> = vec![("webhook_target", Level::Warn, entry), ("namespace_selector", Level::Warn, entry)];
    let findings = look(&ground, admin).await.unwrap();
    assert_eq!((unhappy(&findings), exit_code(&findings)), (by_url.clone(), 0), "{findings:#?}");
    let place = format!("a handshake with localhost:{} shows", replica.address.port());
    let same = format!("{place} the certificate that the Secret checked/agent-comms-injector-certificate has");
    assert_eq!(words(&findings, "served"), same);
    assert_eq!(words(&findings, "ca_bundle"), format!("its caBundle verifies the certificate that {place}"));
    assert_eq!(words(&findings, "namespaces"), format!("1 enabled: {steps}"));
    assert_eq!(words(&findings, "misses"), "every pod that should have a sidecar has one");

    // Somebody who may read the configuration alone: the certificate comes from a handshake.
    let reader = kubernetes.user("reader", "readers").unwrap();
    grant(&ground, &reader, "admissionregistration.k8s.io", "mutatingwebhookconfigurations").await;
    let findings = look(&ground, &reader).await.unwrap();
    let unknown = [("nodes", Level::Unknown, None), ("namespaces", Level::Unknown, None)];
    assert_eq!((unhappy(&findings), exit_code(&findings)), ([by_url.clone(), unknown.to_vec()].concat(), 0));
    assert_eq!(words(&findings, "served"), format!("{place} a certificate"));
    assert_eq!(words(&findings, "ca_bundle"), format!("its caBundle verifies the certificate that {place}"));
    grant(&ground, &reader, "", "namespaces").await;
    let findings = look(&ground, &reader).await.unwrap();
    let unknown = ["nodes", "pod_label", "limit_range", "credentials", "misses"].map(|code| (code, Level::Unknown, None));
    assert_eq!(unhappy(&findings), [by_url.clone(), unknown.to_vec()].concat());
    let stranger = kubernetes.user("stranger", "strangers").unwrap();
    let unknown = ["webhook_configuration", "nodes", "namespaces"].map(|code| (code, Level::Unknown, None));
    assert_eq!(unhappy(&look(&ground, &stranger).await.unwrap()), unknown);

    replica.end().await;
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap().cert.pem();
    ground.overwrite_bundle(0, &base64(&other)).await;
    ground.pods(&steps).create(&PostParams::default(), &step("missed")).await.unwrap();
    make_node(&ground, "old", "v1.28.15").await;
    ground.make_namespace("checked-more", &json!({})).await;
    label(&ground, "checked-more", "true").await;
    let mut asking = serde_json::to_value(step("asking")).unwrap();
    asking["metadata"]["labels"] = json!({ "agent-comms.dev/inject": "enabled" });
    ground.pods("checked-more").create(&PostParams::default(), &from_json(asking)).await.unwrap();
    let range =
        json!({ "metadata": { "name": "all" }, "spec": { "limits": [{ "type": "Container", "min": { "memory": "1Gi" } }] } });
    let range: LimitRange = serde_json::from_value(range).unwrap();
    Api::namespaced(ground.client.clone(), &steps).create(&PostParams::default(), &range).await.unwrap();
    let secrets = Api::<Secret>::namespaced(ground.client.clone(), &steps);
    secrets.delete("agent-comms-nats", &DeleteParams::default()).await.unwrap();
    let findings = look(&ground, admin).await.unwrap();
    let mut expected = by_url;
    expected.extend([
        ("served", Level::Unknown, entry),
        ("ca_bundle", Level::Fail, entry),
        ("nodes", Level::Fail, None),
        ("namespace_label", Level::Warn, Some("checked-more")),
        ("pod_label", Level::Warn, None),
        ("limit_range", Level::Fail, Some(steps.as_str())),
        ("credentials", Level::Fail, Some(steps.as_str())),
        ("misses", Level::Warn, None),
    ]);
    assert_eq!((unhappy(&findings), exit_code(&findings)), (expected, 3), "{findings:#?}");
    assert!(words(&findings, "misses").contains(&format!(": {steps}/missed")), "{findings:#?}");

    let findings = look_with(&ground, admin, "token").await.unwrap();
    assert!(words(&findings, "credentials").contains("no namespace needs a Secret"), "{findings:#?}");

    check_service(&ground, admin).await;

    // The bundle is to be judged also where nothing answers.
    let findings = look(&ground, &reader).await.unwrap();
    let of_bundle = findings.iter().find(|finding| finding.code == "ca_bundle").unwrap();
    assert_eq!(of_bundle.level, Level::Unknown);
    assert!(of_bundle.words.contains("you may not read the Secret") && of_bundle.words.contains("no handshake"), "{of_bundle:?}");
    assert!(words(&findings, "served").starts_with("not verified from here: no handshake with localhost:"), "{findings:#?}");
    drop(kubernetes);
    assert!(look(&ground, admin).await.is_err(), "a cluster that is gone was looked at");
}

/// An entry that calls the Service, as in a cluster: the Service is to be there, and replicas behind it.
async fn check_service(ground: &Ground, admin: &Access) {
    let service = json!({ "namespace": ground.name, "name": "agent-comms-injector", "path": "/mutate", "port": 443 });
    let before = ground.configurations().get(ground.name).await.unwrap().data["webhooks"][0]["clientConfig"].clone();
    let set = async |config: &Value| {
        let patch = json!([{ "op": "replace", "path": "/webhooks/0/clientConfig", "value": config }]);
        let patch: Patch<Value> = Patch::Json(serde_json::from_value(patch).unwrap());
        ground.configurations().patch(ground.name, &PatchParams::default(), &patch).await.unwrap();
    };
    let levels = async || {
        let findings = look(ground, admin).await.unwrap();
        let level = |code| findings.iter().find(|finding: &&Finding| finding.code == code).map(|finding| finding.level);
        (level("webhook_target").unwrap(), level("service").unwrap(), level("replicas"))
    };
    set(&json!({ "service": service, "caBundle": before["caBundle"] })).await;
    assert_eq!(levels().await, (Level::Ok, Level::Fail, None));
    let service = json!({ "metadata": { "name": "agent-comms-injector" }, "spec": { "ports": [{ "port": 443 }] } });
    let service: Service = serde_json::from_value(service).unwrap();
    Api::namespaced(ground.client.clone(), ground.name).create(&PostParams::default(), &service).await.unwrap();
    assert_eq!(levels().await, (Level::Ok, Level::Ok, Some(Level::Fail)));
    let endpoint = |address: &str, ready: bool| json!({ "addresses": [address], "conditions": { "ready": ready } });
    for (name, ready, expected) in [("a", true, Level::Warn), ("b", false, Level::Warn), ("c", true, Level::Ok)] {
        let labels = json!({ "kubernetes.io/service-name": "agent-comms-injector" });
        let slice = json!({
            "metadata": { "name": name, "labels": labels }, "addressType": "FQDN", "ports": [],
            "endpoints": [endpoint(&format!("{name}.example"), ready)],
        });
        let slice: EndpointSlice = serde_json::from_value(slice).unwrap();
        Api::namespaced(ground.client.clone(), ground.name).create(&PostParams::default(), &slice).await.unwrap();
        assert_eq!(levels().await, (Level::Ok, Level::Ok, Some(expected)), "after {name}");
    }
    set(&before).await;
}

/// Lets the readers read a resource in all namespaces, and waits until they may.
async fn grant(ground: &Ground, reader: &Access, api_group: &'static str, resource: &'static str) {
    use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
    let rules = json!([{ "apiGroups": [api_group], "resources": [resource], "verbs": ["get", "list"] }]);
    let role: ClusterRole = serde_json::from_value(json!({ "metadata": { "name": resource }, "rules": rules })).unwrap();
    Api::all(ground.client.clone()).create(&PostParams::default(), &role).await.unwrap();
    let binding: Value = json!({
        "metadata": { "name": resource },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": resource },
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "readers" }],
    });
    let binding: ClusterRoleBinding = serde_json::from_value(binding).unwrap();
    Api::all(ground.client.clone()).create(&PostParams::default(), &binding).await.unwrap();
    let reader = reader.client().await.unwrap();
    eventually("the readers may read", async || may(&reader, ("list", api_group, resource, "", "")).await).await;
}

fn base64(text: &str) -> String {
    use ::base64::Engine as _;
    ::base64::engine::general_purpose::STANDARD.encode(text)
}
