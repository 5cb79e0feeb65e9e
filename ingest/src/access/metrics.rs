//! Metrics of who is let in.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// What was asked of the API server, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReviewLabels {
    /// `token` or `permission`.
    pub review: &'static str,
    /// `allowed`, `denied` or `error`.
    pub result: &'static str,
}

/// Why somebody was not let in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RefusalLabels {
    /// `no_proof`, `wrong_proof` or `unavailable`.
    pub reason: &'static str,
}

/// Metrics of access. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct AccessMetrics {
    /// Questions to the API server.
    pub reviews: Family<ReviewLabels, Counter>,
    /// Requests of whom nobody knows.
    pub refusals: Family<RefusalLabels, Counter>,
}

impl AccessMetrics {
    /// Adds them to a registry.
    pub fn register(&self, registry: &mut Registry) {
        for review in ["token", "permission"] {
            for result in ["allowed", "denied", "error"] {
                drop(self.reviews.get_or_create(&ReviewLabels { review, result }));
            }
        }
        for reason in ["no_proof", "wrong_proof", "unavailable"] {
            drop(self.refusals.get_or_create(&RefusalLabels { reason }));
        }
        registry.register(
            "agentcomms_ingest_access_reviews",
            "Questions to the API server about tokens and rights, by what came of them",
            self.reviews.clone(),
        );
        registry.register(
            "agentcomms_ingest_access_refusals",
            "Requests that were refused because it is not known who asks",
            self.refusals.clone(),
        );
    }
}
