//! Metrics of the connections to the database, as they stand when they are asked for.

use deadpool_postgres::Pool;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

/// Adds them to a registry.
pub fn register(pool: &Pool, registry: &mut Registry) {
    registry.register_collector(Box::new(Connections(pool.clone())));
}

#[derive(Debug)]
struct Connections(Pool);

impl Collector for Connections {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let status = self.0.status();
        let gauges = [
            ("open", "Connections to the database", status.size),
            ("idle", "Those that nobody uses", status.available),
            ("most", "How many there may be", status.max_size),
            ("wanted", "How many wait for one", status.waiting),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            let name = format!("agentcomms_ingest_database_connections_{name}");
            gauge.encode(encoder.encode_descriptor(&name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}
