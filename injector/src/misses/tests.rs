use clap::Parser as _;
use kube::api::ObjectMeta;
use kube::runtime::watcher::Event;
use serde_json::json;

use super::book::REMEMBERED;
use super::*;
use crate::cli::{Cli, Command};

fn options() -> Options {
    let Command::Serve(arguments) = Cli::parse_from(["injector", "serve"]).command else { panic!("this is no `serve`") };
    arguments.pods.options().unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn named<K>(metadata: &Value) -> PartialObjectMeta<K> {
    serde_json::from_value(json!({ "apiVersion": "v1", "kind": "PartialObjectMetadata", "metadata": metadata })).unwrap()
}

fn namespace(name: &str) -> PartialObjectMeta<Namespace> {
    named(&json!({ "name": name, "labels": { "agent-comms.dev/inject": "enabled" } }))
}

/// A pod of a Job, made at this second.
fn pod(namespace: &str, name: &str, second: i64) -> PartialObjectMeta<ApiPod> {
    let owner = json!({ "apiVersion": "batch/v1", "kind": "Job", "name": "crawl", "uid": "uid-of-crawl", "controller": true });
    named(&json!({
        "name": name, "namespace": namespace, "uid": format!("uid-of-{name}"),
        "creationTimestamp": at(second).to_string(), "ownerReferences": [owner],
    }))
}

/// Knows that `steps` asks since second 10.
fn book() -> Book {
    let mut book = Book::new("agent-comms".to_owned());
    assert!(book.take_namespace(Event::Init, at(10)).is_none());
    assert_eq!(book.take_namespace(Event::InitApply(namespace("steps")), at(10)), Some("steps".to_owned()));
    assert!(book.take_namespace(Event::InitDone, at(10)).is_none());
    book
}

#[track_caller]
fn check_suspected(change: impl FnOnce(&mut ObjectMeta), expected: bool) {
    let mut pod = pod("steps", "crawl", 11);
    change(&mut pod.metadata);
    assert_eq!(book().take_pod(Event::Apply(pod), &options()).is_some(), expected);
}

#[test]
fn a_pod_is_suspected_by_its_metadata() {
    let keep = |key: &str, value: &str| Some([(key.to_owned(), value.to_owned())].into());
    check_suspected(|_| (), true);
    check_suspected(|pod| pod.namespace = Some("others".to_owned()), false);
    check_suspected(|pod| pod.owner_references = None, false);
    check_suspected(|pod| pod.annotations = keep("agent-comms.dev/status", "{}"), false);
    check_suspected(|pod| pod.labels = keep("agent-comms.dev/inject", "disabled"), false);
    check_suspected(|pod| pod.annotations = keep("kubernetes.io/config.mirror", "x"), false);
}

#[test]
fn a_pod_that_was_made_before_its_namespace_asked_is_no_miss() {
    for (second, expected) in [(9, false), (10, false), (11, true)] {
        let suspect = book().take_pod(Event::Apply(pod("steps", "crawl", second)), &options());
        assert_eq!(suspect.is_some(), expected, "made at {second}");
    }
}

#[test]
fn a_pod_is_suspected_once_also_after_a_list() {
    let (mut book, options) = (book(), options());
    assert!(book.take_pod(Event::Apply(pod("steps", "a", 11)), &options).is_some());
    assert!(book.take_pod(Event::Apply(pod("steps", "a", 11)), &options).is_none());
    assert!(book.take_pod(Event::Init, &options).is_none());
    assert!(book.take_pod(Event::InitApply(pod("steps", "a", 11)), &options).is_none());
    assert!(book.take_pod(Event::InitApply(pod("steps", "b", 11)), &options).is_some());
    assert!(book.take_pod(Event::InitDone, &options).is_none());
    assert_eq!(book.remembered(), 2);
    assert!(book.take_pod(Event::Delete(pod("steps", "a", 11)), &options).is_none());
    assert!(book.take_pod(Event::Init, &options).is_none() && book.take_pod(Event::InitDone, &options).is_none());
    assert_eq!(book.remembered(), 0, "what is gone is forgotten");
}

#[test]
fn a_namespace_is_looked_through_when_it_begins_to_ask_and_not_when_it_has_ended() {
    let (mut book, options) = (book(), options());
    assert_eq!(book.take_namespace(Event::Apply(namespace("steps")), at(20)), None, "it asked before");
    assert!(book.look(pod("steps", "early", 11).metadata, &options).is_some(), "a later write moves nothing");
    assert_eq!(book.take_namespace(Event::Apply(namespace("agent-comms")), at(20)), None, "the injector's own");
    assert_eq!(book.take_namespace(Event::Apply(namespace("kube-system")), at(20)), None);
    assert_eq!(book.take_namespace(Event::Apply(namespace("more")), at(20)), Some("more".to_owned()));
    assert!(book.take_namespace(Event::Delete(namespace("steps")), at(30)).is_none());
    assert!(book.look(pod("steps", "late", 31).metadata, &options).is_none());
    assert!(book.take_namespace(Event::Init, at(40)).is_none() && book.take_namespace(Event::InitDone, at(40)).is_none());
    assert!(book.look(pod("more", "late", 41).metadata, &options).is_none(), "what a list does not tell is gone");
}

#[test]
fn memory_is_bounded() {
    let (mut book, options) = (book(), options());
    for number in 0..REMEMBERED + 3 {
        book.take_pod(Event::Apply(pod("steps", &format!("crawl-{number}"), 11)), &options);
    }
    assert_eq!(book.remembered(), REMEMBERED);
    book.take_pod(Event::Delete(pod("steps", "crawl-0", 11)), &options);
    assert!(book.take_pod(Event::Apply(pod("steps", "later", 11)), &options).is_some(), "there is room again");
}

#[track_caller]
fn check_miss(change: impl FnOnce(&mut Value), expected: bool) {
    let metadata = serde_json::to_value(pod("steps", "crawl", 11).metadata).unwrap();
    let containers = json!([{ "name": "main", "image": "main:1", "command": ["crawl"] }]);
    let mut pod = json!({ "metadata": metadata, "spec": { "containers": containers }, "status": { "phase": "Succeeded" } });
    change(&mut pod);
    assert_eq!(is_miss(&pod, "steps", &options()), expected, "{pod}");
}

#[test]
fn the_whole_pod_decides() {
    check_miss(|_| (), true);
    check_miss(|pod| pod["spec"]["os"] = json!({ "name": "windows" }), false);
    check_miss(|pod| pod["spec"]["volumes"] = json!([{ "name": "agent-comms", "emptyDir": {} }]), false);
    let sidecar = json!([{ "name": "agent-comms", "image": "x", "env": [{ "name": "AGENT_COMMS_INJECTED", "value": "1" }] }]);
    check_miss(|pod| pod["spec"]["initContainers"] = sidecar, false);
}
