//! The webhook: whatever comes, it is answered; a review always lets the pod through, and a patch is one that can be applied,
//! leaves what was there and is given once.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Parser as _;
use fuzz::graft::Grafts;
use hyper::StatusCode;
use injector::cli::{Cli, Command};
use injector::meaning::meaning;
use injector::metrics::Metrics;
use injector::options::Options;
use injector::ours;
use injector::pod::Pod;
use injector::server::Webhook;
use prometheus_client::registry::Registry;
use serde_json::Value;
use tokio::runtime::Runtime;

#[test]
fn review() {
    let caller = Caller::new();
    fuzz::target!("review", |bytes: &[u8]| caller.check(bytes));
}

#[test]
fn grafted_review() {
    let reviews = recorded();
    let caller = std::panic::AssertUnwindSafe(Caller::new());
    bolero::check!(name = "review-grafted").with_iterations(fuzz::iterations(800)).with_type::<Grafts>().for_each(
        |grafts: &Grafts| {
            let caller = &caller;
            caller.check(grafts.of(&reviews).to_string().as_bytes());
        },
    );
}

/// The default settings of the pods that manifests get.
pub fn options() -> Options {
    let Command::Explain(arguments) = Cli::parse_from(["injector", "explain", "-f", "-"]).command else {
        panic!("this is no `explain`")
    };
    arguments.pods.options().unwrap()
}

fn recorded() -> Vec<Value> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../injector/tests/fixtures");
    let mut paths: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()).collect()
}

struct Caller {
    webhook: Webhook,
    runtime: Runtime,
}

impl Caller {
    fn new() -> Self {
        let metrics = Metrics::register(&mut Registry::default());
        let webhook = Webhook { options: options(), metrics, owners: None, events: None };
        Self { webhook, runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap() }
    }

    fn check(&self, body: &[u8]) {
        let (status, answer) = self.runtime.block_on(self.webhook.answer(body));
        let answer: Value = serde_json::from_str(&answer).unwrap();
        if status != StatusCode::OK {
            assert!(status.is_client_error() && answer.is_string(), "{status} {answer}");
            return;
        }
        let mut review: Value = serde_json::from_slice(body).unwrap();
        let response = &answer["response"];
        assert_eq!((&answer["kind"], &response["allowed"]), (&"AdmissionReview".into(), &true.into()));
        assert_eq!(response["uid"], review["request"]["uid"]);
        for warning in response["warnings"].as_array().into_iter().flatten().map(|warning| warning.as_str().unwrap()) {
            assert!(warning.len() <= 120 && !warning.contains(char::is_control), "{warning}");
        }
        let Some(patch) = response["patch"].as_str() else { return };
        let patch: json_patch::Patch = serde_json::from_slice(&STANDARD.decode(patch).unwrap()).unwrap();
        assert!(!patch.0.is_empty());
        let pod = review["request"]["object"].clone();
        json_patch::patch(&mut review["request"]["object"], &patch).expect("the patch can be applied");
        if ours::status(Pod(&pod)).is_none() {
            let (before, after) = (without_switch(meaning(&pod)), without_switch(ours::rest(&review["request"]["object"])));
            assert!(before == after, "{}", serde_json::to_string(&json_patch::diff(&before, &after)).unwrap());
        }
        let (_, again) = self.runtime.block_on(self.webhook.answer(review.to_string().as_bytes()));
        let again: Value = serde_json::from_str(&again).unwrap();
        assert_eq!(again["response"]["auditAnnotations"]["reason"], "already_injected_current");
        assert_eq!(again["response"].get("patch"), None);
    }
}

/// The pod without Argo's switch for capturing output, the one value that is changed: in all entries of its name.
fn without_switch(mut pod: Value) -> Value {
    for container in pod.pointer_mut("/spec/containers").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(env) = container.get_mut("env").and_then(Value::as_array_mut) {
            env.retain(|entry| entry.get("name").is_none_or(|name| name != "ARGO_INCLUDE_SCRIPT_OUTPUT"));
        }
    }
    meaning(&pod)
}
