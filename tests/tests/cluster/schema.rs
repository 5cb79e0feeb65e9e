//! What the injector makes of a pod that the API server would take, the API server takes, by its own schema and checks.

use std::collections::BTreeMap;

use injector::options::NatsAuth;
use injector::ours;
use injector::pod::Pod;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::damages::{self, Damage, damage};
use crate::ground::Ground;
use crate::reviews::{names, outcome, outcome_with, pod as recorded};
use crate::shapes::pods;
use crate::strict::{Unknown, refusal_of_pod};

/// Pods that are made up, always the same ones.
const GENERATED: usize = 60;

/// A pod without and with a sidecar.
struct Case {
    origin: String,
    namespace: &'static str,
    without: Value,
    with: Value,
}

const OPEN: &str = "schema";
const RESTRICTED: &str = "schema-restricted";

/// The recorded pods and those made up, as they are and such as `restricted` asks for; and those whose sidecar was damaged by
/// others and mended.
fn cases() -> Vec<Case> {
    let mut starts: Vec<(String, Value, String, Vec<Damage>)> = Vec::new();
    for name in names() {
        let (pod, namespace) = recorded(&name);
        starts.push((name, pod, namespace, Vec::new()));
    }
    let mut runner = TestRunner::deterministic();
    let made_up = (pods(), proptest::collection::vec(damage(), 1..4));
    for number in 0..GENERATED {
        let ((pod, namespace), damages) = made_up.new_tree(&mut runner).unwrap().current();
        starts.push((format!("made up {number}"), pod, namespace, damages));
    }
    let mut cases = Vec::new();
    for (number, (origin, pod, from, damages)) in starts.into_iter().enumerate() {
        for (namespace, pod) in [(RESTRICTED, hardened(&pod)), (OPEN, pod)] {
            // Each start in one place with a certificate and in the other with a token.
            let with_token = (number % 2 == 0) == (namespace == RESTRICTED);
            let outcome = |pod: &Value| if with_token { outcome_with(pod, &from, NatsAuth::Token) } else { outcome(pod, &from) };
            let Some(patch) = outcome(&pod).patch else { continue };
            let mut damaged = patch.patched.clone();
            cases.push(Case { origin: origin.clone(), namespace, without: pod, with: patch.patched });
            for damage in &damages {
                damages::apply(&mut damaged, damage);
            }
            let Some(status) = ours::status(Pod(&damaged)).filter(|_| !damages.is_empty()) else { continue };
            let without = ours::without(damaged.clone(), &status);
            let with = outcome(&damaged).patch.map_or(damaged, |patch| patch.patched);
            cases.push(Case { origin: format!("{origin} after {damages:?}"), namespace, without, with });
        }
    }
    cases
}

/// The pod with what Pod Security `restricted` asks for, as far as it lacks nothing but that.
fn hardened(pod: &Value) -> Value {
    let mut pod = pod.clone();
    let spec = &mut pod["spec"];
    spec["securityContext"]["runAsNonRoot"] = json!(true);
    spec["securityContext"]["seccompProfile"] = json!({ "type": "RuntimeDefault" });
    for key in ["initContainers", "containers"] {
        for container in spec[key].as_array_mut().into_iter().flatten() {
            container["securityContext"]["allowPrivilegeEscalation"] = json!(false);
            container["securityContext"]["capabilities"] = json!({ "drop": ["ALL"] });
        }
    }
    pod
}

#[tokio::test]
async fn a_pod_that_is_valid_without_the_sidecar_is_valid_with_it() {
    let ground = Ground::new(OPEN).await;
    ground.make_namespace(RESTRICTED, &json!({ "pod-security.kubernetes.io/enforce": "restricted" })).await;
    let mut valid: BTreeMap<(&str, Unknown), usize> = BTreeMap::new();
    for Case { origin, namespace, without, with } in cases() {
        for unknown in [Unknown::Refused, Unknown::Dropped] {
            if let Some(refusal) = refusal_of_pod(&ground.client, namespace, &without, unknown).await {
                assert!(origin.starts_with("made up") || namespace == RESTRICTED, "{origin} is recorded wrong: {refusal}");
                continue;
            }
            let refusal = refusal_of_pod(&ground.client, namespace, &with, unknown).await;
            assert_eq!(refusal, None, "{origin} in {namespace}: {with:#}");
            *valid.entry((namespace, unknown)).or_default() += 1;
        }
    }
    // Most of what is made up is valid but for a field that nobody knows; of a restricted namespace, but for the root user.
    for place in [OPEN, RESTRICTED].into_iter().flat_map(|name| [(name, Unknown::Refused), (name, Unknown::Dropped)]) {
        assert!(valid.get(&place).is_some_and(|count| *count > GENERATED / 2), "too few to say anything: {valid:?}");
    }
}
