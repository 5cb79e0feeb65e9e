//! The run above a Job, known from a watch.

use std::time::{Duration, Instant};

use k8s_openapi::api::batch::v1::Job;
use kube::api::{Api, DynamicObject, PostParams};
use neighbours::Kubernetes;
use serde_json::json;

use crate::ground::{Ground, Replica, compact, eventually, from_json, is_injected, step};

const RUN_LABEL: &str = "agents.proompteng.ai/agent-run";
const LISTS: &str = "agentcomms_injector_job_lists_total";

/// Makes a Job of an agent's run, as its operator does, and gives its uid.
async fn make_job(ground: &Ground, name: &str, run: &str) -> String {
    let owner = json!({
        "apiVersion": "agents.proompteng.ai/v1alpha1", "kind": "AgentRun", "name": run, "uid": format!("uid-of-{run}"), "controller": true,
    });
    let template = json!({ "spec": { "restartPolicy": "Never", "containers": [{ "name": "main", "image": "main:1" }] } });
    let job = json!({ "metadata": { "name": name, "ownerReferences": [owner] }, "spec": { "template": template } });
    let job: Job = serde_json::from_value(job).unwrap();
    let jobs = Api::namespaced(ground.client.clone(), &ground.steps());
    jobs.create(&PostParams::default(), &job).await.unwrap().metadata.uid.unwrap()
}

/// Makes the pod of a Job, whose label promises a run.
async fn make_pod(ground: &Ground, name: &str, job_uid: &str, run: &str) -> DynamicObject {
    let mut pod = serde_json::to_value(step(name)).unwrap();
    pod["metadata"]["labels"][RUN_LABEL] = json!(run);
    pod["metadata"]["ownerReferences"][0]["name"] = json!(name);
    pod["metadata"]["ownerReferences"][0]["uid"] = json!(job_uid);
    ground.pods(&ground.steps()).create(&PostParams::default(), &from_json(pod)).await.unwrap()
}

/// What the sidecar is told of its run: name and uid.
fn run_of(pod: &DynamicObject) -> (String, String) {
    let sidecar = &pod.data["spec"]["initContainers"][0];
    let value = |name: &str| {
        let variable = sidecar["env"].as_array().unwrap().iter().find(|variable| variable["name"] == name).unwrap();
        variable["value"].as_str().unwrap().to_owned()
    };
    (value("AGENT_COMMS_WORKFLOW_NAME"), value("AGENT_COMMS_WORKFLOW_UID"))
}

async fn check_known(ground: &Ground, name: &str, run: &str) {
    let uid = make_job(ground, name, run).await;
    let pod = make_pod(ground, name, &uid, run).await;
    assert_eq!(run_of(&pod), (run.to_owned(), format!("uid-of-{run}")));
}

async fn unknown(replica: &Replica) -> u64 {
    let metrics = replica.metrics().await;
    let line = metrics.lines().find(|line| line.contains(r#"reason="owner_unknown""#));
    line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
}

#[tokio::test]
async fn the_pod_of_a_job_that_was_just_made_belongs_to_the_run_above_it() {
    let ground = Ground::new("owned").await;
    let replica = ground.serve(&[]).await;
    eventually("all jobs were listed", async || replica.metric(LISTS).await == 1).await;
    for number in 0..20 {
        check_known(&ground, &format!("job-{number}"), &format!("run-{number}")).await;
    }
    assert_eq!(unknown(&replica).await, 0);
    replica.end().await;
}

#[tokio::test]
async fn the_pod_of_a_job_that_never_was_is_its_own_run_after_a_moment() {
    let ground = Ground::new("unowned").await;
    let replica = ground.serve(&[]).await;
    eventually("all jobs were listed", async || replica.metric(LISTS).await == 1).await;
    let start = Instant::now();
    let pod = make_pod(&ground, "lone", "00000000-0000-4000-8000-000000000000", "run").await;
    assert!(is_injected(&pod) && start.elapsed() >= Duration::from_millis(200), "{:?}", start.elapsed());
    assert_eq!(run_of(&pod), ("lone".to_owned(), "00000000-0000-4000-8000-000000000000".to_owned()));
    assert_eq!(unknown(&replica).await, 1);
    let pod = ground.pods(&ground.steps()).create(&PostParams::default(), &step("plain")).await.unwrap();
    assert!(is_injected(&pod));
    assert_eq!(replica.metric("agentcomms_injector_owner_timeouts_total").await, 1, "a pod that promises nothing was held");
    replica.end().await;
}

/// The API server that comes back has forgotten where the watch was (410), or not; both ends in all that there is.
#[tokio::test]
async fn jobs_are_known_again_after_the_api_server_was_killed() {
    let mut kubernetes = Kubernetes::start().await.unwrap();
    let ground = Ground::of(&kubernetes, "killed").await;
    let replica = ground.serve(&[]).await;
    check_known(&ground, "before", "run-before").await;
    for round in 0..2 {
        kubernetes.kill().unwrap();
        compact(&kubernetes).await;
        kubernetes.start_again().await.unwrap();
        ground.wait_until_called(&[&replica]).await;
        let expected = 2 + round;
        eventually("the watch has begun again with a list", async || replica.metric(LISTS).await >= expected).await;
        check_known(&ground, &format!("after-{round}"), "run-after").await;
        let uid = Api::<Job>::namespaced(ground.client.clone(), &ground.steps()).get("before").await.unwrap().metadata.uid;
        let pod = make_pod(&ground, &format!("late-{round}"), &uid.unwrap(), "run-before").await;
        assert_eq!(run_of(&pod).0, "run-before");
    }
    replica.end().await;
}
