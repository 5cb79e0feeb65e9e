//! Pods that were made without the sidecar that they should have, while no injector was there or none was called.

use injector::namespaces::labelled_at;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use neighbours::Kubernetes;
use serde_json::{Value, json};

use crate::ground::{Ground, Replica, compact, eventually, from_json, is_injected, step};

const MISSES: &str = "agentcomms_injector_misses_total";
const LISTS: &str = "agentcomms_injector_pod_lists_total";

/// Labels a namespace, and waits until what is made then is later.
pub async fn enable(ground: &Ground, namespace: &str) {
    let namespaces = Api::<Namespace>::all(ground.client.clone());
    let labels = json!({ "metadata": { "labels": { "agent-comms.dev/inject": "enabled" } } });
    let labelled = namespaces.patch(namespace, &PatchParams::default(), &Patch::Merge(labels)).await.unwrap();
    wait_beyond(labelled_at(&labelled.metadata).expect("the API server keeps account of labels")).await;
}

/// What is made then is later, in the whole seconds that the API server tells.
async fn wait_beyond(time: Timestamp) {
    eventually("a second has passed", async || Timestamp::now().as_second() > time.as_second()).await;
}

/// Makes the webhook speak for other namespaces, and waits until pods of ours are made without it.
async fn divert(ground: &Ground, pods: &Api<DynamicObject>) {
    let selector = json!({ "matchLabels": { "test": "another" } });
    let patch = json!([{ "op": "replace", "path": "/webhooks/0/namespaceSelector", "value": selector },
                       { "op": "replace", "path": "/webhooks/1/namespaceSelector", "value": selector }]);
    let patch: Patch<Value> = Patch::Json(serde_json::from_value(patch).unwrap());
    ground.configurations().patch(ground.name, &PatchParams::default(), &patch).await.unwrap();
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    eventually("the webhook is not called", async || !is_injected(&pods.create(&dry_run, &step("probe")).await.unwrap())).await;
}

async fn make(pods: &Api<DynamicObject>, name: &str) -> DynamicObject {
    pods.create(&PostParams::default(), &step(name)).await.unwrap()
}

/// Every replica counts every miss.
async fn wait_for_misses(replicas: &[&Replica], expected: u64) {
    for replica in replicas {
        eventually("the misses are counted", async || replica.metric(MISSES).await >= expected).await;
        assert_eq!(replica.metric(MISSES).await, expected, "{}", replica.metrics().await);
    }
}

/// Kind and name of whom each event of a miss is about.
async fn told(ground: &Ground, namespace: &str) -> Vec<(String, String)> {
    let events = Api::<Event>::namespaced(ground.client.clone(), namespace).list(&ListParams::default()).await.unwrap().items;
    let missed = events.into_iter().filter(|event| event.reason.as_deref() == Some("SidecarMissed"));
    let mut told: Vec<_> = missed
        .map(|event| {
            assert_eq!(event.type_.as_deref(), Some("Warning"));
            let owner = event.regarding.unwrap();
            (owner.kind.unwrap(), owner.name.unwrap())
        })
        .collect();
    told.sort();
    told
}

#[tokio::test]
async fn a_missed_pod_is_counted_once_and_told_on_its_owner_and_left_alone() {
    let mut kubernetes = Kubernetes::start().await.unwrap();
    let ground = Ground::of(&kubernetes, "missed").await;
    let steps = ground.steps();
    let pods = ground.pods(&steps);
    make(&pods, "before-the-label").await;
    enable(&ground, &steps).await;
    let away = make(&pods, "away").await;
    let mut windows = serde_json::to_value(step("windows")).unwrap();
    windows["spec"]["os"] = json!({ "name": "windows" });
    pods.create(&PostParams::default(), &from_json(windows)).await.unwrap();
    let mut lone = serde_json::to_value(step("lone")).unwrap();
    lone["metadata"]["ownerReferences"] = json!([]);
    pods.create(&PostParams::default(), &from_json(lone.clone())).await.unwrap();
    lone["metadata"]["name"] = json!("asking");
    lone["metadata"]["labels"] = json!({ "agent-comms.dev/inject": "enabled" });
    pods.create(&PostParams::default(), &from_json(lone)).await.unwrap();

    let (first, second) = tokio::join!(ground.start(&[]), ground.start(&[]));
    let replicas = [&first, &second];
    ground.install(&replicas).await;
    ground.wait_until_called(&replicas).await;
    wait_for_misses(&replicas, 2).await;
    assert!(is_injected(&make(&pods, "injected").await));
    divert(&ground, &pods).await;
    wait_beyond(Timestamp::now()).await;
    make(&pods, "uncalled").await;
    wait_for_misses(&replicas, 3).await;
    let metrics = first.metrics().await;
    for expected in ["before_start\"} 2", "not_called\"} 1"] {
        assert!(metrics.contains(&format!("{MISSES}{{reason=\"{expected}")), "{metrics}");
    }

    let expected = [("Job".to_owned(), "crawl".to_owned()), ("Pod".to_owned(), "asking".to_owned())];
    eventually("both owners were told", async || told(&ground, &steps).await.len() >= 2).await;
    assert_eq!(told(&ground, &steps).await, expected, "two replicas told it twice");
    assert_eq!(pods.get("away").await.unwrap(), away, "a missed pod was touched");

    // Something newer than all pods, so that their watch cannot go on where it was.
    ground.make_namespace("missed-later", &json!({})).await;
    kubernetes.kill().unwrap();
    compact(&kubernetes).await;
    kubernetes.start_again().await.unwrap();
    make(&pods, "after").await;
    let later = ground.pods("missed-later");
    make(&later, "before-the-label").await;
    enable(&ground, "missed-later").await;
    make(&later, "after-the-label").await;
    for replica in replicas {
        eventually("pods were listed again", async || replica.metric(LISTS).await >= 2).await;
    }
    wait_for_misses(&replicas, 5).await;
    first.end().await;
    second.end().await;
}
