//! Metrics of the connections to the database, as they stand when they are asked for.

use deadpool_postgres::Status;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::Pools;

/// Adds them to a registry.
pub fn register(pools: &Pools, registry: &mut Registry) {
    registry.register_collector(Box::new(Connections(pools.clone())));
}

/// Its name, what it is, and how it is taken.
type Gauge = (&'static str, &'static str, fn(&Status) -> usize);

#[derive(Debug)]
struct Connections(Pools);

impl Collector for Connections {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let pools = [("storing", self.0.storing.status()), ("reading", self.0.reading.status())];
        let gauges: [Gauge; 4] = [
            ("open", "Connections to the database", |status| status.size),
            ("idle", "Those that nobody uses", |status| status.available),
            ("most", "How many there may be", |status| status.max_size),
            ("wanted", "How many wait for one", |status| status.waiting),
        ];
        for (name, help, value) in gauges {
            let name = format!("agentcomms_ingest_database_connections_{name}");
            let mut family = encoder.encode_descriptor(&name, help, None, MetricType::Gauge)?;
            for (pool, status) in &pools {
                let gauge = ConstGauge::new(i64::try_from(value(status)).unwrap_or(i64::MAX));
                gauge.encode(family.encode_family(&[("pool", *pool)])?)?;
            }
        }
        Ok(())
    }
}
