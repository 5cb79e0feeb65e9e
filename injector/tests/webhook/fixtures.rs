//! Every recorded review gets the decision that it was recorded for, and its whole answer is a snapshot.

use injector::mutate::Outcome;
use injector::options::NatsAuth;
use serde_json::json;

use crate::reviews::{names, outcome, outcome_with, pod};

const DECISIONS: [(&str, &str); 20] = [
    ("argo-after-another-webhook", "inject"),
    ("argo-agent-component", "argo_component_pod"),
    ("argo-container", "inject"),
    ("argo-container-set", "inject"),
    ("argo-daemon", "inject"),
    ("argo-initless-container", "inject"),
    ("argo-initless-script", "inject"),
    ("argo-resource", "inject"),
    ("argo-script", "inject"),
    ("native-agent-run", "inject"),
    ("native-cronjob", "inject"),
    ("native-host-network", "inject"),
    ("native-indexed-job", "inject"),
    ("native-job", "inject"),
    ("native-mesh-sidecar", "inject"),
    ("native-opted-out", "disabled_by_pod"),
    ("native-restricted", "inject"),
    ("pod-bare", "not_workflow_pod"),
    ("pod-dry-run", "inject"),
    ("pod-opted-in", "inject"),
];

#[test]
fn every_recorded_review_gets_its_decision() {
    let expected: Vec<(String, &str)> = DECISIONS.iter().map(|(name, reason)| ((*name).to_owned(), *reason)).collect();
    let decided: Vec<(String, &str)> = names()
        .into_iter()
        .map(|name| {
            let (pod, namespace) = pod(&name);
            let reason = outcome(&pod, &namespace).reason.code();
            (name, reason)
        })
        .collect();
    assert_eq!(decided, expected);
}

#[test]
fn every_patch_is_as_reviewed() {
    for name in names() {
        let (pod, namespace) = pod(&name);
        insta::assert_snapshot!(name, told(&outcome(&pod, &namespace)));
    }
}

#[test]
fn patches_with_a_token_are_as_reviewed() {
    for name in ["argo-script", "native-restricted"] {
        let (pod, namespace) = pod(name);
        let outcome = outcome_with(&pod, &namespace, NatsAuth::Token);
        insta::assert_snapshot!(format!("{name}-token"), told(&outcome));
    }
}

fn told(outcome: &Outcome) -> String {
    let operations = outcome.patch.as_ref().map(|patch| patch.operations.as_slice()).unwrap_or_default();
    let notes: Vec<String> = outcome.notes.iter().map(ToString::to_string).collect();
    let told = json!({ "reason": outcome.reason.code(), "notes": notes, "patch": operations });
    serde_json::to_string_pretty(&told).unwrap()
}

#[test]
fn a_second_look_changes_nothing() {
    for name in names() {
        let (pod, namespace) = pod(&name);
        let Some(patch) = outcome(&pod, &namespace).patch else { continue };
        let again = outcome(&patch.patched, &namespace);
        assert_eq!(again.reason.code(), "already_injected_current", "{name}");
        assert!(again.patch.is_none(), "{name}");
    }
}
