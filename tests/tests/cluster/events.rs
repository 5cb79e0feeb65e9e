//! What somebody who looks at a Job sees of its pods.

use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, ListParams, PostParams};
use serde_json::json;

use crate::ground::{Ground, eventually, from_json, is_injected, step};

const TOLD: &str = "agentcomms_injector_events_total";
const DROPPED: &str = "agentcomms_injector_events_dropped_total";

#[tokio::test]
async fn the_owner_of_pods_has_one_event_of_each_kind_and_none_of_a_dry_run() {
    let ground = Ground::new("noticed").await;
    let replica = ground.serve(&[]).await;
    let events = Api::<Event>::namespaced(ground.client.clone(), &ground.steps());
    assert_eq!(events.list(&ListParams::default()).await.unwrap().items, [], "a dry run left an event");

    let pods = ground.pods(&ground.steps());
    for number in 0..5 {
        let pod = pods.create(&PostParams::default(), &step(&format!("crawl-{number}"))).await.unwrap();
        assert!(is_injected(&pod));
    }
    let mut windows = serde_json::to_value(step("windows")).unwrap();
    windows["spec"]["os"] = json!({ "name": "windows" });
    let pod = pods.create(&PostParams::default(), &from_json(windows)).await.unwrap();
    assert!(!is_injected(&pod));
    eventually("six notices were heard", async || replica.metric(TOLD).await + replica.metric(DROPPED).await == 6).await;

    let found = events.list(&ListParams::default()).await.unwrap().items;
    let mut told: Vec<_> = found.iter().map(|event| (event.type_.as_deref(), event.reason.as_deref())).collect();
    told.sort_unstable();
    assert_eq!(told, [(Some("Normal"), Some("SidecarInjected")), (Some("Warning"), Some("SidecarSkipped"))]);
    for event in &found {
        let owner = event.regarding.as_ref().unwrap();
        assert_eq!((owner.kind.as_deref(), owner.name.as_deref()), (Some("Job"), Some("crawl")));
        assert_eq!(owner.uid.as_deref(), Some("0b5c8a52-8f2a-4c8e-9a39-3c2f3c1a6d10"));
    }
    replica.end().await;
}
