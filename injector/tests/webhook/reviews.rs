//! Recorded reviews and the settings they are answered with.

use injector::mutate::{self, Outcome};
use injector::options::{NatsAuth, Options, OuterRun, Resources};
use injector::review::Review;
use serde_json::Value;

/// As seen from every crate whose tests need them.
const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../injector/tests/fixtures");

/// Settings as a platform team would have them.
pub fn options() -> Options {
    Options {
        image: "registry.example/agent-comms:1".to_owned(),
        image_pull_policy: "IfNotPresent".to_owned(),
        nats_url: Some("tls://nats.example:4222".to_owned()),
        nats_ca_pem: Some("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n".to_owned()),
        nats_auth: NatsAuth::Certificate,
        skip_host_network: false,
        native_sidecars: true,
        mesh_containers: Vec::new(),
        outer_runs: vec![OuterRun { label: "agents.proompteng.ai/agent-run".to_owned(), kind: "AgentRun".to_owned() }],
        resources: Resources::default(),
    }
}

/// Names of all recorded reviews.
pub fn names() -> Vec<String> {
    let directory = std::fs::read_dir(FIXTURES).unwrap();
    let mut names: Vec<String> =
        directory.filter_map(|entry| Some(entry.unwrap().file_name().to_str()?.strip_suffix(".json")?.to_owned())).collect();
    names.sort();
    names
}

/// The bytes of a recorded review.
pub fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(format!("{FIXTURES}/{name}.json")).unwrap()
}

/// A recorded review's pod and namespace.
pub fn pod(name: &str) -> (Value, String) {
    let review = Review::parse(&bytes(name)).unwrap();
    (review.object, review.namespace)
}

/// What becomes of a pod.
pub fn outcome(pod: &Value, namespace: &str) -> Outcome {
    outcome_with(pod, namespace, NatsAuth::Certificate)
}

/// The same where sidecars tell NATS with this who they are.
pub fn outcome_with(pod: &Value, namespace: &str, nats_auth: NatsAuth) -> Outcome {
    mutate::pod(pod, 0, namespace, None, &Options { nats_auth, ..options() })
}
