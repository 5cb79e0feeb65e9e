use futures_util::stream;
use kube::core::TypeMeta;

use super::*;

type Event = watcher::Event<PartialObjectMeta<Job>>;

fn job(uid: &str, owner: Option<&str>) -> PartialObjectMeta<Job> {
    let reference = |name: &str| OwnerReference {
        api_version: "agents.proompteng.ai/v1".to_owned(),
        kind: "AgentRun".to_owned(),
        name: name.to_owned(),
        uid: format!("uid-of-{name}"),
        ..OwnerReference::default()
    };
    let metadata = ObjectMeta {
        uid: Some(uid.to_owned()),
        owner_references: owner.map(|name| vec![reference(name)]),
        ..ObjectMeta::default()
    };
    PartialObjectMeta { types: Some(TypeMeta::default()), metadata, ..PartialObjectMeta::default() }
}

async fn after(owners: &Owners, events: Vec<Event>) {
    owners.take(stream::iter(events.into_iter().map(Ok))).await;
}

async fn name(owners: &Owners, uid: &str) -> Option<String> {
    owners.of_job(uid, Duration::ZERO).await.map(|owner| owner.name.clone())
}

#[tokio::test]
async fn a_list_replaces_what_was_known_when_it_is_whole() {
    let owners = Owners::new(OwnerMetrics::default());
    after(&owners, vec![Event::Init, Event::InitApply(job("a", Some("one"))), Event::InitDone]).await;
    assert_eq!(name(&owners, "a").await.as_deref(), Some("one"));
    after(&owners, vec![Event::Init, Event::InitApply(job("b", Some("two")))]).await;
    assert_eq!(name(&owners, "a").await.as_deref(), Some("one"), "forgotten in the middle of a list");
    assert_eq!(name(&owners, "b").await.as_deref(), Some("two"), "unknown until the end of a list");
    after(&owners, vec![Event::Init, Event::InitApply(job("b", Some("two"))), Event::InitDone]).await;
    assert_eq!(name(&owners, "a").await, None);
}

#[tokio::test]
async fn a_job_without_an_owner_is_no_reason_to_wait() {
    let owners = Owners::new(OwnerMetrics::default());
    after(&owners, vec![Event::Apply(job("a", None))]).await;
    assert!(owners.of_job("a", Duration::from_secs(3600)).await.is_none());
    assert_eq!(owners.metrics.timeouts.get(), 0);
}

#[tokio::test]
async fn a_review_waits_for_a_job_that_comes_and_no_longer() {
    let owners = Arc::new(Owners::new(OwnerMetrics::default()));
    let waiting = tokio::spawn({
        let owners = owners.clone();
        async move { owners.of_job("late", Duration::from_secs(3600)).await }
    });
    while owners.changes.receiver_count() == 0 {
        tokio::task::yield_now().await;
    }
    after(&owners, vec![Event::Apply(job("other", None)), Event::Apply(job("late", Some("one")))]).await;
    assert_eq!(waiting.await.unwrap().unwrap().name, "one");
    assert!(owners.of_job("never", Duration::from_millis(1)).await.is_none());
    assert_eq!(owners.metrics.timeouts.get(), 1);
}
