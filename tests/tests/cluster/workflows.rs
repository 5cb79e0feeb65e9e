//! Manifests with sidecars: an API server that knows Kubernetes' and Argo's kinds takes them, and refuses what it does not know.

use std::fs;

use hyper::Request;
use injector::offline::change::{self, Output};
use injector::offline::document;
use serde_json::Value;

use crate::ground::{Ground, eventually};
use crate::reviews::options;
use crate::strict::{apart, refusals};

const EXAMPLES: [(&str, &str); 3] = [
    ("job.yaml", include_str!("../../../manifests/examples/job.yaml")),
    ("workflow.yaml", include_str!("../../../manifests/examples/workflow.yaml")),
    ("kinds.yaml", include_str!("../../../injector/tests/kinds.yaml")),
];
const KINDS: [&str; 3] = ["workflows", "workflowtemplates", "cronworkflows"];

/// Gives the API server Argo's kinds and waits until it serves them.
async fn install_argo(client: &kube::Client) {
    let definitions = tokio::task::spawn_blocking(neighbours::argo::definitions).await.unwrap().unwrap();
    for kind in KINDS {
        let definition = fs::read(definitions.join(format!("argoproj.io_{kind}.yaml"))).unwrap();
        let request = Request::post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions");
        let request = request.header("content-type", "application/yaml").body(definition).unwrap();
        client.request::<Value>(request).await.unwrap();
    }
    eventually("Argo's kinds are served", async || {
        for kind in KINDS {
            let request = Request::get(format!("/apis/argoproj.io/v1alpha1/{kind}")).body(Vec::new()).unwrap();
            if client.request::<Value>(request).await.is_err() {
                return false;
            }
        }
        true
    })
    .await;
}

#[tokio::test]
async fn manifests_with_sidecars_are_taken_and_a_field_that_is_none_is_not() {
    let ground = Ground::of(apart().await, "workflows").await;
    ground.make_namespace("reports", &serde_json::json!({})).await;
    install_argo(&ground.client).await;
    let mut sidecars = 0;
    for (name, example) in EXAMPLES {
        let plain = [document::parse(name, example).unwrap()];
        let changed = change::inject(&plain, None, &options());
        sidecars += changed.reports.iter().filter(|report| report.decision == "inject").count();
        let injected = [document::parse(name, &changed.text(&plain, Output::Yaml).0).unwrap()];
        for document in plain.iter().chain(&injected).flat_map(|manifest| &manifest.documents) {
            let refusals = refusals(&ground.client, ground.name, document).await;
            assert!(refusals.is_empty(), "{name}: {refusals:?}\n{}", document.text);
        }
        let last = injected[0].documents.last().unwrap();
        let wrong = last.text.replacen("readOnlyRootFilesystem:", "readOnlyRootFilesystems:", 1);
        let wrong = document::parse(name, &wrong).unwrap().documents.remove(0);
        let refusals = refusals(&ground.client, ground.name, &wrong).await;
        assert!(refusals.iter().any(|refusal| refusal.contains("unknown field")), "{name}: {refusals:?}");
    }
    assert_eq!(sidecars, 8);
}
