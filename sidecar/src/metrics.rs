//! What the sidecar tells of itself at `GET /metrics`.

use std::sync::Arc;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The metrics.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    /// Messages that the stream has.
    pub published: Counter,
    /// Their bytes.
    pub published_bytes: Counter,
    /// Messages sent once more.
    pub resends: Counter,
    /// Publishes that the server refused or never answered.
    pub refusals: Counter,
    /// Messages that can never be sent.
    pub set_aside: Counter,
    /// Messages that came into the stream after later ones of their source.
    pub late: Counter,
    /// Messages that the server took for copies though they were never sent before.
    pub false_duplicates: Counter,
    /// Times that the stream was found without what it had acknowledged.
    pub streams_lost: Counter,
    /// Times that a connection was made.
    pub connects: Counter,
    /// Times that something of a source may have been lost.
    pub gaps: Counter,
    /// Checkpoints that could not be written.
    pub checkpoint_failures: Counter,
    /// 1 while connected.
    pub connected: Gauge,
    /// Messages on their way.
    pub in_flight: Gauge,
    /// Bytes of files that were not read yet.
    pub files_behind: Gauge,
    /// Bytes of the spool that were not read yet.
    pub spool_behind: Gauge,
    /// Bytes that the spool holds.
    pub spool_held: Gauge,
    /// Milliseconds that sending was held back.
    pub throttled: Gauge,
    /// 1 while changes of files wake the reader, 0 while they are polled alone.
    pub watching: Gauge,
}

/// Renders the metrics.
#[derive(Debug, Clone)]
pub struct Exposition(Arc<Registry>);

impl Metrics {
    /// Registers all of them.
    #[must_use]
    pub fn register(&self) -> Exposition {
        let mut registry = Registry::with_prefix("agentcomms_sidecar");
        let counters: [(&str, &str, &Counter); 11] = [
            ("published_messages", "Messages that the stream has", &self.published),
            ("published_bytes", "Bytes of messages that the stream has", &self.published_bytes),
            ("resent_messages", "Messages sent once more", &self.resends),
            ("refused_publishes", "Publishes refused or never answered", &self.refusals),
            ("set_aside_messages", "Messages that can never be sent", &self.set_aside),
            ("late_messages", "Messages stored after later ones of their source", &self.late),
            ("false_duplicates", "Messages taken for copies though never sent before", &self.false_duplicates),
            ("streams_lost", "Times that the stream had lost what it had acknowledged", &self.streams_lost),
            ("connects", "Connections made", &self.connects),
            ("gaps", "Times that something may have been lost", &self.gaps),
            ("checkpoint_failures", "Checkpoints that could not be written", &self.checkpoint_failures),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        let gauges: [(&str, &str, &Gauge); 7] = [
            ("connected", "1 while connected to the server", &self.connected),
            ("in_flight_messages", "Messages on their way", &self.in_flight),
            ("files_behind_bytes", "Bytes of files not read yet", &self.files_behind),
            ("spool_behind_bytes", "Bytes of the spool not read yet", &self.spool_behind),
            ("spool_held_bytes", "Bytes that the spool holds", &self.spool_held),
            ("throttled_milliseconds", "How long sending was held back", &self.throttled),
            ("watching", "1 while changes of files wake the reader", &self.watching),
        ];
        for (name, help, gauge) in gauges {
            registry.register(name, help, gauge.clone());
        }
        Exposition(Arc::new(registry))
    }
}

impl Exposition {
    /// The metrics as text.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        if let Err(error) = encode(&mut text, &self.0) {
            tracing::warn!(error = %error, "metrics cannot be rendered");
        }
        text
    }

    /// All of them.
    #[must_use]
    pub fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.0)
    }
}
