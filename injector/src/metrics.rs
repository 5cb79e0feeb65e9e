//! What the injector counts. Labels are codes of a known set: no names of pods or namespaces.

use std::sync::atomic::AtomicI64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// A decision.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct DecisionLabels {
    /// `inject` or `skip`.
    pub decision: &'static str,
    /// The reason's code.
    pub reason: &'static str,
    /// Name of the runtime, `none` where no runtime claims the pod.
    pub runtime: &'static str,
    /// Whether nothing was stored.
    pub dry_run: &'static str,
}

/// A request that was no review.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RefusalLabels {
    /// Why.
    pub reason: &'static str,
}

/// Metrics of the watch of Jobs.
#[derive(Clone, Debug, Default)]
pub struct OwnerMetrics {
    /// Jobs in memory.
    pub jobs: Gauge<i64, AtomicI64>,
    /// Times when all Jobs were listed: at the start, and after a watch that could not go on.
    pub lists: Counter,
    /// Watches that failed.
    pub failures: Counter,
    /// Reviews that went on without the owner of their pod's Job.
    pub timeouts: Counter,
}

impl OwnerMetrics {
    /// Registers everything.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register("agentcomms_injector_jobs", "Jobs whose owners are known", metrics.jobs.clone());
        registry.register("agentcomms_injector_job_lists", "Times when all jobs were listed", metrics.lists.clone());
        registry.register("agentcomms_injector_job_watch_failures", "Watches of jobs that failed", metrics.failures.clone());
        registry.register(
            "agentcomms_injector_owner_timeouts",
            "Reviews that went on without the owner of their pod's job",
            metrics.timeouts.clone(),
        );
        metrics
    }
}

/// Metrics of events.
#[derive(Clone, Debug, Default)]
pub struct EventMetrics {
    /// Events that were written.
    pub told: Counter,
    /// Events that were not: told not long ago, too many, or refused.
    pub dropped: Counter,
}

impl EventMetrics {
    /// Registers everything.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register("agentcomms_injector_events", "Events on owners that were written", metrics.told.clone());
        registry.register(
            "agentcomms_injector_events_dropped",
            "Events on owners that were told not long ago, too many, or refused",
            metrics.dropped.clone(),
        );
        metrics
    }
}

/// Metrics of the search for missed pods.
#[derive(Clone, Debug, Default)]
pub struct MissMetrics {
    /// Pods that should have a sidecar and have none, by cause. Every replica counts all.
    pub misses: Family<RefusalLabels, Counter>,
    /// Suspected pods in memory.
    pub remembered: Gauge<i64, AtomicI64>,
    /// Times when all pods were listed: at the start, and after a watch that could not go on.
    pub lists: Counter,
    /// Watches and requests that failed.
    pub failures: Counter,
}

impl MissMetrics {
    /// Registers everything.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "agentcomms_injector_misses",
            "Pods that should have a sidecar and have none; every replica counts all, so take the maximum and not the sum",
            metrics.misses.clone(),
        );
        registry.register(
            "agentcomms_injector_missed_pods_remembered",
            "Pods without a sidecar that were looked at and are not gone",
            metrics.remembered.clone(),
        );
        registry.register("agentcomms_injector_pod_lists", "Times when all pods were listed", metrics.lists.clone());
        registry.register(
            "agentcomms_injector_miss_failures",
            "Watches and requests about missed pods that failed",
            metrics.failures.clone(),
        );
        metrics
    }
}

/// The webhook's metrics.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Decisions.
    pub decisions: Family<DecisionLabels, Counter>,
    /// Notes by code.
    pub notes: Family<RefusalLabels, Counter>,
    /// Requests that were answered with a status of 4xx.
    pub refusals: Family<RefusalLabels, Counter>,
    /// Time from the whole body to the answer.
    pub review_seconds: Histogram,
    /// Handshakes that failed.
    pub handshake_failures: Counter,
}

impl Metrics {
    /// Registers everything.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        // From 50 us up: a review takes some tens of them.
        let bounds = [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 1.0];
        let metrics = Self {
            decisions: Family::default(),
            notes: Family::default(),
            refusals: Family::default(),
            review_seconds: Histogram::new(bounds),
            handshake_failures: Counter::default(),
        };
        registry.register("agentcomms_injector_decisions", "Reviews by decision and reason", metrics.decisions.clone());
        registry.register("agentcomms_injector_notes", "Remarks on injected pods by code", metrics.notes.clone());
        registry.register("agentcomms_injector_refusals", "Requests that were no review", metrics.refusals.clone());
        registry.register(
            "agentcomms_injector_review_seconds",
            "Time from a review to its answer",
            metrics.review_seconds.clone(),
        );
        registry.register(
            "agentcomms_injector_handshake_failures",
            "TLS handshakes that failed",
            metrics.handshake_failures.clone(),
        );
        metrics
    }
}
