//! What an operator sees of the days that are kept.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use time::OffsetDateTime;

use super::choose::Reason;
use crate::store::partitions::ahead;
use crate::store::partitions::list::{Leaf, LeafState};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Why {
    reason: &'static str,
}

/// What retention counts.
#[derive(Debug, Default)]
pub struct Metrics {
    ahead: Gauge,
    oldest: Gauge,
    bytes: Gauge,
    dropped: Family<Why, Counter>,
    forgotten: Counter,
}

impl Metrics {
    /// Makes them part of what is scraped.
    pub fn register(&self, registry: &mut Registry) {
        for reason in [Reason::Age, Reason::Size] {
            drop(self.dropped.get_or_create(&Why { reason: reason.label() }));
        }
        let registry = registry.sub_registry_with_prefix("agentcomms_ingest");
        registry.register("partitions_ahead", "Days after today that have their partition, without a gap", self.ahead.clone());
        let oldest = "Start of the oldest day that is kept, since 1970";
        registry.register_with_unit("oldest_partition_timestamp", oldest, Unit::Seconds, self.oldest.clone());
        registry.register_with_unit("partitions", "What the kept days take on disk", Unit::Bytes, self.bytes.clone());
        registry.register("dropped_partitions", "Days that this replica dropped, by why", self.dropped.clone());
        let forgotten = "Dead letters that this replica forgot because all together took too much";
        registry.register("forgotten_dead_letters", forgotten, self.forgotten.clone());
    }

    pub(super) fn observe(&self, leaves: &[Leaf], now: OffsetDateTime) {
        let attached = || leaves.iter().filter(|leaf| leaf.state == LeafState::Attached);
        let ahead = ahead(now).skip(1).take_while(|day| attached().any(|leaf| leaf.day == *day)).count();
        self.ahead.set(i64::try_from(ahead).unwrap_or(i64::MAX));
        self.oldest.set(attached().next().map_or(0, |leaf| leaf.day.midnight().assume_utc().unix_timestamp()));
        self.bytes.set(attached().map(|leaf| leaf.bytes).sum());
    }

    pub(super) fn forgotten(&self, letters: u64) {
        self.forgotten.inc_by(letters);
    }

    pub(super) fn dropped(&self, reason: Reason) {
        self.dropped.get_or_create(&Why { reason: reason.label() }).inc();
    }
}
