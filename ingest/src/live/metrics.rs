//! What an operator sees of the live side.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::ring::Ring;

#[derive(Debug, Default)]
pub(super) struct LiveMetrics {
    pub(super) viewers: Gauge,
    pub(super) frames: Counter,
    pub(super) copies: Counter,
    pub(super) unreadable: Counter,
    pub(super) history_pages: Counter,
    pub(super) stream_pages: Counter,
    pub(super) resets: Counter,
    pub(super) restarts: Counter,
    ring_frames: Gauge,
    ring_bytes: Gauge,
    undecided: Gauge,
    open: Gauge,
}

impl LiveMetrics {
    pub(super) fn observe(&self, ring: &Ring) {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.ring_frames.set(number(ring.frames()));
        self.ring_bytes.set(number(ring.bytes()));
        self.undecided.set(number(ring.undecided()));
        self.open.set(i64::from(ring.is_open()));
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        let gauges = [
            ("viewers", "Open event streams", &self.viewers),
            ("ring_frames", "Frames in the ring", &self.ring_frames),
            ("ring_bytes", "Memory that the ring is reckoned to take", &self.ring_bytes),
            ("undecided_frames", "Copies in the ring that wait for their row", &self.undecided),
            ("open", "Whether the stream is being followed", &self.open),
        ];
        for (name, help, gauge) in gauges {
            registry.register(format!("agentcomms_ingest_live_{name}"), help, gauge.clone());
        }
        let counters = [
            ("frames", "Messages added to the ring", &self.frames),
            ("copies", "Copies of a message that were not shown", &self.copies),
            ("unreadable_messages", "Messages of the stream that cannot be read", &self.unreadable),
            ("history_pages", "Pages read from the table for viewers below the ring", &self.history_pages),
            ("stream_pages", "Pages read from the stream for viewers below the ring", &self.stream_pages),
            ("resets", "Streams whose cursor could not be honoured", &self.resets),
            ("feed_restarts", "Times that following the stream started anew", &self.restarts),
        ];
        for (name, help, counter) in counters {
            registry.register(format!("agentcomms_ingest_live_{name}"), help, counter.clone());
        }
    }
}
