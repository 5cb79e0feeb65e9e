//! Who owns a Job: a pod names its Job alone, and some runs are objects above that.
//!
//! Answers come from memory, which a metadata-only watch fills. A pod is often made in the moment its Job is, so that its
//! review comes before the watch has told of the Job: then, and only for pods that promise such a run, a review waits, and
//! not for long. Nothing is asked of the API server for a review.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{Api, ObjectMeta};
use kube::core::PartialObjectMeta;
use kube::runtime::{WatchStreamExt as _, watcher};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::metrics::OwnerMetrics;
use crate::pod::Owner;

/// How long a review waits for a Job that the watch has not told of.
pub const PATIENCE: Duration = Duration::from_millis(200);

/// A Job's owner, or none where it has none.
type JobOwner = Option<Arc<Owner>>;

/// The owners of all Jobs.
#[derive(Debug)]
pub struct Owners {
    jobs: RwLock<HashMap<String, JobOwner>>,
    changes: watch::Sender<()>,
    metrics: OwnerMetrics,
}

impl Owners {
    /// Knows nothing yet.
    #[must_use]
    pub fn new(metrics: OwnerMetrics) -> Self {
        Self { jobs: RwLock::default(), changes: watch::Sender::default(), metrics }
    }

    /// The owner of the Job with this uid, waiting at most for `patience` until the Job is known.
    pub async fn of_job(&self, uid: &str, patience: Duration) -> JobOwner {
        let mut changes = self.changes.subscribe();
        let known = async {
            loop {
                if let Some(owner) = self.look_up(uid) {
                    return owner;
                }
                if changes.changed().await.is_err() {
                    return None;
                }
            }
        };
        let Ok(owner) = tokio::time::timeout(patience, known).await else {
            self.metrics.timeouts.inc();
            return None;
        };
        owner
    }

    /// Follows the Jobs of all namespaces until `stop` is cancelled. A watch that breaks, or whose place the API server has
    /// forgotten (410), begins anew with a list; what was known stays known meanwhile.
    pub async fn follow(self: Arc<Self>, client: kube::Client, stop: CancellationToken) {
        let jobs = Api::<PartialObjectMeta<Job>>::all(client);
        let events = watcher::watcher(jobs, watcher::Config::default()).default_backoff();
        stop.run_until_cancelled(self.take(events)).await;
    }

    async fn take(&self, events: impl Stream<Item = Result<watcher::Event<PartialObjectMeta<Job>>, watcher::Error>>) {
        let mut listed = HashMap::new();
        let mut events = std::pin::pin!(events);
        while let Some(event) = events.next().await {
            match event {
                Ok(watcher::Event::Init) => listed.clear(),
                Ok(watcher::Event::InitApply(job)) => {
                    if let Some((uid, owner)) = read(job.metadata) {
                        listed.insert(uid.clone(), owner.clone());
                        self.change(|jobs| drop(jobs.insert(uid, owner)));
                    }
                }
                Ok(watcher::Event::InitDone) => {
                    let whole = std::mem::take(&mut listed);
                    self.change(|jobs| *jobs = whole);
                    self.metrics.lists.inc();
                }
                Ok(watcher::Event::Apply(job)) => {
                    if let Some((uid, owner)) = read(job.metadata) {
                        self.change(|jobs| drop(jobs.insert(uid, owner)));
                    }
                }
                Ok(watcher::Event::Delete(job)) => {
                    if let Some(uid) = job.metadata.uid {
                        self.change(|jobs| drop(jobs.remove(&uid)));
                    }
                }
                Err(error) => {
                    self.metrics.failures.inc();
                    tracing::info!(error = service::causes::in_one_line(&error), "the watch of jobs failed and is begun again");
                }
            }
        }
    }

    fn look_up(&self, uid: &str) -> Option<JobOwner> {
        self.jobs.read().unwrap_or_else(PoisonError::into_inner).get(uid).cloned()
    }

    fn change(&self, change: impl FnOnce(&mut HashMap<String, JobOwner>)) {
        let mut jobs = self.jobs.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut jobs);
        self.metrics.jobs.set(i64::try_from(jobs.len()).unwrap_or(i64::MAX));
        drop(jobs);
        self.changes.send_replace(());
    }
}

/// A Job's uid and its controller, else its first owner.
fn read(metadata: ObjectMeta) -> Option<(String, JobOwner)> {
    let owners = metadata.owner_references.unwrap_or_default();
    let controller = owners.iter().find(|owner| owner.controller == Some(true)).or_else(|| owners.first());
    Some((metadata.uid?, controller.map(owner)))
}

fn owner(reference: &OwnerReference) -> Arc<Owner> {
    let OwnerReference { kind, name, uid, .. } = reference;
    Arc::new(Owner { kind: kind.clone(), name: name.clone(), uid: uid.clone() })
}
