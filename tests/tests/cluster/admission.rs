//! What becomes of pods that are created through the API.

use k8s_openapi::api::core::v1::{LimitRange, ResourceQuota};
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::ground::{Ground, eventually, from_json, is_injected, step};

/// A pod whose fields are seldom used: some of them came after the models that are about.
fn unusual() -> Value {
    let mut pod = serde_json::to_value(step("unusual")).unwrap();
    pod["metadata"]["annotations"] = json!({ "example.org/with_a.slash": "kept" });
    pod["metadata"]["finalizers"] = json!(["batch.kubernetes.io/job-tracking"]);
    let spec = &mut pod["spec"];
    spec["schedulingGates"] = json!([{ "name": "example.org/gate" }]);
    spec["resourceClaims"] = json!([{ "name": "gpu", "resourceClaimTemplateName": "gpu" }]);
    spec["topologySpreadConstraints"] = json!([{
        "maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {}, "nodeTaintsPolicy": "Honor", "nodeAffinityPolicy": "Ignore",
    }]);
    spec["volumes"] = json!([
        { "name": "model", "image": { "reference": "model:1", "pullPolicy": "IfNotPresent" } },
        { "name": "work", "ephemeral": { "volumeClaimTemplate": { "spec": {
            "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } },
        } } } },
    ]);
    spec["initContainers"] = json!([
        { "name": "proxy", "image": "proxy:1", "restartPolicy": "Always", "startupProbe": { "exec": { "command": ["true"] } } },
        { "name": "prepare", "image": "prepare:1" },
    ]);
    spec["containers"][0]["volumeMounts"] = json!([
        { "name": "model", "mountPath": "/model", "readOnly": true, "recursiveReadOnly": "Disabled" },
        { "name": "work", "mountPath": "/work" },
    ]);
    spec["containers"][0]["resources"] = json!({ "claims": [{ "name": "gpu", "request": "one" }] });
    spec["containers"][0]["resizePolicy"] = json!([{ "resourceName": "cpu", "restartPolicy": "NotRequired" }]);
    pod
}

/// Everything in `before` is in `after`: elements of a list are found by their name, and follow each other as they did.
fn check_kept(before: &Value, after: &Value, path: &str) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            for (key, value) in before {
                let inside = after.get(key).unwrap_or_else(|| panic!("{path}/{key} is gone"));
                check_kept(value, inside, &format!("{path}/{key}"));
            }
        }
        (Value::Array(before), Value::Array(after)) if before.iter().all(|element| element.get("name").is_some()) => {
            let mut rest = after.iter();
            for element in before {
                let same = rest.find(|candidate| candidate["name"] == element["name"]);
                let same = same.unwrap_or_else(|| panic!("{path}: {} is gone or out of order", element["name"]));
                check_kept(element, same, &format!("{path}/{}", element["name"]));
            }
        }
        (Value::Array(before), Value::Array(after)) if path.ends_with("/command") => {
            assert!(after.ends_with(before), "{path} does not end as it was: {after:?}");
        }
        _ => assert_eq!(before, after, "{path}"),
    }
}

#[tokio::test]
async fn a_pod_is_stored_with_a_sidecar_and_all_that_it_had() {
    let ground = Ground::new("kept").await;
    ground.make_namespace("kept-plain", &json!({})).await;
    let replica = ground.serve(&[]).await;
    for pod in [serde_json::to_value(step("crawl")).unwrap(), unusual()] {
        let mut plain = ground.pods("kept-plain").create(&PostParams::default(), &from_json(pod.clone())).await.unwrap();
        let stored = ground.pods(&ground.steps()).create(&PostParams::default(), &from_json(pod)).await.unwrap();
        assert!(!is_injected(&plain) && is_injected(&stored));
        for field in [&mut plain.metadata.uid, &mut plain.metadata.namespace, &mut plain.metadata.resource_version] {
            field.take();
        }
        (plain.metadata.creation_timestamp, plain.metadata.managed_fields) = (None, None);
        let (mut plain, stored) = (serde_json::to_value(plain).unwrap(), serde_json::to_value(stored).unwrap());
        plain["status"].take();
        plain.as_object_mut().unwrap().remove("status");
        check_kept(&plain, &stored, "");
    }
    replica.end().await;
}

#[tokio::test]
async fn a_restricted_namespace_with_a_quota_and_limits_admits_the_patched_pod() {
    let ground = Ground::new("restricted").await;
    let replica = ground.serve(&[]).await;
    let namespace = "restricted-limits";
    ground.make_namespace(namespace, &json!({ "test": ground.name, "pod-security.kubernetes.io/enforce": "restricted" })).await;
    let hard = json!({ "requests.cpu": "4", "requests.memory": "4Gi", "limits.cpu": "8", "limits.memory": "8Gi", "pods": "10" });
    let quota = json!({ "metadata": { "name": "all" }, "spec": { "hard": hard } });
    let quotas = Api::<ResourceQuota>::namespaced(ground.client.clone(), namespace);
    quotas.create(&PostParams::default(), &serde_json::from_value(quota).unwrap()).await.unwrap();
    // A controller would count what is there, and here is none.
    let status = json!({ "status": { "hard": hard, "used": { "requests.cpu": "0", "requests.memory": "0", "limits.cpu": "0", "limits.memory": "0", "pods": "0" } } });
    quotas.patch_status("all", &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
    let limits =
        json!([{ "type": "Container", "max": { "cpu": "2", "memory": "2Gi" }, "min": { "cpu": "1m", "memory": "1Mi" } }]);
    let range = json!({ "metadata": { "name": "all" }, "spec": { "limits": limits } });
    let ranges = Api::<LimitRange>::namespaced(ground.client.clone(), namespace);
    ranges.create(&PostParams::default(), &serde_json::from_value(range).unwrap()).await.unwrap();

    let mut pod = serde_json::to_value(step("crawl")).unwrap();
    pod["spec"]["automountServiceAccountToken"] = json!(false);
    pod["spec"]["securityContext"] =
        json!({ "runAsNonRoot": true, "runAsUser": 1000, "seccompProfile": { "type": "RuntimeDefault" } });
    let container = &mut pod["spec"]["containers"][0];
    container["securityContext"] = json!({ "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } });
    container["resources"] = json!({ "requests": { "cpu": "1", "memory": "1Gi" }, "limits": { "cpu": "1", "memory": "1Gi" } });
    let mut greedy = pod.clone();
    greedy["spec"]["containers"] = (0..5).map(|number| with_name(&pod["spec"]["containers"][0], number)).collect();
    let mut wanting = pod.clone();
    wanting["spec"]["containers"][0].as_object_mut().unwrap().remove("securityContext");

    let pods = ground.pods(namespace);
    eventually("the quota is known to the API server", async || {
        let created = pods.create(&PostParams { dry_run: true, ..PostParams::default() }, &from_json(greedy.clone())).await;
        created.is_err_and(|error| error.to_string().contains("exceeded quota"))
    })
    .await;
    let refused = pods.create(&PostParams::default(), &from_json(wanting)).await.unwrap_err();
    assert!(refused.to_string().contains("violates PodSecurity"), "{refused}");
    let stored = pods.create(&PostParams::default(), &from_json(pod)).await.unwrap();
    assert!(is_injected(&stored));
    let used = quotas.get("all").await.unwrap().status.unwrap().used.unwrap();
    assert_ne!(used["requests.memory"].0, "1Gi", "the sidecar was not counted");
    replica.end().await;
}

fn with_name(container: &Value, number: u32) -> Value {
    let mut container = container.clone();
    container["name"] = json!(format!("main-{number}"));
    container
}

#[tokio::test]
async fn pods_are_made_when_no_injector_answers() {
    let ground = Ground::new("away").await;
    let replica = ground.serve(&[]).await;
    replica.end().await;
    let stored = ground.pods(&ground.steps()).create(&PostParams::default(), &step("crawl")).await.unwrap();
    assert!(!is_injected(&stored));
}
