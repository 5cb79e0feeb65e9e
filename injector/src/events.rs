//! Events on the objects that own pods: whoever looks at a Job or a workflow sees that its pods got a sidecar, or why not.
//!
//! They are told away from reviews, by a bounded queue and at a bounded rate, for the API server has better things to store:
//! of one owner each thing is told once in a while. What does not fit is dropped and counted. A dry run leaves none.
//!
//! A review reaches one replica, and a missed pod is seen by all. The event of a miss therefore has a name that follows from
//! its owner: the API server takes it once, and again after it has forgotten the first, in an hour.

mod limit;
#[cfg(test)]
mod tests;

use std::env;
use std::time::Instant;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, ObjectMeta, PostParams};
use serde_json::Value;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio_util::sync::CancellationToken;

use crate::metrics::EventMetrics;
use crate::misses::Cause;
use crate::mutate::Outcome;
use crate::pod::{self, Pod};
use crate::policy::Reason;
use crate::review::Review;
use limit::Limit;

/// A burst of reviews within one round trip to the API server; each notice has some hundred bytes.
const QUEUE: usize = 256;
const CONTROLLER: &str = "agent-comms.dev/injector";
const ACTION: &str = "Inject";
/// The API server refuses longer notes.
const NOTE_LIMIT: usize = 1024;
/// Uids have 36 bytes, and the name of an event must not have more than 253.
const UID_LIMIT: usize = 64;

/// Something to tell on an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    namespace: String,
    owner: ObjectReference,
    is_warning: bool,
    reason: &'static str,
    note: String,
    /// The event's own, so that it is there once; else the API server makes one.
    name: Option<String>,
}

/// Where reviews leave what is to be told.
#[derive(Clone, Debug)]
pub struct Events {
    queue: Sender<Notice>,
    metrics: EventMetrics,
}

/// Tells it.
#[derive(Debug)]
pub struct Teller {
    queue: Receiver<Notice>,
    metrics: EventMetrics,
}

/// Both ends.
#[must_use]
pub fn channel(metrics: EventMetrics) -> (Events, Teller) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    (Events { queue: sender, metrics: metrics.clone() }, Teller { queue: receiver, metrics })
}

impl Events {
    /// Leaves what a review is worth telling. It never waits.
    pub fn tell(&self, review: &Review, outcome: &Outcome) {
        self.leave(notice(review, outcome));
    }

    /// Leaves that a stored pod was missed. It never waits.
    pub fn tell_miss(&self, pod: &Value, namespace: &str, cause: Cause) {
        self.leave(notice_of_miss(Pod(pod), namespace, cause));
    }

    fn leave(&self, notice: Option<Notice>) {
        if let Some(notice) = notice
            && self.queue.try_send(notice).is_err()
        {
            self.metrics.dropped.inc();
        }
    }
}

impl Teller {
    /// Runs until `stop` is cancelled.
    pub async fn run(mut self, client: kube::Client, stop: CancellationToken) {
        let instance = env::var("HOSTNAME").unwrap_or_else(|_| "agent-comms-injector".to_owned());
        let mut limit = Limit::new(Instant::now());
        while let Some(Some(notice)) = stop.run_until_cancelled(self.queue.recv()).await {
            let key = (notice.owner.uid.clone().unwrap_or_default(), notice.reason);
            if !limit.admits(key, Instant::now()) {
                self.metrics.dropped.inc();
                continue;
            }
            let api = Api::<Event>::namespaced(client.clone(), &notice.namespace);
            match api.create(&PostParams::default(), &event(notice, &instance)).await {
                Ok(_) => self.metrics.told.inc(),
                // Another replica has told it.
                Err(kube::Error::Api(status)) if status.is_already_exists() => self.metrics.dropped.inc(),
                Err(error) => {
                    tracing::debug!(error = service::causes::in_one_line(&error), "an event could not be told");
                    self.metrics.dropped.inc()
                }
            };
        }
    }
}

/// What is worth telling: the first of an owner's pods that got a sidecar, and every kind of disappointment.
fn notice(review: &Review, outcome: &Outcome) -> Option<Notice> {
    let is_injected = outcome.reason == Reason::Inject;
    if review.dry_run || !(is_injected || outcome.disappoints()) {
        return None;
    }
    let pod = review.pod_name();
    let mut note = match outcome.reason {
        Reason::Inject => format!("the agent-comms sidecar was added to pod {pod}"),
        reason => format!("pod {pod} gets no agent-comms sidecar: {}: {}", reason.code(), reason.words()),
    };
    for remark in &outcome.notes {
        note.push_str("; ");
        note.push_str(&remark.to_string());
    }
    let reason = match (is_injected, outcome.notes.is_empty()) {
        (true, true) => "SidecarInjected",
        (true, false) => "SidecarInjectedWithRemarks",
        (false, _) => "SidecarSkipped",
    };
    Some(Notice {
        namespace: review.namespace.clone(),
        owner: owner(Pod(&review.object), &review.namespace)?,
        is_warning: reason != "SidecarInjected",
        reason,
        note: cut(note),
        name: None,
    })
}

/// A pod that nothing owns is told of on itself.
fn notice_of_miss(pod: Pod<'_>, namespace: &str, cause: Cause) -> Option<Notice> {
    let name = pod.metadata("name")?;
    let owner = owner(pod, namespace).or_else(|| {
        Some(ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            name: Some(name.to_owned()),
            uid: Some(pod.metadata("uid")?.to_owned()),
            namespace: Some(namespace.to_owned()),
            ..ObjectReference::default()
        })
    })?;
    let words = cause.words();
    let note = format!("pod {name} should have an agent-comms sidecar and has none: {}: {words}", cause.code());
    let uid = owner.uid.as_deref().unwrap_or_default();
    // Whoever makes a pod by hand may write anything there, and names are particular.
    let is_name = uid.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let event_name = (is_name && uid.len() <= UID_LIMIT && !uid.ends_with('-')).then(|| format!("agent-comms-missed-{uid}"));
    Some(Notice {
        namespace: namespace.to_owned(),
        owner,
        is_warning: true,
        reason: "SidecarMissed",
        note: cut(note),
        name: event_name,
    })
}

fn owner(pod: Pod<'_>, namespace: &str) -> Option<ObjectReference> {
    let reference = pod.owner_reference()?;
    let text = |key: &str| pod::text(reference, key).filter(|text| !text.is_empty()).map(str::to_owned);
    Some(ObjectReference {
        api_version: Some(text("apiVersion")?),
        kind: Some(text("kind")?),
        name: Some(text("name")?),
        uid: Some(text("uid")?),
        namespace: Some(namespace.to_owned()),
        ..ObjectReference::default()
    })
}

fn cut(mut note: String) -> String {
    if note.len() > NOTE_LIMIT {
        let end = (0..=NOTE_LIMIT - 3).rev().find(|end| note.is_char_boundary(*end)).unwrap_or(0);
        note.truncate(end);
        note.push_str("...");
    }
    note
}

fn event(notice: Notice, instance: &str) -> Event {
    let kind = if notice.is_warning { "Warning" } else { "Normal" };
    let generate_name = notice.name.is_none().then(|| "agent-comms-".to_owned());
    Event {
        metadata: ObjectMeta { name: notice.name, generate_name, ..ObjectMeta::default() },
        event_time: Some(MicroTime(Timestamp::now())),
        reporting_controller: Some(CONTROLLER.to_owned()),
        reporting_instance: Some(instance.to_owned()),
        action: Some(ACTION.to_owned()),
        reason: Some(notice.reason.to_owned()),
        regarding: Some(notice.owner),
        note: Some(notice.note),
        type_: Some(kind.to_owned()),
        ..Event::default()
    }
}
