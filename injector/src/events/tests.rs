use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::mutate;
use crate::note::Note;

fn review(owner: &Value, dry_run: bool) -> Review {
    let owners: Vec<&Value> = Some(owner).filter(|owner| !owner.is_null()).into_iter().collect();
    let pod = json!({ "metadata": { "generateName": "crawl-", "ownerReferences": owners }, "spec": {} });
    let review = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "1", "namespace": "steps", "operation": "CREATE", "dryRun": dry_run,
            "resource": { "group": "", "version": "v1", "resource": "pods" }, "object": pod,
        },
    });
    Review::parse(review.to_string().as_bytes()).unwrap()
}

fn job() -> Value {
    json!({ "apiVersion": "batch/v1", "kind": "Job", "name": "crawl", "uid": "uid-of-crawl", "controller": true })
}

fn outcome(reason: Reason, notes: Vec<Note>) -> Outcome {
    Outcome { notes, ..mutate::skip(reason) }
}

#[track_caller]
fn check(outcome: &Outcome, expected: Option<(bool, &str, &str)>) {
    let found = notice(&review(&job(), false), outcome);
    let found = found.as_ref().map(|notice| (notice.is_warning, notice.reason, notice.note.as_str()));
    assert_eq!(found, expected);
}

#[test]
fn what_was_done_and_what_disappoints_is_told() {
    let added = "the agent-comms sidecar was added to pod crawl-*";
    check(&outcome(Reason::Inject, Vec::new()), Some((false, "SidecarInjected", added)));
    let remarks = format!("{added}; owner_unknown: the run above the Job was not found; the Job is the run");
    let noted = outcome(Reason::Inject, vec![Note::owner_unknown()]);
    check(&noted, Some((true, "SidecarInjectedWithRemarks", &remarks)));
    let skipped = format!("pod crawl-* gets no agent-comms sidecar: windows: {}", Reason::Windows.words());
    check(&outcome(Reason::Windows, Vec::new()), Some((true, "SidecarSkipped", &skipped)));
    for reason in [Reason::DisabledByPod, Reason::NotWorkflowPod, Reason::AlreadyInjected, Reason::Repair, Reason::NotPod] {
        check(&outcome(reason, Vec::new()), None);
    }
}

#[test]
fn a_dry_run_and_a_pod_without_an_owner_tell_nothing() {
    let injected = outcome(Reason::Inject, Vec::new());
    assert!(notice(&review(&job(), true), &injected).is_none());
    assert!(notice(&review(&Value::Null, false), &injected).is_none());
    assert!(notice(&review(&json!({ "kind": "Job", "name": "crawl" }), false), &injected).is_none());
}

#[test]
fn a_miss_is_told_under_a_name_that_every_replica_makes() {
    let pod = |owners: Value| json!({ "metadata": { "name": "crawl-1", "uid": "uid-of-pod", "ownerReferences": owners } });
    let told = |owners: Value| {
        let notice = notice_of_miss(Pod(&pod(owners)), "steps", Cause::NotReady).unwrap();
        (notice.owner.kind.unwrap(), notice.name, notice.note, notice.reason)
    };
    let note = "pod crawl-1 should have an agent-comms sidecar and has none: not_ready: the injector was not ready";
    let name = |name: &str| Some(name.to_owned());
    let expected = ("Job".to_owned(), name("agent-comms-missed-uid-of-crawl"), note.to_owned(), "SidecarMissed");
    assert_eq!(told(json!([job()])), expected);
    let expected = ("Pod".to_owned(), name("agent-comms-missed-uid-of-pod"), note.to_owned(), "SidecarMissed");
    assert_eq!(told(json!([])), expected);
    let mut odd = job();
    odd["uid"] = json!("Uid_of:crawl");
    assert_eq!(told(json!([odd])).1, None);
}

#[test]
fn a_long_note_is_cut_between_letters() {
    let note = cut("é".repeat(600));
    assert!(note.len() <= NOTE_LIMIT && note.ends_with("é..."), "{} bytes", note.len());
}

#[test]
fn a_thing_is_told_once_in_a_while() {
    let start = Instant::now();
    let mut limit = Limit::new(start);
    let mut admits = |uid: &str, reason, seconds| limit.admits((uid.to_owned(), reason), start + Duration::from_secs(seconds));
    assert!(admits("a", "Injected", 0));
    assert!(!admits("a", "Injected", 599));
    assert!(admits("a", "Skipped", 599) && admits("b", "Injected", 599));
    assert!(admits("a", "Injected", 600));
}

#[test]
fn many_things_are_told_at_a_bounded_rate() {
    let start = Instant::now();
    let mut limit = Limit::new(start);
    let mut told = 0;
    for number in 0..100_000_u64 {
        let now = start + Duration::from_millis(number);
        told += u64::from(limit.admits((number.to_string(), "Injected"), now));
    }
    assert_eq!(told, 50 + 999, "in 100 s");
}

#[tokio::test]
async fn a_full_queue_holds_no_review() {
    let (events, _teller) = channel(EventMetrics::default());
    let (review, injected) = (review(&job(), false), outcome(Reason::Inject, Vec::new()));
    for _ in 0..QUEUE + 3 {
        events.tell(&review, &injected);
    }
    assert_eq!(events.metrics.dropped.get(), 3);
}
