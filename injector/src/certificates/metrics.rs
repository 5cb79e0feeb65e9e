//! What is counted about certificates.

use std::sync::atomic::AtomicI64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::policy::Step;

/// A step in the life of certificates.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StepLabels {
    /// Its code.
    pub step: &'static str,
}

/// Metrics of certificates.
#[derive(Clone, Debug, Default)]
pub struct CertificateMetrics {
    /// Last moment of the certificate that is served, in Unix seconds.
    pub expiry: Gauge<i64, AtomicI64>,
    /// Last moment of the authority that signs, in Unix seconds; 0 where it is not ours.
    pub authority_expiry: Gauge<i64, AtomicI64>,
    /// 1 while a new certificate waits until every `caBundle` verifies it.
    pub waiting: Gauge<i64, AtomicI64>,
    /// Certificates that came to be served.
    pub swaps: Counter,
    /// Steps that this replica took.
    pub steps: Family<StepLabels, Counter>,
    /// Times when `caBundle` was written by this replica.
    pub bundle_writes: Counter,
    /// Looks that failed.
    pub failures: Counter,
}

impl From<Step> for StepLabels {
    fn from(step: Step) -> Self {
        Self { step: step.code() }
    }
}

impl CertificateMetrics {
    /// Registers everything.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let prefix = |name: &str| format!("agentcomms_injector_{name}");
        registry.register(
            prefix("certificate_expiry_timestamp_seconds"),
            "End of the certificate that is served",
            metrics.expiry.clone(),
        );
        registry.register(
            prefix("authority_expiry_timestamp_seconds"),
            "End of the authority that signs, 0 where it is not self-managed",
            metrics.authority_expiry.clone(),
        );
        registry.register(
            prefix("certificate_waiting"),
            "1 while a new certificate waits until every caBundle verifies it",
            metrics.waiting.clone(),
        );
        registry.register(prefix("certificate_swaps"), "Certificates that came to be served", metrics.swaps.clone());
        registry.register(prefix("certificate_steps"), "Changes of the self-managed certificate", metrics.steps.clone());
        registry.register(prefix("ca_bundle_writes"), "Writes of caBundle", metrics.bundle_writes.clone());
        registry.register(prefix("certificate_failures"), "Failed looks after certificates", metrics.failures.clone());
        metrics
    }
}
