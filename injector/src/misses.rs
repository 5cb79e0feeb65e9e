//! Pods that should have a sidecar and have none: the API server did not call the webhook when they were made, or did not
//! use its answer. They are told and never touched, for a step may have begun.
//!
//! A watch of metadata finds the suspects among the pods of enabled namespaces ([`book`]), and one GET for each gives the
//! rest of what the decision needs. Nothing of it concerns a review. Every replica does this for itself: each counts every
//! miss, so their counters agree and are not to be added up, while an Event is made under a name that comes from its owner,
//! so that the API server takes it from the first replica alone.
//!
//! Memory is bounded: of the namespaces those that are enabled are remembered, and of the pods those that were suspected and
//! are still there, up to [`book::REMEMBERED`]. A watch that breaks, or whose place the API server has forgotten (410),
//! begins anew with a list; a request for a pod is made again until the API server answers.

pub mod book;
#[cfg(test)]
mod tests;

use std::time::Duration;

use futures_util::StreamExt as _;
use k8s_openapi::api::core::v1::{Namespace, Pod as ApiPod};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, DynamicObject, ListParams};
use kube::core::{ApiResource, PartialObjectMeta};
use kube::runtime::{WatchStreamExt as _, watcher};
use serde_json::Value;
use service::admin::Readiness;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio_util::sync::CancellationToken;

use crate::events::Events;
use crate::metrics::{MissMetrics, RefusalLabels};
use crate::mutate;
use crate::options::Options;
use crate::policy::Reason;
use book::{Book, Suspect};

/// The namespaces that ask, as a selector of labels.
pub const ENABLED: &str = "agent-comms.dev/inject=enabled";
/// Suspects that wait for their GET; beyond that the watch waits. Each has some hundred bytes.
const QUEUE: usize = 256;
const REQUEST_TIME: Duration = Duration::from_secs(10);
const FIRST_DELAY: Duration = Duration::from_millis(500);
const LONGEST_DELAY: Duration = Duration::from_secs(30);
/// Pods in one answer to a list.
const PAGE: u32 = 500;

/// What is known of why a pod was missed. The codes are a label of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It was made before this replica started: there may have been no injector.
    BeforeStart,
    /// This replica was not ready when it saw the pod: its certificate was not trusted, most likely.
    NotReady,
    /// A replica was ready, and was not called or not heard.
    NotCalled,
}

impl Cause {
    /// The stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::BeforeStart => "before_start",
            Self::NotReady => "not_ready",
            Self::NotCalled => "not_called",
        }
    }

    /// What happened, for people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::BeforeStart => "it was made before this injector started",
            Self::NotReady => "the injector was not ready",
            Self::NotCalled => "the API server did not call the webhook or did not use its answer",
        }
    }
}

/// Finds misses and tells them.
#[derive(Debug)]
pub struct Misses {
    options: Options,
    own_namespace: String,
    readiness: Readiness,
    started: Timestamp,
    events: Option<Events>,
    metrics: MissMetrics,
}

impl Misses {
    /// Nothing is known yet. `own_namespace` is the injector's, whose pods never go to the webhook.
    #[must_use]
    pub fn new(
        options: Options,
        own_namespace: String,
        readiness: Readiness,
        events: Option<Events>,
        metrics: MissMetrics,
    ) -> Self {
        Self { options, own_namespace, readiness, started: Timestamp::now(), events, metrics }
    }

    /// Follows namespaces and pods until `stop` is cancelled.
    pub async fn follow(self, client: kube::Client, stop: CancellationToken) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let both = Box::pin(async { tokio::join!(self.watch(&client, &sender), self.judge(&client, receiver)) });
        stop.run_until_cancelled(both).await;
    }

    /// Pods are looked at once all enabled namespaces are known. When one is enabled later, its pods are listed, for some of
    /// them may have been made, and their events read, before the watch told of the label.
    async fn watch(&self, client: &kube::Client, suspects: &Sender<Suspect>) {
        let namespaces = Api::<PartialObjectMeta<Namespace>>::all(client.clone());
        let namespaces = watcher::watcher(namespaces, watcher::Config::default().labels(ENABLED)).default_backoff();
        let pods = Api::<PartialObjectMeta<ApiPod>>::all(client.clone());
        let pods = watcher::watcher(pods, watcher::Config::default()).default_backoff();
        let (mut namespaces, mut pods) = (std::pin::pin!(namespaces), std::pin::pin!(pods));
        let mut book = Book::new(self.own_namespace.clone());
        let mut are_known = false;
        loop {
            tokio::select! {
                Some(event) = namespaces.next() => {
                    let Some(event) = self.heard(event, "namespaces") else { continue };
                    let is_whole = matches!(event, watcher::Event::InitDone);
                    let enabled = book.take_namespace(event, Timestamp::now());
                    for namespace in enabled.iter().filter(|_| are_known) {
                        self.look_through(client, namespace, &mut book, suspects).await;
                    }
                    are_known |= is_whole;
                }
                Some(event) = pods.next(), if are_known => {
                    let Some(event) = self.heard(event, "pods") else { continue };
                    let is_whole = matches!(event, watcher::Event::InitDone);
                    let suspect = book.take_pod(event, &self.options);
                    self.suspect(suspect, suspects).await;
                    self.metrics.remembered.set(i64::try_from(book.remembered()).unwrap_or(i64::MAX));
                    if is_whole {
                        self.metrics.lists.inc();
                    }
                }
                else => return,
            }
        }
    }

    fn heard<T>(&self, event: Result<T, watcher::Error>, what: &'static str) -> Option<T> {
        event
            .inspect_err(|error| {
                self.metrics.failures.inc();
                let error = service::causes::in_one_line(error);
                tracing::info!(error, watch.of = what, "a watch for missed pods failed and is begun again");
            })
            .ok()
    }

    /// A channel whose other end is gone means that the process is stopping.
    async fn suspect(&self, suspect: Option<Suspect>, suspects: &Sender<Suspect>) {
        if let Some(suspect) = suspect
            && suspects.send(suspect).await.is_err()
        {
            tracing::debug!("nobody judges suspects any more");
        }
    }

    async fn look_through(&self, client: &kube::Client, namespace: &str, book: &mut Book, suspects: &Sender<Suspect>) {
        let pods = Api::<ApiPod>::namespaced(client.clone(), namespace);
        let (mut params, mut delay) = (ListParams::default().limit(PAGE), FIRST_DELAY);
        loop {
            let list = match tokio::time::timeout(REQUEST_TIME, pods.list_metadata(&params)).await {
                Ok(Ok(list)) => list,
                failed => {
                    if !self.may_try_again(failed.map(|result| result.map(drop)), "list the pods of a namespace") {
                        return;
                    }
                    tokio::time::sleep(delay).await;
                    delay = (delay * 2).min(LONGEST_DELAY);
                    // What the API server has forgotten meanwhile is listed from the beginning.
                    params.continue_token = None;
                    continue;
                }
            };
            for pod in list.items {
                self.suspect(book.look(pod.metadata, &self.options), suspects).await;
            }
            params.continue_token = list.metadata.continue_.filter(|token| !token.is_empty());
            if params.continue_token.is_none() {
                return;
            }
        }
    }

    async fn judge(&self, client: &kube::Client, mut suspects: Receiver<Suspect>) {
        while let Some(suspect) = suspects.recv().await {
            if let Some(pod) = self.fetch(client, &suspect).await
                && is_miss(&pod, &suspect.namespace, &self.options)
            {
                self.tell(&suspect, &pod);
            }
        }
    }

    /// The whole pod, or none when it is gone.
    async fn fetch(&self, client: &kube::Client, suspect: &Suspect) -> Option<Value> {
        let resource = ApiResource::erase::<ApiPod>(&());
        let pods = Api::<DynamicObject>::namespaced_with(client.clone(), &suspect.namespace, &resource);
        let mut delay = FIRST_DELAY;
        loop {
            let answer = tokio::time::timeout(REQUEST_TIME, pods.get_opt(&suspect.name)).await;
            if let Ok(Ok(pod)) = answer {
                let same = pod.filter(|pod| pod.metadata.uid.as_ref() == Some(&suspect.uid));
                return same.and_then(|pod| serde_json::to_value(pod).ok());
            }
            if !self.may_try_again(answer.map(|result| result.map(drop)), "read a pod") {
                return None;
            }
            tokio::time::sleep(delay).await;
            delay = (delay * 2).min(LONGEST_DELAY);
        }
    }

    /// Whether a request that failed may do better later: what the API server forbids or cannot read it will not take then.
    fn may_try_again(&self, answer: Result<kube::Result<()>, tokio::time::error::Elapsed>, action: &'static str) -> bool {
        let (error, is_refused) = match answer {
            Ok(Ok(())) => return false,
            Ok(Err(error)) => {
                let is_refused = matches!(&error, kube::Error::Api(status) if matches!(status.code, 400 | 403..=406 | 422));
                (service::causes::in_one_line(&error), is_refused)
            }
            Err(elapsed) => (elapsed.to_string(), false),
        };
        self.metrics.failures.inc();
        tracing::info!(error, action, retried = !is_refused, "a request about missed pods failed");
        !is_refused
    }

    fn tell(&self, suspect: &Suspect, pod: &Value) {
        let cause = self.cause(suspect.made);
        self.metrics.misses.get_or_create(&RefusalLabels { reason: cause.code() }).inc();
        tracing::warn!(
            pod.namespace = suspect.namespace,
            pod.name = suspect.name,
            reason = cause.code(),
            "a pod should have a sidecar and has none"
        );
        if let Some(events) = &self.events {
            events.tell_miss(pod, &suspect.namespace, cause);
        }
    }

    fn cause(&self, made: Timestamp) -> Cause {
        // The API server tells whole seconds, and in its first one no replica is ready.
        if made.as_second() <= self.started.as_second() {
            Cause::BeforeStart
        } else if self.readiness.is_ready() {
            Cause::NotCalled
        } else {
            Cause::NotReady
        }
    }
}

/// Whether a stored pod would get a sidecar if it were made now. What has become of it since counts for nothing.
#[must_use]
pub fn is_miss(pod: &Value, namespace: &str, options: &Options) -> bool {
    let pod = as_created(pod);
    mutate::pod(&pod, pod.to_string().len(), namespace, None, options).reason == Reason::Inject
}

/// A stored pod as it was when it was made, as far as the decision is concerned.
#[must_use]
pub fn as_created(pod: &Value) -> Value {
    let mut pod = pod.clone();
    if let Some(object) = pod.as_object_mut() {
        object.shift_remove("status");
    }
    if let Some(metadata) = pod.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.shift_remove("managedFields");
    }
    pod
}
